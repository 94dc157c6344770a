package extract_test

import (
	"cmp"
	"image"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"micodata/dataset"
	"micodata/internal/testmedia"
)

// TestSightAndSoundAgree cuts clips out of media in which flashes and beeps
// coincide, and finds both again at the same time: in the picture, in the sound
// of the video, in the separate sound and in the subtitles.
func TestSightAndSoundAgree(t *testing.T) {
	for name, o := range map[string]testmedia.FlashBeepOptions{
		"plain":          {},
		"uneven frames":  {VFR: true},
		"44.1 kHz, film": {SampleRate: 44100, FPS: testmedia.Rational{Num: 24000, Den: 1001}},
		"audio late":     {AudioDelay: 0.7},
		"audio gap":      {AudioGap: [2]float64{1.3, 1.6}},
		"PCM, gap":       {AudioGap: [2]float64{1.3, 1.6}, Ext: ".mkv"},
		"video late":     {VideoDelay: 0.52, Ext: ".mov"},
		"8 kHz":          {SampleRate: 8000, Ext: ".mov"},
		"ts":             {Ext: ".ts", AudioDelay: 0.333, VFR: true},
		"after a seek":   {Duration: 24, SampleRate: 44100, FPS: testmedia.Rational{Num: 10, Den: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			media := testmedia.MakeFlashBeep(t, o)
			s := source(t, media.Path)
			var cues []testmedia.Cue
			for _, at := range media.FlashPTS {
				cues = append(cues, testmedia.Cue{Start: at, End: at + 0.2, Text: "beep"})
			}
			s.Sidecars = []dataset.Sidecar{{Path: filepath.Join(t.TempDir(), "a.srt"), Lang: "en"}}
			if err := os.WriteFile(s.Sidecars[0].Path, []byte(testmedia.FormatSRT(cues)), 0o600); err != nil {
				t.Fatal(err)
			}
			s.Spans = []dataset.Span{{Start: 0.1234, End: 1.8}, {Start: 1.8, End: 3.7777}}
			switch {
			case o.VideoDelay > 0:
				s.Spans[0].Start = 0.5678
			case o.Duration > 20:
				s.Spans = []dataset.Span{{Start: 19.9, End: 21.6}, {Start: 21.6, End: 23.7}}
			}
			rows := newWorkplace(t, s).run(t)
			if len(rows) != 2 {
				t.Fatalf("%d rows", len(rows))
			}
			for _, row := range rows {
				checkSync(t, row, media)
			}
		})
	}
}

// TestSpansBesideFrames are given spans that begin between frames, or before
// there are any: they begin with their first frame.
func TestSpansBesideFrames(t *testing.T) {
	for name, test := range map[string]struct {
		media testmedia.FlashBeepOptions
		spans []dataset.Span
		want  []float64 // starts
	}{
		"between": {testmedia.FlashBeepOptions{Duration: 5, Times: []float64{1.36, 2.6, 2.8, 3.0}},
			[]dataset.Span{{ClipID: "b", Start: 1.25, End: 1.5}, {ClipID: "a", Start: 2.5, End: 3.1}, {ClipID: "c", Start: 2.990, End: 3.050}},
			[]float64{1.28, 2.52, 3.0}},
		"late video": {testmedia.FlashBeepOptions{Duration: 6, VideoDelay: 3, Times: []float64{3.5, 4.3}},
			[]dataset.Span{{ClipID: "a", Start: 1, End: 4.7}, {ClipID: "b", Start: 0.5, End: 2.9}},
			[]float64{3.0}},
	} {
		t.Run(name, func(t *testing.T) {
			media := testmedia.MakeFlashBeep(t, test.media)
			s := source(t, media.Path)
			s.Spans = test.spans
			rows := newWorkplace(t, s).run(t)
			slices.SortFunc(test.spans, func(a, b dataset.Span) int { return cmp.Compare(a.Start, b.Start) })
			at := 0
			for i, row := range rows {
				span := test.spans[i]
				if row.ClipID != span.ClipID || row.End != span.End {
					t.Errorf("%s until %g s, want span %+v", row.ClipID, row.End, span)
				}
				if span.End <= media.FramePTS[0] {
					if row.Start != span.Start || row.Status != dataset.Failed || row.Class != dataset.TooShort {
						t.Errorf("a span without a frame is [%g, %g) %+v", row.Start, row.End, row.Outcome)
					}
					continue
				}
				if math.Abs(row.Start-test.want[at]) > 1e-4 {
					t.Errorf("%s starts at %g s, want %g", row.ClipID, row.Start, test.want[at])
				}
				at++
				checkTogether(t, row, media)
			}
			if at != len(test.want) {
				t.Errorf("%d clips, want %d", at, len(test.want))
			}
		})
	}
}

