package extract_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	mp4ff "github.com/Eyevinn/mp4ff/mp4"

	"micodata/dataset"
	"micodata/internal/testmedia"
)

// keyAt makes x264 start a closed group of pictures at each of the frames, and
// else only at the beginning.
func keyAt(b int, frames ...int) []string {
	times := make([]string, len(frames))
	for i, n := range frames {
		times[i] = fmt.Sprintf("%.3f", float64(n)/25-0.01)
	}
	return []string{"-preset", "veryfast", "-bf", fmt.Sprint(b), "-sc_threshold", "0", "-forced-idr", "1", "-force_key_frames", strings.Join(times, ",")}
}

// TestCopiedClips are those whose video is the source's own, bit for bit; the
// others have been encoded. All are exact, copied or not.
func TestCopiedClips(t *testing.T) {
	cuts := []int{40, 97, 130, 180}
	for _, test := range []struct {
		name   string
		o      testmedia.CounterOptions
		copied []bool
	}{
		{"every cut is an IDR picture", testmedia.CounterOptions{Encoder: keyAt(3, cuts...), GOP: 999}, []bool{true, true, true, true, true}},
		{"in a transport stream", testmedia.CounterOptions{Encoder: keyAt(2, cuts...), GOP: 999, Ext: ".ts"}, []bool{true, true, true, true, true}},
		{"in Matroska", testmedia.CounterOptions{Encoder: keyAt(2, cuts...), GOP: 999, Ext: ".mkv"}, []bool{true, true, true, true, true}},
		// The second and the fourth clip start at frames that need those before. With
		// a B-frame but for each fourth, the first ends among some that need the
		// frame after it; the third, of 33, ends with one that does not.
		{"no IDR picture at two cuts", testmedia.CounterOptions{Encoder: keyAt(0, 97, 180), GOP: 999}, []bool{true, false, true, false, true}},
		{"B-frames over the end", testmedia.CounterOptions{Encoder: append(keyAt(3, 97, 180), "-x264-params", "b-adapt=0"), GOP: 999}, []bool{false, false, true, false, true}},
		{"open groups of pictures", testmedia.CounterOptions{GOP: 10, Encoder: []string{"-preset", "veryfast", "-sc_threshold", "0", "-x264-params", "open-gop=1:bframes=3:b-adapt=0"}}, []bool{false, false, false, false, false}},
		{"uneven times", testmedia.CounterOptions{VFRTimes: unevenTimes(220), Encoder: []string{"-preset", "veryfast", "-bf", "2", "-sc_threshold", "40"}, GOP: 999}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			o := test.o
			o.Cuts = cuts
			if o.VFRTimes == nil {
				o.Frames = 220
			}
			path := testmedia.Counter(t, o)
			w := newWorkplace(t, source(t, path))
			w.env.Settings.ClipMode, w.env.Settings.Frames, w.env.Settings.MinClip = "copy", 3, 0
			rows := w.run(t)
			if len(rows) != len(cuts)+1 {
				t.Fatalf("%d clips, want %d", len(rows), len(cuts)+1)
			}
			pictures := slicesOf(t, path)
			var copied []bool
			for _, row := range rows {
				checkFrames(t, row, shifted(o))
				copied = append(copied, isPartOf(slicesOf(t, testmedia.Blob(t, "clip.mp4", row.Video.Bytes)), pictures))
			}
			if test.copied == nil {
				if !slices.Contains(copied, true) || !slices.Contains(copied, false) {
					t.Errorf("copied: %v, want some and some not", copied)
				}
			} else if !slices.Equal(copied, test.copied) {
				t.Errorf("copied: %v, want %v", copied, test.copied)
			}
		})
	}
}

// slicesOf is the coded pictures of a file, each from its first slice on, without
// what containers and parameter sets add.
func slicesOf(t *testing.T, path string) [][]byte {
	t.Helper()
	out, err := exec.Command("ffmpeg", "-nostdin", "-v", "error", "-i", path, "-map", "0:v:0", "-c", "copy",
		"-bsf:v", "h264_mp4toannexb,filter_units=pass_types=1|5", "-f", "h264", "-").Output()
	if err != nil {
		t.Fatal(err)
	}
	var units [][]byte
	for _, u := range bytes.Split(out, []byte{0, 0, 1}) {
		if u = bytes.TrimRight(u, "\x00"); len(u) > 0 {
			units = append(units, u)
		}
	}
	return units
}

