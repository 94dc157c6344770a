package shards

import (
	"errors"
	"strings"
	"testing"
)

func TestFilter(t *testing.T) {
	x := &Tuple{Key: "a.00001", Motion: 0.03, Duration: 2.5, Width: 640, License: "CC BY-NC 4.0", Silence: 1}
	for text, want := range map[string]bool{
		"":                                           true,
		"motion > 0.02 and duration >= 2":            true,
		"motion>0.02 && !(duration>=2)":              false,
		"width == 640":                               true,
		"width != 640 or license == 'CC BY 4.0'":     false,
		`license contains "NC"`:                      true,
		`key == "a.00001"`:                           true,
		"key < 'a'":                                  false,
		"not (motion > 1 or silence < 1)":            true,
		"motion > 1 and motion > 1 or 1 <= 2":        true, // and binds closer than or
		"motion > 1 and (motion > 1 or 1 <= 2)":      false,
		"duration * fps > 10 or width in [320, 640]": true,
	} {
		f, err := ParseFilter(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
		} else if got, err := f.Keeps(x); got != want || err != nil {
			t.Errorf("%s is %v (%v)", text, got, err)
		}
	}
	for text, words := range map[string]string{
		"motion": "bool", "motion >": "too early", "motion > 0.02 0.03": "character 15", "speed > 1": "speed is no column to filter by: there are audio_channels",
		"motion > 'x'": "mismatched types", "(motion > 1": "too early", "width = 1": "character 7", "image == 1": "no column", "now() > 1": "now",
	} {
		_, err := ParseFilter(text)
		var e *FilterError
		if !errors.As(err, &e) || !strings.Contains(err.Error(), words) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, want %q", text, err, words)
		}
	}
	f, err := ParseFilter("width / (height - height) > 1 and width % height == 1")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Keeps(x); err == nil || !strings.Contains(err.Error(), "(of a.00001)") {
		t.Errorf("a division by zero gave %v", err)
	}
}

func TestWriteWhere(t *testing.T) {
	env := newEnv(t, parts(t))
	env.Where = "source_id != 'b' and start >= 2"
	write(t, env)
	rows, m := tuples(t, env.Out)
	if got := keys(rows); got != "a.00002 c.00000 c.00001" || m.Counts[StageShard].Skipped != 3 {
		t.Errorf("tuples %s, counts %+v", got, m.Counts[StageShard])
	}
	env.Where, env.Out = "motion > 0.9", local(t)
	if _, err := Write(t.Context(), env); !errors.Is(err, ErrNoTuples) {
		t.Errorf("err = %v", err)
	}
	env.Where = "motion >"
	var e *FilterError
	if _, err := Write(t.Context(), env); !errors.As(err, &e) {
		t.Errorf("err = %v", err)
	}
}

// FuzzFilter: any text is a filter that can be asked, or an error.
func FuzzFilter(f *testing.F) {
	for _, s := range []string{"motion > 0.02 and duration >= 2", "not (key == 'b')", "((((", "1<2 or 'x' != key", "\xff\x00", "width % height == 1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		filter, err := ParseFilter(text)
		var e *FilterError
		if err == nil {
			_, err = filter.Keeps(&Tuple{})
		}
		if err != nil && !errors.As(err, &e) {
			t.Fatalf("%q: %v", text, err)
		}
	})
}
