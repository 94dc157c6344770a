package ffmpeg

import (
	"fmt"
	"strings"
	"time"
	"unicode"
)

// MissingError says that a program was not found.
type MissingError struct {
	Tool string // "ffmpeg", "ffprobe" or the path that was asked for
	Err  error  // why, as os/exec says it
}

func (e *MissingError) Error() string {
	return fmt.Sprintf("%s not found: install ffmpeg %d.%d or newer (apt-get install ffmpeg; dnf install ffmpeg-free; brew install ffmpeg), or say where it is with --ffmpeg", e.Tool, minMajor, minMinor)
}
func (e *MissingError) Unwrap() error { return e.Err }

// TooOldError says that a program is older than what this module needs.
type TooOldError struct {
	Tool    string
	Version string // what it says of itself
	Need    string // the oldest version that will do
}

func (e *TooOldError) Error() string {
	return fmt.Sprintf("%s is version %s, need %s or newer: install one, or say where it is with --ffmpeg", e.Tool, e.Version, e.Need)
}

// BrokenError says that what was found as ffmpeg or ffprobe does not work as one.
type BrokenError struct {
	Path string
	Err  error
}

func (e *BrokenError) Error() string {
	return fmt.Sprintf("%s does not work: %v: install ffmpeg %d.%d or newer, or say where it is with --ffmpeg", e.Path, e.Err, minMajor, minMinor)
}
func (e *BrokenError) Unwrap() error { return e.Err }

// ExitError says that a process ended by itself with a status other than 0, or
// by a signal nobody here sent.
type ExitError struct {
	Tool   string   // base name of the program
	Args   []string // without the program's name
	Code   int      // exit status, -1 after a signal
	Signal string   // such as "killed" or "segmentation fault"; "" without one
	Stderr string   // the last 8 KiB, as the process wrote them
}

// Error gives the status and the end of standard error on one line, without
// control characters, which hostile media can put there.
func (e *ExitError) Error() string {
	status := fmt.Sprintf("exit status %d", e.Code)
	if e.Signal != "" {
		status = "signal: " + e.Signal
	}
	if said := oneLine(e.Stderr); said != "" {
		return fmt.Sprintf("%s: %s: %s", e.Tool, status, said)
	}
	return fmt.Sprintf("%s: %s", e.Tool, status)
}

// TimeoutError says that a process was stopped for passing a limit of time.
type TimeoutError struct {
	Tool    string
	Limit   time.Duration
	Stalled bool // Limits.Stall was passed, not Limits.Timeout
}

func (e *TimeoutError) Error() string {
	if e.Stalled {
		return fmt.Sprintf("%s: no progress for %v", e.Tool, e.Limit)
	}
	return fmt.Sprintf("%s: still running after %v", e.Tool, e.Limit)
}

// Timeout reports true, as net.Error has it.
func (e *TimeoutError) Timeout() bool { return true }

// maxErrorText bounds what of standard error goes into Error's one line.
const maxErrorText = 400

func oneLine(stderr string) string {
	lines := strings.FieldsFunc(stderr, func(r rune) bool { return r == '\n' || r == '\r' })
	text := strings.ToValidUTF8(strings.Join(lines, "; "), "?")
	text = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, text)
	if len(text) > maxErrorText {
		text = "..." + strings.ToValidUTF8(text[len(text)-maxErrorText:], "")
	}
	return text
}

// tail is an io.Writer that keeps the last bytes written to it.
type tail struct{ kept []byte }

// maxStderr is how much of standard error is kept: some sixty lines, enough for
// ffmpeg's last words, little enough for ten thousand failed rows.
const maxStderr = 8 << 10

func (t *tail) Write(p []byte) (int, error) {
	n := len(p)
	if n > maxStderr {
		p = p[n-maxStderr:]
	}
	if over := len(t.kept) + len(p) - maxStderr; over > 0 {
		t.kept = append(t.kept[:0], t.kept[over:]...)
	}
	t.kept = append(t.kept, p...)
	return n, nil
}