// isPartOf tells whether the pictures follow one another in whole.
func isPartOf(pictures, whole [][]byte) bool {
	at := slices.IndexFunc(whole, func(u []byte) bool { return bytes.Equal(u, pictures[0]) })
	return at >= 0 && at+len(pictures) <= len(whole) && slices.EqualFunc(pictures, whole[at:at+len(pictures)], bytes.Equal)
}

// TestWhatCannotBeCopiedIsEncoded is about sources that are no clips as they are.
func TestWhatCannotBeCopiedIsEncoded(t *testing.T) {
	cuts := []int{40}
	for name, o := range map[string]testmedia.CounterOptions{
		"taller than the clips": {Frames: 80, Cuts: cuts, Width: 640, Height: 480, Encoder: keyAt(0, cuts...)},
		"10 bits":               {Frames: 80, Cuts: cuts, Encoder: append(keyAt(0, cuts...), "-pix_fmt", "yuv420p10le")},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorkplace(t, source(t, testmedia.Counter(t, o)))
			w.env.Settings.ClipMode, w.env.Settings.Frames = "copy", 3
			for _, row := range w.run(t) {
				checkFrames(t, row, shifted(o))
				if row.Height > 360 {
					t.Errorf("%s has %d lines", row.Key, row.Height)
				}
			}
		})
	}
}

// TestCopiedClipsKeepTheContainersColours has H.264 that says nothing of its
// colours, in an MP4 that does.
func TestCopiedClipsKeepTheContainersColours(t *testing.T) {
	path := testmedia.Counter(t, testmedia.CounterOptions{Frames: 80, Cuts: []int{40}, Encoder: keyAt(0, 40), GOP: 999})
	f, err := mp4ff.ReadMP4File(path)
	if err != nil {
		t.Fatal(err)
	}
	if f.Moov.StartPos < f.Mdat.StartPos {
		t.Fatal("what is put into the header moves the samples")
	}
	f.Moov.Trak.Mdia.Minf.Stbl.Stsd.AvcX.AddChild(&mp4ff.ColrBox{
		ColorType: mp4ff.ColorTypeOnScreenColors, ColorPrimaries: 5, TransferCharacteristics: 6, MatrixCoefficients: 5})
	if err := mp4ff.WriteToFile(f, path); err != nil {
		t.Fatal(err)
	}
	w := newWorkplace(t, source(t, path))
	w.env.Settings.ClipMode = "copy"
	rows := w.run(t)
	if len(rows) != 2 {
		t.Fatalf("%d clips, want 2", len(rows))
	}
	for _, row := range rows {
		clip := testmedia.Blob(t, "clip.mp4", row.Video.Bytes)
		if !isPartOf(slicesOf(t, clip), slicesOf(t, path)) {
			t.Errorf("%s is not copied", row.Key)
		}
		probe, err := w.env.Tools.Probe(t.Context(), clip)
		if err != nil {
			t.Fatal(err)
		}
		if v := probe.VideoStream().Video; v.ColorSpace != "bt470bg" || v.ColorTransfer != "smpte170m" || v.ColorPrimaries != "bt470bg" {
			t.Errorf("%s: matrix %s, transfer %s, primaries %s", row.Key, v.ColorSpace, v.ColorTransfer, v.ColorPrimaries)
		}
	}
}

