package ffmpeg

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
)

// Tools are the programs found on this machine.
type Tools struct {
	FFmpeg, FFprobe string // absolute paths
	Version         string // such as "5.1.9"; of a git build, "N-109542-g9e3f1c2"
	VersionLine     string // the first line of `ffmpeg -version`, for fingerprints

	lists *lists // what the build has, asked for once
}

// lists keeps what ffmpeg was asked for: each question is a process.
type lists struct {
	mu   sync.Mutex
	have map[string]map[string]bool // by kind
}

// minMajor and minMinor are the oldest release taken: 5.1, which Debian 12 ships,
// is the first with -fps_mode.
const minMajor, minMinor = 5, 1

// Find looks for ffmpeg at ffmpegPath, or on $PATH when that is empty, and for
// ffprobe beside it, else on $PATH. The error is a [*MissingError], a
// [*TooOldError] or a [*BrokenError], or the context's. Builds from git, whose
// numbers say nothing of features, are taken.
func Find(ctx context.Context, ffmpegPath string) (Tools, error) {
	if ffmpegPath == "" {
		ffmpegPath = "ffmpeg"
	}
	ffmpeg, err := lookPath(ffmpegPath)
	if err != nil {
		return Tools{}, err
	}
	ffprobe, err := lookPath(filepath.Join(filepath.Dir(ffmpeg), "ffprobe"))
	if err != nil {
		if ffprobe, err = lookPath("ffprobe"); err != nil {
			return Tools{}, err
		}
	}
	t := Tools{FFmpeg: ffmpeg, FFprobe: ffprobe, lists: &lists{have: map[string]map[string]bool{}}}
	if t.VersionLine, t.Version, err = askVersion(ctx, "ffmpeg", ffmpeg); err != nil {
		return Tools{}, err
	}
	// An ffprobe that does not work would make every file one that is no media.
	_, _, err = askVersion(ctx, "ffprobe", ffprobe)
	return t, err
}

// askVersion makes a program say its version: the whole line, and the number.
func askVersion(ctx context.Context, tool, path string) (line, version string, err error) {
	out, err := capture(ctx, path, []string{"-version"})
	if ctx.Err() != nil {
		return "", "", ctx.Err()
	}
	if err != nil {
		return "", "", &BrokenError{Path: path, Err: err}
	}
	first, _, _ := bytes.Cut(out, []byte("\n"))
	line = strings.TrimSpace(string(first))
	version, err = parseVersion(tool, line)
	if errors.Is(err, errNoVersion) {
		err = &BrokenError{Path: path, Err: err}
	}
	return line, version, err
}

func lookPath(name string) (string, error) {
	found, err := exec.LookPath(name)
	if err == nil {
		found, err = filepath.Abs(found)
	}
	if err != nil {
		return "", &MissingError{Tool: name, Err: err}
	}
	return found, nil
}

// release matches the version of a release, as FFmpeg, Debian ("5.1.9-0+deb12u1")
// and builds from a tag ("n6.0.2") write it.
var release = regexp.MustCompile(`^n?((\d{1,4})\.(\d{1,4})(\.\d+)*)([^0-9.].*)?$`)

var errNoVersion = errors.New("it does not say its version")

func parseVersion(tool, line string) (string, error) {
	rest, ok := strings.CutPrefix(line, tool+" version ")
	word, _, _ := strings.Cut(rest, " ")
	if !ok || word == "" {
		return "", fmt.Errorf("%w but %.80q", errNoVersion, line)
	}
	m := release.FindStringSubmatch(word)
	if m == nil {
		return word, nil // a git build
	}
	major, _ := strconv.Atoi(m[2]) // at most four digits, by the pattern
	minor, _ := strconv.Atoi(m[3])
	if major < minMajor || major == minMajor && minor < minMinor {
		need := fmt.Sprintf("%d.%d", minMajor, minMinor)
		return m[1], &TooOldError{Tool: tool, Version: m[1], Need: need}
	}
	return m[1], nil
}

// needs are the parts of ffmpeg that micodata cannot do without. Debian's and
// Homebrew's builds have them all; minimal builds lack the first.
var needs = []struct{ list, name string }{
	{"encoder", "libx264"}, {"encoder", "aac"}, {"encoder", "mjpeg"}, {"filter", "remap"}, {"filter", "bwdif"},
}

// Missing lists what this build of ffmpeg lacks of what micodata needs, such as
// "encoder libx264"; it is empty when all is there.
func (t Tools) Missing(ctx context.Context) ([]string, error) {
	var missing []string
	for _, need := range needs {
		have, err := t.list(ctx, need.list)
		if err != nil {
			return nil, err
		}
		if !have[need.name] {
			missing = append(missing, need.list+" "+need.name)
		}
	}
	return missing, nil
}

// Encoders is the set of encoders' names, such as "libx264".
func (t Tools) Encoders(ctx context.Context) (map[string]bool, error) { return t.list(ctx, "encoder") }

// Filters is the set of filters' names, such as "zscale".
func (t Tools) Filters(ctx context.Context) (map[string]bool, error) { return t.list(ctx, "filter") }

func (t Tools) list(ctx context.Context, what string) (map[string]bool, error) {
	if t.lists != nil {
		t.lists.mu.Lock()
		defer t.lists.mu.Unlock()
		if have := t.lists.have[what]; have != nil {
			return have, nil
		}
	}
	out, err := capture(ctx, t.FFmpeg, []string{"-hide_banner", "-" + what + "s"})
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, &BrokenError{Path: t.FFmpeg, Err: fmt.Errorf("list of its %ss: %w", what, err)}
	}
	have := parseList(string(out))
	if t.lists != nil {
		t.lists.have[what] = have
	}
	return have, nil
}

// parseList reads a listing whose lines are flags, names, text. Its legend has
// "=" in the place of a name; a demuxer may have several names.
func parseList(out string) map[string]bool {
	names := map[string]bool{}
	for line := range strings.Lines(out) {
		if f := strings.Fields(line); len(f) >= 3 && f[1] != "=" {
			for name := range strings.SplitSeq(f[1], ",") {
				names[name] = true
			}
		}
	}
	return names
}
