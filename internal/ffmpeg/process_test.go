package ffmpeg

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
)

// Two inputs and two outputs cross over in one child, far more bytes than the
// pipes hold.
func TestPipes(t *testing.T) {
	const size = 5 << 20
	data := [2][]byte{make([]byte, size), make([]byte, size)}
	source := rand.NewChaCha8([32]byte{1})
	for _, d := range data {
		if _, err := source.Read(d); err != nil {
			t.Fatal(err)
		}
	}
	args := []string{}
	for i := range data {
		args = append(args, "-f", "u8", "-ar", "48000", "-ac", "1", "-i", InputURL(i))
	}
	for i := range data {
		args = append(args, "-map", fmt.Sprint(1-i), "-f", "u8", "-c", "copy", OutputURL(len(data), i))
	}
	p, err := tools(t).Start(t.Context(), Job{
		Args:    args,
		Inputs:  []Feed{Copy(bytes.NewReader(data[0])), Copy(bytes.NewReader(data[1]))},
		Outputs: 2,
	})
	if err != nil {
		t.Fatal(err)
	}
	var g errgroup.Group
	var got [2][32]byte
	for i := range got {
		g.Go(func() error {
			b, err := io.ReadAll(p.Output(i))
			got[i] = sha256.Sum256(b)
			return err
		})
	}
	if err := errors.Join(g.Wait(), p.Wait()); err != nil {
		t.Fatal(err)
	}
	if got != [2][32]byte{sha256.Sum256(data[1]), sha256.Sum256(data[0])} {
		t.Error("outputs are not the inputs crossed over")
	}
	if user, system := p.CPU(); user+system <= 0 || p.MaxRSS() < 1<<20 {
		t.Errorf("cpu %v+%v, rss %d", user, system, p.MaxRSS())
	}
}

func TestExitError(t *testing.T) {
	args := []string{"-i", "file:/nonexistent/\x1b[31mred\n.mp4", "-f", "null", "-"}
	p, err := tools(t).Start(t.Context(), Job{Args: args})
	if err != nil {
		t.Fatal(err)
	}
	var exit *ExitError
	if err = p.Wait(); !errors.As(err, &exit) {
		t.Fatalf("err = %v", err)
	}
	if exit.Tool != "ffmpeg" || exit.Code != 1 || exit.Signal != "" || exit.Args[len(exit.Args)-1] != "-" {
		t.Errorf("%+v", exit)
	}
	const want = "No such file or directory"
	if text := exit.Error(); !strings.HasPrefix(text, "ffmpeg: exit status 1: ") ||
		!strings.HasSuffix(text, want) || strings.ContainsAny(text, "\x1b\n") {
		t.Errorf("%q", text)
	}
}

func TestSignal(t *testing.T) {
	p, err := Start(t.Context(), "/bin/sh", Job{Args: []string{"-c", "kill -SEGV $$"}})
	if err != nil {
		t.Fatal(err)
	}
	var exit *ExitError
	if err = p.Wait(); !errors.As(err, &exit) || exit.Code != -1 || exit.Signal != "segmentation fault" {
		t.Errorf("err = %v", err)
	}
}

func TestStderrTail(t *testing.T) {
	p, err := Start(t.Context(), "/bin/sh", Job{Args: []string{"-c", "seq 100000 >&2; exit 3"}})
	if err != nil {
		t.Fatal(err)
	}
	var exit *ExitError
	if err = p.Wait(); !errors.As(err, &exit) || exit.Code != 3 {
		t.Fatalf("err = %v", err)
	}
	if len(exit.Stderr) != maxStderr || !strings.HasSuffix(exit.Stderr, "99999\n100000\n") {
		t.Errorf("%d bytes, ending in %q", len(exit.Stderr), exit.Stderr[len(exit.Stderr)-20:])
	}
	if len(exit.Error()) > 500 {
		t.Errorf("error of %d bytes", len(exit.Error()))
	}
}

