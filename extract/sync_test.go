package extract_test

import (
	"math"
	"os"
	"path/filepath"
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
