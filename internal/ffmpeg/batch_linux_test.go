package ffmpeg

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestBatchScheduling looks at the policy that a child inherits.
func TestBatchScheduling(t *testing.T) {
	before, err := unix.SchedGetAttr(os.Getpid(), 0)
	if err != nil {
		t.Fatal(err)
	}
	if before.Policy != unix.SCHED_NORMAL {
		t.Skipf("the tests run with policy %d already", before.Policy)
	}
	BatchScheduling()
	var stat bytes.Buffer
	p, err := Start(t.Context(), "/bin/cat", Job{Args: []string{"/proc/self/stat"}, Stdout: &stat})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Wait(); err != nil {
		t.Fatal(err)
	}
	const policy = 41 // counted from 1, proc(5)
	_, fields, _ := strings.Cut(stat.String(), ") ")
	if got := strings.Fields(fields)[policy-3]; got != "3" {
		t.Errorf("a child has policy %s, want 3 (SCHED_BATCH)", got)
	}
	after, err := unix.SchedGetAttr(os.Getpid(), 0)
	if err != nil {
		t.Fatal(err)
	}
	if after.Nice != before.Nice {
		t.Errorf("niceness went from %d to %d", before.Nice, after.Nice)
	}
}
