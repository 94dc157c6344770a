package testmedia

import (
	"math"
	"testing"
)

func TestFlashBeepTruth(t *testing.T) {
	const lossless, aac, milli = 0.00003, 0.001, 0.0005
	for name, c := range map[string]struct {
		o             FlashBeepOptions
		picture, beep float64 // tolerances, seconds
	}{
		"mp4":               {FlashBeepOptions{}, 1e-6, aac},
		"times":             {FlashBeepOptions{Times: []float64{0.537, 1.411, 2.293, 3.187}}, 1e-6, aac},
		"mov":               {FlashBeepOptions{Ext: ".mov"}, 1e-6, lossless},
		"mkv":               {FlashBeepOptions{Ext: ".mkv"}, 1e-6, lossless},
		"ntsc":              {FlashBeepOptions{FPS: Rational{30000, 1001}, Ext: ".mov"}, 1e-6, lossless},
		"44.1 kHz":          {FlashBeepOptions{SampleRate: 44100, Ext: ".mov"}, 1e-6, lossless},
		"8 kHz":             {FlashBeepOptions{SampleRate: 8000, Ext: ".mov"}, 1e-6, 0.000126},
		"vfr":               {FlashBeepOptions{VFR: true}, 1e-6, aac},
		"vfr mkv":           {FlashBeepOptions{VFR: true, Ext: ".mkv"}, 1e-6, lossless},
		"late audio":        {FlashBeepOptions{AudioDelay: 0.7}, 1e-6, aac},
		"late audio mov":    {FlashBeepOptions{AudioDelay: 0.7, Ext: ".mov"}, 1e-6, lossless},
		"late audio mkv":    {FlashBeepOptions{AudioDelay: 0.713, VFR: true, Ext: ".mkv"}, 1e-6, lossless + milli},
		"late video":        {FlashBeepOptions{VideoDelay: 1.5}, 1e-6, aac},
		"late video ntsc":   {FlashBeepOptions{VideoDelay: 0.5, FPS: Rational{30000, 1001}, Ext: ".mov"}, milli, lossless + milli},
		"both late":         {FlashBeepOptions{VideoDelay: 0.3, AudioDelay: 0.5}, 1e-6, aac},
		"gap":               {FlashBeepOptions{AudioGap: [2]float64{1.2, 1.7}}, 1e-6, aac},
		"gap mkv":           {FlashBeepOptions{AudioGap: [2]float64{1.2, 1.7}, Ext: ".mkv"}, 1e-6, lossless + milli},
		"ts":                {FlashBeepOptions{Ext: ".ts"}, 2e-5, aac},
		"ts late video gap": {FlashBeepOptions{Ext: ".ts", VideoDelay: 0.4, VFR: true, AudioGap: [2]float64{2, 2.5}}, 2e-5, aac},
		"b-frames":          {FlashBeepOptions{Encoder: []string{"-preset", "veryfast", "-bf", "3"}}, 1e-6, aac},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := MakeFlashBeep(t, c.o)
			frames, w, h, pts := DecodeGray(t, b.Path)
			near(t, "frames", pts, b.FramePTS, c.picture)
			var means []float64
			for n, f := range frames {
				means = append(means, MeanLuma(f))
				if got, ok := ReadCounter(f, w, h, w); got != n || !ok {
					t.Errorf("frame %d reads %d, %v", n, got, ok)
				}
			}
			if len(b.FlashPTS) < 3 {
				t.Errorf("only %d events", len(b.FlashPTS))
			}
			near(t, "flashes", FindFlashes(means, pts), b.FlashPTS, c.picture)
			near(t, "beeps", FindBeeps(DecodePCM(t, b.Path, 48000, 1), 48000), b.FlashPTS, c.beep)
		})
	}
}

// near wants got to be want within the tolerance, one by one.
func near(t *testing.T, what string, got, want []float64, tolerance float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d %s at %.4f, want %d at %.4f", len(got), what, got, len(want), want)
	}
	worst := 0.0
	for i := range want {
		worst = max(worst, math.Abs(got[i]-want[i]))
	}
	if worst > tolerance {
		t.Errorf("%s are off by up to %.6f s, allowed %.6f: %.5f, want %.5f", what, worst, tolerance, got, want)
	}
}

func TestFindFlashes(t *testing.T) {
	pts := []float64{0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6}
	near(t, "flashes", FindFlashes([]float64{230, 60, 62, 231, 229, 61, 60}, pts), []float64{0, 0.3}, 0)
	near(t, "flashes", FindFlashes([]float64{60, 61, 62, 90, 62, 61, 60}, pts), nil, 0)
	near(t, "flashes", FindFlashes(nil, nil), nil, 0)
}

func TestFindBeeps(t *testing.T) {
	pcm := make([]float32, 1000)
	near(t, "beeps", FindBeeps(pcm, 1000), nil, 0)
	for i := range 40 {
		pcm[i], pcm[300+i], pcm[700+i] = 1, -0.8, 0.6
	}
	pcm[100] = 0.4 // an echo
	near(t, "beeps", FindBeeps(pcm, 1000), []float64{0, 0.3, 0.7}, 0)
}
