package extract_test

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"micodata/dataset"
	"micodata/internal/testmedia"
)

// TestOddMedia extracts the whole catalogue in one part, each as one clip, and
// checks every row against what is known of the file.
func TestOddMedia(t *testing.T) {
	var cases []testmedia.Case
	var sources []dataset.Source
	for _, c := range testmedia.All() {
		s := source(t, testmedia.File(t, c.Name))
		if s.Status != dataset.OK {
			continue // what cannot be probed never gets here
		}
		s.ID = c.Name
		cases, sources = append(cases, c), append(sources, s)
	}
	w := newWorkplace(t, sources...)
	w.env.Settings.Cut = "none"
	rows := w.run(t)
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			var own []dataset.Clip
			for len(rows) > 0 && rows[0].SourceID == c.Name {
				own, rows = append(own, rows[0]), rows[1:]
			}
			checkOdd(t, c, own)
		})
	}
	if len(rows) > 0 {
		t.Errorf("row %s is nobody's, or not in its place", rows[0].Key)
	}
}

func checkOdd(t *testing.T, c testmedia.Case, rows []dataset.Clip) {
	if len(rows) == 0 {
		t.Fatal("no row")
	}
	last := rows[len(rows)-1]
	if string(last.Class) != c.WantClass {
		t.Errorf("class %q (%s), want %q", last.Class, last.Error, c.WantClass)
	}
	if rows[0].Status != dataset.OK {
		if c.WantClass == "" || len(rows) != 1 || rows[0].Key != dataset.Key(c.Name, 0) {
			t.Errorf("%d rows, the first %s: %s", len(rows), rows[0].Key, rows[0].Error)
		}
		return
	}
	if c.WantClass == "" && len(rows) != 1 || c.WantClass != "" && !c.Partial {
		t.Errorf("%d rows", len(rows))
	}
	if isDamaged := len(rows[0].Errors) > 0; isDamaged != (c.Name == "corrupt_middle") {
		t.Errorf("the row says %v", rows[0].Errors)
	}
	checkSizes(t, c, rows[0])
	checkSound(t, c, rows[0])
	frames, w, h, pts := testmedia.DecodeGray(t, testmedia.Blob(t, "clip.mp4", rows[0].Video.Bytes))
	if int(rows[0].FrameCount) != len(frames) || c.Frames > 0 && c.Frames != len(frames) {
		t.Errorf("%d frames, the row says %d, the source has %d", len(frames), rows[0].FrameCount, c.Frames)
	}
	if int(rows[0].Width) != w || int(rows[0].Height) != h || pts[0] != 0 {
		t.Errorf("%dx%d from %g s, the row says %dx%d", w, h, pts[0], rows[0].Width, rows[0].Height)
	}
	if len(rows[0].Frames) != 8 {
		t.Errorf("%d uniform frames", len(rows[0].Frames))
	}
}

func checkSizes(t *testing.T, c testmedia.Case, row dataset.Clip) {
	img := decodeJPEG(t, row.Image.Bytes)
	scale := min(1, 1280/float64(max(c.Width, c.Height)))
	want := image.Pt(int(math.Round(float64(c.Width)*scale)), int(math.Round(float64(c.Height)*scale)))
	if got := img.Bounds().Size(); got != want {
		t.Errorf("key frame of %v, want %v", got, want)
	}
	if c.Height <= 360 && (int(row.Width) != c.Width&^1 || int(row.Height) != c.Height&^1) {
		t.Errorf("video of %dx%d from %dx%d", row.Width, row.Height, c.Width, c.Height)
	}
	if !c.Quadrants {
		return
	}
	pictures := []image.Image{img}
	for _, f := range row.Frames {
		pictures = append(pictures, decodeJPEG(t, f.Image.Bytes))
	}
	for _, p := range pictures {
		checkQuadrants(t, p)
	}
}

func checkQuadrants(t *testing.T, img image.Image) {
	s := img.Bounds().Size()
	for i, want := range []color.RGBA{{255, 0, 0, 255}, {0, 255, 0, 255}, {0, 0, 255, 255}, {255, 255, 0, 255}} {
		x, y := i%2, i/2
		// Its middle, and the picture's corner in it: of odd sizes the last column and row are easily lost.
		for _, at := range []image.Point{{s.X/4 + x*s.X/2, s.Y/4 + y*s.Y/2}, {x * (s.X - 1), y * (s.Y - 1)}} {
			r, g, b, _ := img.At(at.X, at.Y).RGBA()
			for _, d := range []int{int(r>>8) - int(want.R), int(g>>8) - int(want.G), int(b>>8) - int(want.B)} {
				if d < -6 || d > 6 { // 8-bit limited range and JPEG lose some
					t.Errorf("quadrant %d of %v is at %v %d %d %d, want %v", i, s, at, r>>8, g>>8, b>>8, want)
					break
				}
			}
		}
	}
}

