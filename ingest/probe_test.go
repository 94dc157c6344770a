package ingest

import (
	"encoding/json"
	"strings"
	"testing"

	"micodata/dataset"
	"micodata/internal/ffmpeg"
	"micodata/internal/testmedia"
)

// Every odd file gets the class that the catalogue says, and what ffmpeg can
// read is ok. too_short and damage inside the stream show only when decoding.
func TestProbeClasses(t *testing.T) {
	var items []Item
	var cases []testmedia.Case
	for _, c := range testmedia.All() {
		cases = append(cases, c)
		items = append(items, Item{ID: c.Name, URI: testmedia.File(t, c.Name), Trusted: true})
	}
	for i, s := range ingested(t, testEnv(t), items...) {
		c := cases[i]
		want := dataset.Class(c.WantClass)
		if want == dataset.TooShort || c.Partial {
			want = ""
		}
		if s.Class != want {
			t.Errorf("%s: class %q, want %q: %s", c.Name, s.Class, want, s.Error)
		}
		if strings.Contains(s.Error, "0x") || strings.Contains(s.Error, items[i].URI) {
			t.Errorf("%s: error is not the same every time: %s", c.Name, s.Error)
		}
		if want != "" {
			continue
		}
		var p ffmpeg.Probe
		if err := json.Unmarshal([]byte(s.Probe), &p); err != nil {
			t.Errorf("%s: probe: %v", c.Name, err)
			continue
		}
		if v := p.VideoStream(); v == nil || v.Codec == "" || (p.AudioStream() != nil) != c.HasAudio {
			t.Errorf("%s: probe says %s", c.Name, s.Probe)
		}
		if s.ID != c.Name || s.Media != items[i].URI || len(s.SHA256) != 64 || s.Bytes <= 0 {
			t.Errorf("%s: row %+v", c.Name, s)
		}
	}
}

func TestLimits(t *testing.T) {
	plain := testmedia.File(t, "plain")
	for name, c := range map[string]struct {
		set  func(*Settings)
		says string
	}{
		"bytes":   {func(s *Settings) { s.MaxSourceBytes = 1000 }, "max_source_bytes"},
		"pixels":  {func(s *Settings) { s.MaxPixels = 100 }, "max_pixels"},
		"seconds": {func(s *Settings) { s.MaxSeconds = 1 }, "max_seconds"},
	} {
		t.Run(name, func(t *testing.T) {
			env := testEnv(t)
			c.set(&env.Settings)
			if s := ingestOne(t, env, local(plain)); s.Class != dataset.TooLarge || !strings.Contains(s.Error, c.says) {
				t.Errorf("%s: %s", s.Class, s.Error)
			}
		})
	}
}
