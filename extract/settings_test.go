package extract

import (
	"strings"
	"testing"
	"time"
)

func TestValidateNamesTheSetting(t *testing.T) {
	if err := DefaultSettings().Validate(); err != nil {
		t.Fatal(err)
	}
	for want, change := range map[string]func(*Settings){
		"cut \"fixed:0s\"":     func(s *Settings) { s.Cut = "fixed:0s" },
		"cut \"fixed:soon\"":   func(s *Settings) { s.Cut = "fixed:soon" },
		"cut \"\"":             func(s *Settings) { s.Cut = "" },
		"cut_threshold":        func(s *Settings) { s.CutThreshold = 0 },
		"min_clip 2m0s":        func(s *Settings) { s.MinClip = 2 * time.Minute },
		"max_clip 2h0m0s":      func(s *Settings) { s.MaxClip = 2 * time.Hour },
		"clip_height source":   func(s *Settings) { s.ClipHeight = -1 },
		"crf":                  func(s *Settings) { s.CRF = 52 },
		"image_max":            func(s *Settings) { s.ImageMax = 0 },
		"frames 0":             func(s *Settings) { s.Frames = 0 },
		"jpeg_quantizer 1":     func(s *Settings) { s.JPEGQuantizer = 1 },
		"audio_rate 4000":      func(s *Settings) { s.AudioRate = 4000 },
		"audio_rate 96000":     func(s *Settings) { s.AudioRate, s.AudioFormat = 96000, "mp3" },
		"audio_channels 3":     func(s *Settings) { s.AudioChannels = 3 },
		"audio_format \"ogg\"": func(s *Settings) { s.AudioFormat = "ogg" },
	} {
		s := DefaultSettings()
		change(&s)
		if err := s.Validate(); err == nil || !strings.Contains(err.Error(), strings.Fields(want)[0]) {
			t.Errorf("%s: error %v", want, err)
		}
	}
}

func TestLines(t *testing.T) {
	var l Lines
	if err := l.Set("720"); err != nil || l != 720 || l.String() != "720" {
		t.Errorf("%v %v", l, err)
	}
	if err := l.Set("source"); err != nil || l != 0 || l.String() != "source" {
		t.Errorf("%v %v", l, err)
	}
	if err := l.Set("-2"); err == nil {
		t.Error("-2 is a number of lines")
	}
}