func checkSound(t *testing.T, c testmedia.Case, row dataset.Clip) {
	if !c.HasAudio {
		if row.Audio.Bytes != nil || row.AudioRate != 0 {
			t.Error("sound out of nothing")
		}
		return
	}
	want := int(math.Round((row.End - row.Start) * 16000))
	if got := len(testmedia.DecodePCM(t, testmedia.Blob(t, "sound.flac", row.Audio.Bytes), 16000, 1)); got < want-1 || got > want+1 {
		t.Errorf("%d samples of sound, want %d", got, want)
	}
}

func decodeJPEG(t testing.TB, data []byte) image.Image {
	t.Helper()
	img, err := jpeg.Decode(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// TestSizeChangesMidway joins two recordings, as broadcasters do.
func TestSizeChangesMidway(t *testing.T) {
	var joined []byte
	for _, o := range []testmedia.CounterOptions{{Ext: ".ts"}, {Ext: ".ts", Width: 240, Height: 136}} {
		data, err := os.ReadFile(testmedia.Counter(t, o))
		if err != nil {
			t.Fatal(err)
		}
		joined = append(joined, data...)
	}
	rows := newWorkplace(t, source(t, testmedia.Blob(t, "joined.ts", joined))).run(t)
	if len(rows) != 1 || rows[0].Status != dataset.OK || rows[0].FrameCount != 150 {
		t.Fatalf("%d rows, the first %s with %d frames, want one with 150", len(rows), rows[0].Error, rows[0].FrameCount)
	}
	frames, w, h, _ := testmedia.DecodeGray(t, testmedia.Blob(t, "clip.mp4", rows[0].Video.Bytes))
	for i, f := range frames {
		if n, ok := testmedia.ReadCounter(f, w, h, w); !ok || n != i%75 {
			t.Errorf("frame %d shows %d (%v)", i, n, ok)
		}
	}
}

func TestSpansTooLongAreRows(t *testing.T) {
	s := source(t, testmedia.File(t, "plain"))
	s.Spans = []dataset.Span{{Start: 0, End: 1e8}, {Start: 1, End: 2}}
	rows := newWorkplace(t, s).run(t)
	if len(rows) != 2 || rows[0].Class != dataset.TooLarge || rows[1].Status != dataset.OK {
		t.Errorf("%d rows: %+v", len(rows), rows[0].Outcome)
	}
}

// A span that makes no sense is a failed clip in its place, whatever the order of
// time makes of the others, and costs them nothing.
func TestMalformedSpansAreRows(t *testing.T) {
	s := source(t, testmedia.File(t, "plain"))
	s.Spans = []dataset.Span{{ClipID: "bad 0", Error: "clip 1: x"}, {ClipID: "late", Start: 2, End: 3}, {ClipID: "bad 2", Text: "t", Error: "clip 3: y"}, {ClipID: "early", Start: 0, End: 1}}
	other := s
	other.ID, other.Spans = "only-bad", s.Spans[:1]
	rows := newWorkplace(t, s, other).run(t)
	if len(rows) != 5 {
		t.Fatalf("%d rows", len(rows))
	}
	for i, want := range []string{s.ID + ".00000 bad 0 failed corrupt clip 1: x", s.ID + ".00001 early ok  ", s.ID + ".00002 bad 2 failed corrupt clip 3: y", s.ID + ".00003 late ok  ",
		"only-bad.00000 bad 0 failed corrupt clip 1: x"} {
		r := rows[i]
		if got := fmt.Sprintf("%s %s %s %s %s", r.Key, r.ClipID, r.Status, r.Class, r.Error); got != want {
			t.Errorf("row %d: %s, want %s", i, got, want)
		}
	}
	if rows[2].Text != "t" || rows[3].End-rows[3].Start != 1 {
		t.Errorf("%+v, %g to %g", rows[2].Text, rows[3].Start, rows[3].End)
	}
}

// combing tells how much lines differ from their neighbours, for each bit that
// they differ from the line after these: above 1 in the moving parts of a picture
// of two moments, below in one of one.
func combing(frames [][]byte, w, h int) float64 {
	near, far := 0, 0
	abs := func(a, b byte) int { return max(int(a)-int(b), int(b)-int(a)) }
	for _, f := range frames {
		for y := range h - 2 {
			for x := range w {
				at := y*w + x
				near += abs(f[at], f[at+w])
				far += abs(f[at], f[at+2*w])
			}
		}
	}
	return float64(near) / float64(max(1, far))
}

func TestInterlacedPicturesAreOneMoment(t *testing.T) {
	for _, name := range []string{"interlaced_h264", "interlaced_mpeg2"} {
		t.Run(name, func(t *testing.T) {
			path := testmedia.File(t, name)
			before, w, h, _ := testmedia.DecodeGray(t, path)
			row := newWorkplace(t, source(t, path)).run(t)[0]
			after, _, _, _ := testmedia.DecodeGray(t, testmedia.Blob(t, "clip.mp4", row.Video.Bytes))
			img := decodeJPEG(t, row.Image.Bytes).(*image.YCbCr)
			var still []byte
			for y := range h {
				still = append(still, img.Y[y*img.YStride:][:w]...)
			}
			source, clip, stored := combing(before, w, h), combing(after, w, h), combing([][]byte{still}, w, h)
			if clip > 0.85*source || stored > 0.85*source {
				t.Errorf("combing: %.2f of the source, %.2f of the clip, %.2f of the key frame", source, clip, stored)
			}
		})
	}
}

// TestDiffuseWhiteOfHighDynamicRange has 203 cd/m2, diffuse white, in the left
// half, which is neither dark, as it is without tone mapping, nor clipped, and
// 1000 cd/m2 in the right, which is white.
func TestDiffuseWhiteOfHighDynamicRange(t *testing.T) {
	row := newWorkplace(t, source(t, testmedia.File(t, "hdr10_pq"))).run(t)[0]
	img := decodeJPEG(t, row.Image.Bytes).(*image.YCbCr)
	s := img.Bounds().Size()
	left, right := img.Y[s.Y/2*img.YStride+s.X/4], img.Y[s.Y/2*img.YStride+s.X*3/4]
	if left < 185 || left > 235 || right < 245 {
		t.Errorf("luma %d and %d", left, right)
	}
}

// TestCutOffContainers are the first half of files whose containers do not tell
// how long the video is, but how long the whole is.
func TestCutOffContainers(t *testing.T) {
	for _, test := range []struct{ name, video string }{{"a.mkv", "libx264"}, {"a.webm", "libvpx"}, {"a.flv", "flv1"}} {
		t.Run(test.name, func(t *testing.T) {
			sound := map[string]string{"a.webm": "libopus"}[test.name]
			if sound == "" {
				sound = "aac"
			}
			path := ffmpegTo(t, test.name, "-f", "lavfi", "-i", "testsrc2=s=320x180:r=25:d=8", "-f", "lavfi", "-i", "sine=d=8:r=48000",
				"-c:v", test.video, "-g", "25", "-b:v", "500k", "-c:a", sound)
			whole, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			w := newWorkplace(t, source(t, path))
			w.env.Settings.Cut = "fixed:2s"
			for _, row := range w.run(t) {
				if row.Status == dataset.Failed {
					t.Errorf("whole: %+v", row.Outcome)
				}
			}
			half := filepath.Join(t.TempDir(), "half"+filepath.Ext(path))
			if err := os.WriteFile(half, whole[:len(whole)/2], 0o600); err != nil {
				t.Fatal(err)
			}
			w = newWorkplace(t, source(t, half))
			w.env.Settings.Cut = "fixed:2s"
			rows := w.run(t)
			last := rows[len(rows)-1]
			if rows[0].Status != dataset.OK || last.Class != dataset.Corrupt || last.End < 7.9 || !strings.Contains(last.Error, "decoding ended") {
				t.Errorf("half: first %+v, last %+v from %v to %v", rows[0].Outcome, last.Outcome, last.Start, last.End)
			}
			s := source(t, half)
			s.Spans = []dataset.Span{{Start: 1, End: 2}, {Start: 2.5, End: 7}, {Start: 6, End: 7}}
			for i, row := range newWorkplace(t, s).run(t) {
				if i == 0 && row.Status != dataset.OK || i > 0 && row.Class != dataset.Corrupt {
					t.Errorf("span %d: %+v from %v to %v", i, row.Outcome, row.Start, row.End)
				}
			}
		})
	}
}