// checkTogether makes sure that the events of a clip are seen and heard at their
// times, and that its stills show the frames of theirs.
func checkTogether(t *testing.T, row dataset.Clip, media testmedia.FlashBeep) {
	t.Helper()
	var want []float64
	for _, at := range media.FlashPTS {
		if at >= row.Start-1e-4 && at < row.End {
			want = append(want, at-row.Start)
		}
	}
	video := testmedia.Blob(t, "clip.mp4", row.Video.Bytes)
	frames, _, _, pts := testmedia.DecodeGray(t, video)
	sound := testmedia.DecodePCM(t, video, 48000, 1)
	// ffmpeg gives the last AAC frame whole.
	rest := len(sound) - int(math.Round((row.End-row.Start)*48000))
	if len(pts) == 0 || pts[0] != 0 || rest < 0 || rest >= 1024 {
		t.Errorf("%s: frames at %v, %d samples of sound for %g s", row.ClipID, pts, len(sound), row.End-row.Start)
	}
	heard := testmedia.FindBeeps(sound, 48000)
	if len(heard) != len(want) {
		t.Fatalf("%s: beeps at %v, want %v", row.ClipID, heard, want)
	}
	for i, at := range heard {
		// The picture heard with the beep is the white one.
		k := slices.IndexFunc(pts, func(p float64) bool { return math.Abs(p-want[i]) < 0.0005 })
		if math.Abs(at-want[i]) > 0.002 || k < 0 || testmedia.MeanLuma(frames[k]) < 200 {
			t.Errorf("%s: beep %d at %g s, frames at %v, want %g", row.ClipID, i, at, pts, want[i])
		}
	}
	for _, f := range row.Frames {
		isWhite := slices.ContainsFunc(want, func(at float64) bool { return math.Abs(at-f.Time) < 0.0005 })
		isFrame := slices.ContainsFunc(pts, func(at float64) bool { return math.Abs(at-f.Time) < 0.0005 })
		img := decodeJPEG(t, f.Image.Bytes).(*image.YCbCr)
		if !isFrame || isWhite != (testmedia.MeanLuma(img.Y) > 200) {
			t.Errorf("%s: frame of %g s, of the video's %v: white %v", row.ClipID, f.Time, isFrame, isWhite)
		}
	}
}

func checkSync(t *testing.T, row dataset.Clip, media testmedia.FlashBeep) {
	t.Helper()
	var want []float64
	for _, at := range media.FlashPTS {
		if at >= row.Start && at < row.End {
			want = append(want, at-row.Start)
		}
	}
	if row.Status != dataset.OK || len(want) < 2 {
		t.Fatalf("%s: %s %s, %d events", row.Key, row.Status, row.Error, len(want))
	}
	video := testmedia.Blob(t, "clip.mp4", row.Video.Bytes)
	frames, _, _, pts := testmedia.DecodeGray(t, video)
	var luma []float64
	for _, f := range frames {
		luma = append(luma, testmedia.MeanLuma(f))
	}
	compare(t, row.Key+": picture", testmedia.FindFlashes(luma, pts), want, 0.0005)
	compare(t, row.Key+": sound in the video", testmedia.FindBeeps(testmedia.DecodePCM(t, video, 48000, 1), 48000), want, 0.002)
	sound := testmedia.DecodePCM(t, testmedia.Blob(t, "sound.flac", row.Audio.Bytes), 16000, 1)
	compare(t, row.Key+": separate sound", testmedia.FindBeeps(sound, 16000), want, 0.001)
	if n := int(math.Round((row.End - row.Start) * 16000)); len(sound) != n {
		t.Errorf("%s: %d samples of separate sound, want %d", row.Key, len(sound), n)
	}
	var shown []float64
	for _, c := range row.Subtitles {
		if c.Start > 0 { // not one that goes on from before
			shown = append(shown, c.Start)
		}
		if c.Lang != "en" || c.Text != "beep" {
			t.Errorf("%s: cue %+v", row.Key, c)
		}
	}
	compare(t, row.Key+": subtitles", shown, want, 0.0011) // they are written in ms
	if row.AudioOffsetMS != 0 {
		t.Errorf("%s: sound %g ms off", row.Key, row.AudioOffsetMS)
	}
}

func compare(t *testing.T, what string, got, want []float64, tolerance float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%s: events at %.4f, want %.4f", what, got, want)
		return
	}
	for i := range got {
		if math.Abs(got[i]-want[i]) > tolerance {
			t.Errorf("%s: event %d at %.4f s, want %.4f", what, i, got[i], want[i])
		}
	}
}
