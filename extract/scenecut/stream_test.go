package scenecut

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// The maps must reach every frame whatever its timestamp, or remap has none for the first ones.
func TestTimestampsDoNotMatter(t *testing.T) {
	path := filepath.Join(mediaDir, "tc_nasa.mp4")
	plan := mustPlan(t, 320, 180, "yuv420p")
	want := scoreFile(t, plan, path)
	if len(want) != 325 {
		t.Fatalf("%d frames, want 325", len(want))
	}
	for _, offset := range []string{"-5000", "500000"} {
		if got := scoreFile(t, plan, path, "-copyts", "-itsoffset", offset); !slices.Equal(got, want) {
			t.Errorf("other scores with timestamps moved by %s s", offset)
		}
	}
}

// Broadcast streams change their size in the middle. ffmpeg then builds its graph anew; the frames of the first size must
// score as before, and the others must still come, scaled to the plan's size.
func TestSizeChangesMidway(t *testing.T) {
	dir := t.TempDir()
	var joined []byte
	part := func(name, size string) string {
		path := filepath.Join(dir, name)
		runFFmpeg(t, []string{"-f", "lavfi", "-i", "testsrc2=s=" + size + ":r=25:d=1", "-c:v", "mpeg2video", "-q:v", "2",
			"-threads", "1", path}, nil)
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		joined = append(joined, data...)
		return path
	}
	first := part("a.m2v", "640x360")
	part("b.m2v", "320x180")
	both := filepath.Join(dir, "both.m2v")
	if err := os.WriteFile(both, joined, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, pixFmt := range []string{"yuv420p", "yuv422p"} { // the gray and the bgr24 feed
		plan := mustPlan(t, 640, 360, pixFmt)
		alone, got := scoreFile(t, plan, first), scoreFile(t, plan, both)
		if len(alone) != 25 || len(got) != 24+25 { // the MPEG-2 decoder drops the frame it holds back at the change
			t.Fatalf("%s: %d and %d frames, want 25 and 49", pixFmt, len(alone), len(got))
		}
		if !slices.Equal(got[:24], alone[:24]) {
			t.Errorf("%s: the first size scores otherwise when another follows", pixFmt)
		}
		if slices.Contains(got[24:], 0) {
			t.Errorf("%s: no motion seen in frames of the second size: %v", pixFmt, got[24:])
		}
	}
}