// What a process complains of is kept also if it ends well.
func TestStderrOfSuccess(t *testing.T) {
	p, err := Start(t.Context(), "/bin/sh", Job{Args: []string{"-c", "echo concealed >&2"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Wait(); err != nil || p.Stderr() != "concealed\n" {
		t.Errorf("%q, %v", p.Stderr(), err)
	}
}

func TestOneOutputKeepsTheOrder(t *testing.T) {
	var got bytes.Buffer
	p, err := Start(t.Context(), "/bin/sh", Job{
		Args:   []string{"-c", "for i in $(seq 100); do echo out $i; echo err $i >&2; done"},
		Stdout: &got, OneOutput: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	var want strings.Builder
	for i := range 100 {
		fmt.Fprintf(&want, "out %d\nerr %[1]d\n", i+1)
	}
	if err := p.Wait(); err != nil || got.String() != want.String() {
		t.Errorf("%q, %v", got.String(), err)
	}
}

func TestStartMissing(t *testing.T) {
	_, err := Start(t.Context(), "/nonexistent/tool", Job{Outputs: 1, Inputs: []Feed{nil}})
	var missing *MissingError
	if !errors.As(err, &missing) || missing.Tool != "/nonexistent/tool" {
		t.Errorf("err = %v", err)
	}
}

// The reader sees the end of the file, and Wait says why.
func TestCancel(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	p, err := tools(t).Start(ctx, Job{
		Args:    []string{"-f", "lavfi", "-i", "testsrc2=s=64x48", "-f", "rawvideo", OutputURL(0, 0)},
		Outputs: 1,
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(p.Output(0), make([]byte, 64*48)); err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, err := io.Copy(io.Discard, p.Output(0)); err != nil {
		t.Error(err)
	}
	if err := p.Wait(); !errors.Is(err, context.Canceled) || !strings.HasPrefix(err.Error(), "ffmpeg: ") {
		t.Errorf("err = %v", err)
	}
}

func TestStall(t *testing.T) {
	p, err := Start(t.Context(), "/bin/sleep", Job{
		Args: []string{"1000"}, Outputs: 1, Limits: Limits{Stall: 20 * time.Millisecond},
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(p.Output(0)); err != nil {
		t.Error(err)
	}
	var timeout *TimeoutError
	if err := p.Wait(); !errors.As(err, &timeout) || !timeout.Stalled || timeout.Tool != "sleep" {
		t.Errorf("err = %v", err)
	}
}

// A child that waits for us has not stalled: neither for want of input, nor
// because nobody reads one of its outputs.
func TestStallIsNotOurs(t *testing.T) {
	pause := func(ctx context.Context) { // longer than the limit, unless it ends
		select {
		case <-ctx.Done():
		case <-time.After(100 * time.Millisecond):
		}
	}
	p, err := Start(t.Context(), "/bin/sh", Job{
		Args: []string{"-c", "cat <&3 >&4; echo end >&5"},
		Inputs: []Feed{func(ctx context.Context, w io.Writer) error {
			pause(ctx)
			_, err := io.WriteString(w, "late")
			return err
		}},
		Outputs: 2,
		Limits:  Limits{Stall: 20 * time.Millisecond},
	})
	if err != nil {
		t.Fatal(err)
	}
	first, err := io.ReadAll(p.Output(0))
	if err != nil || string(first) != "late" {
		t.Errorf("%q, %v", first, err)
	}
	pause(t.Context())
	second, err := io.ReadAll(p.Output(1))
	if err != nil || string(second) != "end\n" {
		t.Errorf("%q, %v", second, err)
	}
	if err := p.Wait(); err != nil {
		t.Error(err)
	}
}

// A group that ignores SIGTERM is killed, children included: the shell's own
// child holds the pipe.
func TestTimeoutKillsGroup(t *testing.T) {
	t.Parallel() // it waits out stopGrace
	p, err := Start(t.Context(), "/bin/sh", Job{
		Args:    []string{"-c", "trap '' TERM; sleep 1000 & wait; sleep 1000"},
		Outputs: 1,
		Limits:  Limits{Timeout: 50 * time.Millisecond},
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(p.Output(0)); err != nil {
		t.Error(err)
	}
	var timeout *TimeoutError
	if err := p.Wait(); !errors.As(err, &timeout) || timeout.Stalled || !timeout.Timeout() {
		t.Errorf("err = %v", err)
	}
}

// The child waits for its input, which comes after the limits are set, and then
// asks for a buffer that is larger than all the memory it may have.
func TestMemoryLimit(t *testing.T) {
	p, err := Start(t.Context(), "/bin/sh", Job{
		Args:   []string{"-c", "cat <&3; exec dd if=/dev/zero of=/dev/null count=1 bs=1G"},
		Inputs: []Feed{Copy(strings.NewReader("go"))},
		Limits: Limits{MemoryBytes: 512 << 20},
	})
	if err != nil {
		t.Fatal(err)
	}
	var exit *ExitError
	if err := p.Wait(); !errors.As(err, &exit) || !strings.Contains(exit.Stderr, "memory exhausted") {
		t.Errorf("err = %v", err)
	}
}

func TestFileLimit(t *testing.T) {
	path := filepath.Join(t.TempDir(), "big")
	p, err := Start(t.Context(), "/bin/sh", Job{
		Args:   []string{"-c", `cat <&3; exec head -c 10000000 /dev/zero >"$0"`, path},
		Inputs: []Feed{Copy(strings.NewReader("go"))},
		Limits: Limits{FileBytes: 1 << 20},
	})
	if err != nil {
		t.Fatal(err)
	}
	var exit *ExitError
	if err := p.Wait(); !errors.As(err, &exit) || exit.Signal != "file size limit exceeded" {
		t.Errorf("err = %v", err)
	}
	if info, err := os.Stat(path); err != nil || info.Size() != 1<<20 {
		t.Errorf("%v, %v", info, err)
	}
}

func TestFeedError(t *testing.T) {
	broken := errors.New("no more frames")
	p, err := Start(t.Context(), "/bin/sh", Job{
		Args:   []string{"-c", "cat <&3 >/dev/null"},
		Inputs: []Feed{func(context.Context, io.Writer) error { return broken }},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Wait(); !errors.Is(err, broken) {
		t.Errorf("err = %v", err)
	}
}

// A child that ends before its input does is content, and its feed is told.
func TestFeedOutlived(t *testing.T) {
	p, err := Start(t.Context(), "/bin/true", Job{
		Inputs: []Feed{
			Copy(strings.NewReader(strings.Repeat("x", 3<<20))),
			func(ctx context.Context, _ io.Writer) error { <-ctx.Done(); return ctx.Err() },
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Wait(); err != nil {
		t.Error(err)
	}
}

func TestStdinStdout(t *testing.T) {
	var out bytes.Buffer
	p, err := Start(t.Context(), "/bin/cat", Job{Stdin: strings.NewReader("as it is"), Stdout: &out})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Wait(); err != nil || out.String() != "as it is" {
		t.Errorf("%q, %v", out.String(), err)
	}
}
