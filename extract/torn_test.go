package extract_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"micodata/dataset"
	"micodata/extract"
	"micodata/internal/testmedia"
)

// cutOff is an ffmpeg whose first output of frames without times ends after so
// many bytes behind its header, as if ffmpeg had been killed.
func cutOff(t *testing.T, bytes int) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ffmpeg")
	script := fmt.Sprintf(`#!/bin/bash
for ((i = 1; i < $#; i++)); do
	if [ "${!i}" = yuv4mpegpipe ]; then
		j=$((i + 1)) url=${!j} fd=${url#pipe:}
		eval "exec $fd> >(IFS= read -r header; { echo \"\$header\"; head -c %d; } >&$fd)"
		break
	fi
done
exec ffmpeg "$@"
`, bytes)
	if err := os.WriteFile(path, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

// A decoder that ends while it gives frames costs the clips that lack one, though
// it has told their times; those before are whole.
func TestDecoderThatEndsAmongFrames(t *testing.T) {
	o := testmedia.CounterOptions{Frames: 220, Width: 320, Height: 180, Cuts: []int{40, 97, 130, 180}}
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
		"in a still":               {extract.ClipNone, 50*frame + frame/2, 1},
		"between two stills":       {extract.ClipNone, 50 * frame, 1},
		"in a frame of small size": {extract.ClipEncode + " small", 100 * (6 + 160*90*3/2), 2},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorkplace(t, source(t, path))
			w.env.Tools.FFmpeg = cutOff(t, test.bytes)
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
