package verify

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"micodata/storage"
)

var built struct {
	sync.Once
	dir  string
	said []byte
	err  error
}

func TestMain(m *testing.M) {
	code := m.Run()
	os.RemoveAll(built.dir)
	os.Exit(code)
}

// micodata builds the command and runs it in dir.
func micodata(t *testing.T, dir string, args ...string) {
	t.Helper()
	cmd := command(t, dir, args...)
	if said, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", args, err, said)
	}
}

// verifyByCommand is the command's report on a set, all of whose tuples it decodes.
// The command is built without the race detector, which makes comparing pictures
// several times as slow; other tests verify in this process.
func verifyByCommand(t *testing.T, dir, set string) (r Report) {
	t.Helper()
	out, err := command(t, dir, "verify", set, "--sample", "1", "--json").Output()
	var failed *exec.ExitError
	if err != nil && (!errors.As(err, &failed) || failed.ExitCode() != 1) {
		t.Fatalf("verify %s: %v", set, err)
	}
	if err := json.Unmarshal(out, &r); err != nil {
		t.Fatalf("verify %s: %v: %s", set, err, out)
	}
	return r
}

func command(t *testing.T, dir string, args ...string) *exec.Cmd {
	t.Helper()
	built.Do(func() {
		if built.dir, built.err = os.MkdirTemp("", "micodata-built-*"); built.err == nil {
			built.said, built.err = exec.Command("go", "build", "-o", filepath.Join(built.dir, "micodata"), "micodata/cmd/micodata").CombinedOutput()
		}
	})
	if built.err != nil {
		t.Fatalf("build micodata: %v: %s", built.err, built.said)
	}
	cmd := exec.Command(filepath.Join(built.dir, "micodata"), args...)
	cmd.Dir = dir
	return cmd
}

// listed is a source with its spans, as a table gives it.
type listed struct {
	VideoID string     `json:"video_id"`
	URL     string     `json:"url"`
	Clip    []clipSpan `json:"clip"`
}

type clipSpan struct {
	ID   string    `json:"clip_id"`
	Span [2]string `json:"span"`
}

// list writes sources and their spans in seconds into a table.
func list(t *testing.T, path string, spans map[string][][2]float64) {
	t.Helper()
	var lines []byte
	clock := func(s float64) string { return fmt.Sprintf("00:00:%09.6f", s) }
	for _, name := range slices.Sorted(maps.Keys(spans)) {
		l := listed{VideoID: filepath.Base(filepath.Dir(name)) + "-" + filepath.Base(name), URL: name}
		for i, s := range spans[name] {
			l.Clip = append(l.Clip, clipSpan{fmt.Sprintf("%s.%d", l.VideoID, i), [2]string{clock(s[0]), clock(s[1])}})
		}
		line, err := json.Marshal(l)
		if err != nil {
			t.Fatal(err)
		}
		lines = append(append(lines, line...), '\n')
	}
	if err := os.WriteFile(path, lines, 0o600); err != nil {
		t.Fatal(err)
	}
}

func folder(t *testing.T, dir string) storage.Store {
	t.Helper()
	s, err := storage.NewLocal(dir)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func place(t *testing.T, from, to string) string {
	t.Helper()
	data, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, data, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	return to
}