// TestCopiedClipsHaveTheirSound flashes and beeps at once; the media's groups of
// pictures begin at whole seconds.
func TestCopiedClipsHaveTheirSound(t *testing.T) {
	media := testmedia.MakeFlashBeep(t, testmedia.FlashBeepOptions{Duration: 6})
	s := source(t, media.Path)
	s.Spans = []dataset.Span{{Start: 1, End: 3}, {Start: 3.1, End: 5.2}}
	w := newWorkplace(t, s)
	w.env.Settings.ClipMode = "copy"
	pictures := slicesOf(t, media.Path)
	for i, row := range w.run(t) {
		checkTogether(t, row, media)
		if got := isPartOf(slicesOf(t, testmedia.Blob(t, "clip.mp4", row.Video.Bytes)), pictures); got != (i == 0) {
			t.Errorf("%s is copied: %v", row.Key, got)
		}
	}
}

// TestWithoutVideo has all but the video, of the same frames.
func TestWithoutVideo(t *testing.T) {
	for name, o := range counters() {
		t.Run(name, func(t *testing.T) {
			path := testmedia.Counter(t, o)
			given := source(t, path)
			given.Spans = []dataset.Span{{Start: 1.234, End: 3.3}}
			for _, s := range []dataset.Source{source(t, path), given} {
				w := newWorkplace(t, s)
				w.env.Settings.ClipMode, w.env.Settings.Frames, w.env.Settings.MaxClip = "none", 3, 2*time.Second
				without := w.run(t)
				w = newWorkplace(t, s)
				w.env.Settings.Frames, w.env.Settings.MaxClip = 3, 2*time.Second
				with := w.run(t)
				if len(with) != len(without) {
					t.Fatalf("%d rows, with video %d", len(without), len(with))
				}
				for i, row := range without {
					if row.Video.Bytes != nil || row.FrameCount != 0 || row.VideoCodec != "" || row.Start != with[i].Start || row.End != with[i].End || row.Status != with[i].Status {
						t.Errorf("%s [%v, %v) %s: video of %d bytes; with video it is [%v, %v) %s", row.Key, row.Start, row.End, row.Status, len(row.Video.Bytes), with[i].Start, with[i].End, with[i].Status)
					}
					if row.Status == dataset.OK {
						checkStills(t, row, shifted(o))
					}
				}
			}
		})
	}
}

// ffmpegTo makes a file and returns its path.
func ffmpegTo(t *testing.T, name string, args ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if out, err := exec.Command("ffmpeg", slices.Concat([]string{"-nostdin", "-v", "error"}, args, []string{"-threads", "1", path})...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return path
}

// TestOddCopies are sources whose packets are no clips as they are, or whose
// containers say less than most: what cannot be copied is encoded, not lost.
func TestOddCopies(t *testing.T) {
	x264 := []string{"-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-g", "25"}
	film := []string{"-f", "lavfi", "-i", "testsrc2=s=320x180:r=25:d=4"}
	small := []string{"-f", "lavfi", "-i", "testsrc2=s=160x90:r=25:d=4"}
	first, second := ffmpegTo(t, "a.ts", slices.Concat(film, x264)...), ffmpegTo(t, "b.ts", slices.Concat(small, x264)...)
	joined := filepath.Join(t.TempDir(), "joined.ts")
	var both []byte
	for _, path := range []string{first, second} {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		both = append(both, data...)
	}
	if err := os.WriteFile(joined, both, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, path := range map[string]string{
		"clock of 0.1 us":   ffmpegTo(t, "a.mp4", slices.Concat(film, x264, []string{"-video_track_timescale", "10000000"})...),
		"AVI with B-frames": ffmpegTo(t, "a.avi", slices.Concat(film, x264, []string{"-bf", "2", "-preset", "veryfast"})...),
		"another size":      joined,
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorkplace(t, source(t, path))
			w.env.Settings.ClipMode, w.env.Settings.Cut = "copy", "fixed:1s"
			n := 0
			for _, row := range w.run(t) {
				if row.Status != dataset.OK {
					if n == 0 { // what follows a change of clock or size may be a row that says so
						t.Errorf("%s: %s", row.Key, row.Error)
					}
					continue
				}
				n++
				frames, width, height, times := testmedia.DecodeGray(t, testmedia.Blob(t, "clip.mp4", row.Video.Bytes))
				if len(frames) != int(row.FrameCount) || !slices.IsSorted(times) || width != int(row.Width) || height != int(row.Height) {
					t.Errorf("%s: %d frames of %dx%d, the row says %d of %dx%d", row.Key, len(frames), width, height, row.FrameCount, row.Width, row.Height)
				}
			}
			if n < 3 {
				t.Errorf("%d clips", n)
			}
		})
	}
}

