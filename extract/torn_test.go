package extract_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"micodata/dataset"
	"micodata/extract"
	"micodata/internal/testmedia"
)

// tampered is an ffmpeg whose first output of frames without times goes through a
// command of the shell, but for its header.
func tampered(t *testing.T, command string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ffmpeg")
	script := fmt.Sprintf(`#!/bin/bash
for ((i = 1; i < $#; i++)); do
	if [ "${!i}" = yuv4mpegpipe ]; then
		j=$((i + 1)) url=${!j} fd=${url#pipe:}
		eval "exec $fd> >(IFS= read -r header; { echo \"\$header\"; %s; } >&$fd)"
		break
	fi
done
exec ffmpeg "$@"
`, command)
	if err := os.WriteFile(path, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

// A decoder that ends while it gives frames costs the clips that lack one, though
// it has told their times; those before are whole.
func TestDecoderThatEndsAmongFrames(t *testing.T) {
	o := testmedia.CounterOptions{Frames: 220, Width: 320, Height: 180, Cuts: []int{40, 97, 130, 180, 209}}
	path := testmedia.Counter(t, o)
	const frame = len("FRAME\n") + 320*180*3/2
	for name, test := range map[string]struct {
		mode         string
		bytes, whole int
	}{
		"before all":               {extract.ClipEncode, 0, 0},
		"in the first":             {extract.ClipEncode, 20, 0},
		"in one that waits":        {extract.ClipEncode, 100*frame + frame/2, 2},
		"in one sent on":           {extract.ClipEncode, 125*frame + frame/2, 2},
		"in one sent and kept":     {extract.ClipEncode, 116*frame + frame/2, 2},
		"in the line of one":       {extract.ClipEncode, 120*frame + 3, 2},
		"between two":              {extract.ClipEncode, 120 * frame, 2},
		"between two clips":        {extract.ClipEncode, 130 * frame, 3},
		"in the last":              {extract.ClipEncode, 219*frame + frame/2, 5},
		"in a still":               {extract.ClipNone, 50*frame + frame/2, 1},
		"between two stills":       {extract.ClipNone, 50 * frame, 1},
		"in a frame of small size": {extract.ClipEncode + " small", 100 * (6 + 160*90*3/2), 2},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorkplace(t, source(t, path))
			w.env.Tools.FFmpeg = tampered(t, fmt.Sprint("head -c ", test.bytes))
			w.env.Settings.MinClip, w.env.Settings.ClipMode = 400e6, test.mode
			if test.mode == extract.ClipEncode+" small" {
				w.env.Settings.ClipMode, w.env.Settings.ClipHeight = extract.ClipEncode, 90
			}
			whole := 0
			for _, row := range w.run(t) {
				switch {
				case row.Status != dataset.OK:
				case w.env.Settings.ClipMode == extract.ClipNone:
					whole++
					checkStills(t, row, o.PTS())
				default:
					whole++
					checkFrames(t, row, o.PTS())
				}
			}
			if whole != test.whole {
				t.Errorf("%d whole clips, want %d", whole, test.whole)
			}
		})
	}
}

// A decoder that gives other numbers of frames than of times, and does not fail,
// leaves no time sure: no clip is whole, also none that was before.
func TestFramesThatDoNotMatchTheirTimes(t *testing.T) {
	o := testmedia.CounterOptions{Frames: 100, Width: 320, Height: 180, Cuts: []int{40, 70}}
	path := testmedia.Counter(t, o)
	const frame = len("FRAME\n") + 320*180*3/2
	for name, command := range map[string]string{
		"one too few":  fmt.Sprintf("head -c %d; head -c %d >/dev/null; cat", 60*frame, frame),
		"one too many": fmt.Sprintf("cat; echo FRAME; head -c %d /dev/zero", frame-len("FRAME\n")),
	} {
		for _, mode := range []string{extract.ClipEncode, extract.ClipNone} {
			t.Run(name+" "+mode, func(t *testing.T) {
				w := newWorkplace(t, source(t, path))
				w.env.Tools.FFmpeg = tampered(t, command)
				w.env.Settings.MinClip, w.env.Settings.ClipMode = 400e6, mode
				rows := w.run(t)
				if len(rows) != 3 {
					t.Errorf("%d rows", len(rows))
				}
				for _, row := range rows {
					if row.Status != dataset.Failed || row.Class != dataset.Internal {
						t.Errorf("%+v", row.Outcome)
					}
				}
			})
		}
	}
}

// A decoder that begins well and then writes nonsense: the source fails, without a
// hang and without stopping others.
func TestUnreadableFeed(t *testing.T) {
	bad := testmedia.Counter(t, testmedia.CounterOptions{Frames: 60, Width: 320, Height: 180})
	good := testmedia.Counter(t, testmedia.CounterOptions{Frames: 50})
	nonsense := "head -c 5000000 /dev/zero"
	onlyBad := func(ffmpeg string) string {
		path := filepath.Join(t.TempDir(), "ffmpeg")
		script := fmt.Sprintf("#!/bin/sh\ncase \"$*\" in *-filter_complex*%s*) exec %s \"$@\"; esac\nexec ffmpeg \"$@\"\n", bad, ffmpeg)
		if err := os.WriteFile(path, []byte(script), 0o700); err != nil {
			t.Fatal(err)
		}
		return path
	}
	times := filepath.Join(t.TempDir(), "ffmpeg") // not cut by content, they are the first output, at descriptor 3
	script := "#!/bin/bash\nexec 9>&3\nexec ffmpeg \"$@\" 3> >({ head -c 500; " + nonsense + "; } >&9)\n"
	if err := os.WriteFile(times, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, ffmpeg := range map[string]string{"times": times, "frames": tampered(t, "head -c 1000000; "+nonsense)} {
		t.Run(name, func(t *testing.T) {
			w := newWorkplace(t, source(t, bad), source(t, good))
			w.env.Tools.FFmpeg = onlyBad(ffmpeg)
			w.env.Settings.Cut = "none"
			rows := w.run(t)
			if len(rows) != 2 || rows[0].Status != dataset.Failed || rows[0].Class != dataset.Internal || !strings.Contains(rows[0].Error, "read decoded") {
				t.Errorf("%d rows, the first %+v", len(rows), rows[0].Outcome)
			}
			if rows[len(rows)-1].Status != dataset.OK {
				t.Errorf("the other source: %+v", rows[len(rows)-1].Outcome)
			}
		})
	}
}