// TestCopiedDamageIsEncoded has packets that do not decode: a clip of them would
// not either.
func TestCopiedDamageIsEncoded(t *testing.T) {
	path := ffmpegTo(t, "a.mp4", "-f", "lavfi", "-i", "testsrc2=s=320x180:r=25:d=6", "-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p", "-g", "25", "-sc_threshold", "0")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 12 {
		data[len(data)/2+i] ^= 0x5a
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	w := newWorkplace(t, source(t, path))
	w.env.Settings.ClipMode, w.env.Settings.Cut = "copy", "fixed:1s"
	marked := 0
	for _, row := range w.run(t) {
		if row.Status != dataset.OK {
			continue
		}
		if len(row.Errors) > 0 {
			marked++
		}
		out, err := exec.Command("ffmpeg", "-nostdin", "-v", "error", "-xerror", "-err_detect", "explode", "-i", testmedia.Blob(t, "clip.mp4", row.Video.Bytes), "-f", "null", "-").CombinedOutput()
		if err != nil || len(out) > 0 {
			t.Errorf("%s does not decode: %v %s", row.Key, err, out)
		}
	}
	if marked == 0 {
		t.Error("no clip is damaged")
	}
}

// TestWithoutVideoOfAnyChroma has chroma of a quarter of the columns.
func TestWithoutVideoOfAnyChroma(t *testing.T) {
	path := ffmpegTo(t, "a.mkv", "-f", "lavfi", "-i", "testsrc2=s=320x180:r=25:d=2", "-pix_fmt", "yuv411p", "-c:v", "ffv1")
	w := newWorkplace(t, source(t, path))
	w.env.Settings.ClipMode = "none"
	for _, row := range w.run(t) {
		if row.Status != dataset.OK || row.Image.Bytes == nil {
			t.Errorf("%s: %s", row.Key, row.Error)
		}
	}
}

// TestSpanBelowASample has a frame, and no sample of sound.
func TestSpanBelowASample(t *testing.T) {
	s := source(t, testmedia.MakeFlashBeep(t, testmedia.FlashBeepOptions{}).Path)
	s.Spans = []dataset.Span{{Start: 1, End: 1.00001}, {Start: 2, End: 3}}
	rows := newWorkplace(t, s).run(t)
	if len(rows) != 2 || rows[0].Class != dataset.TooShort || rows[1].Status != dataset.OK {
		t.Errorf("%d rows, %s %s, %s", len(rows), rows[0].Class, rows[0].Error, rows[1].Status)
	}
}

// TestPacketsWithoutTimes are an AVI's: taken for times of showing, those of
// decoding would put B-frames at each other's.
func TestPacketsWithoutTimes(t *testing.T) {
	path := ffmpegTo(t, "a.avi", "-f", "lavfi", "-i", "testsrc2=s=320x240:r=25:d=6", "-pix_fmt", "yuv420p", "-c:v", "libx264", "-g", "25", "-bf", "3")
	s := source(t, path)
	s.Spans = []dataset.Span{{Start: 1, End: 3}, {Start: 3, End: 4}}
	w := newWorkplace(t, s)
	w.env.Settings.ClipMode = "copy"
	rows := w.run(t)
	if len(rows) != 2 {
		t.Fatalf("%d clips, want 2", len(rows))
	}
	for _, row := range rows {
		// Players go by the times: in their order frames must decode.
		out, err := exec.Command("ffmpeg", "-nostdin", "-v", "error", "-xerror", "-i", testmedia.Blob(t, "clip.mp4", row.Video.Bytes),
			"-fps_mode", "passthrough", "-enc_time_base", "-1", "-c:v", "rawvideo", "-an", "-f", "nut", "-y", os.DevNull).CombinedOutput()
		if err != nil || len(out) > 0 {
			t.Errorf("%s: %v %s", row.Key, err, out)
		}
	}
}
