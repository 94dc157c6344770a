package shards

import (
	"errors"
	"testing"
)

func TestFilter(t *testing.T) {
	x := &Tuple{Key: "a.00001", Motion: 0.03, Duration: 2.5, Width: 640, License: "CC BY 4.0", Silence: 1}
	for text, want := range map[string]bool{
		"":                                      true,
		"motion > 0.02 and duration >= 2":       true,
		"motion>0.02 AND NOT duration>=2":       false,
		"width = 640":                           true,
		"width != 640 or license = 'CC BY 4.0'": true,
		`key == "a.00001"`:                      true,
		"key < 'a'":                             false,
		"not (motion > 1 or silence < 1)":       true,
		"motion > 1 and motion > 1 or 1 <= 2":   true, // and binds closer than or
		"motion > 1 and (motion > 1 or 1 <= 2)": false,
		"-1 < motion and motion < 1e1":          true,
		"not not silence = 1":                   true,
	} {
		f, err := ParseFilter(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
		} else if got := f.Keeps(x); got != want {
			t.Errorf("%s is %v", text, got)
		}
	}
	for text, at := range map[string]int{
		"motion": 6, "motion >": 8, "motion > 0.02 0.03": 14, "speed > 1": 0, "motion > 'x'": 7, "(motion > 1": 11,
		"key = 'a": 6, "motion > 1 and": 14, "motion => 1": 7, "motion > 1; drop": 10, "motion > 1.2.3": 9, "() and 1 = 1": 1, "image = 1": 0,
	} {
		_, err := ParseFilter(text)
		var e *FilterError
		if !errors.As(err, &e) || e.At != at {
			t.Errorf("%s: %v, want an error at byte %d", text, err, at)
		}
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
	for _, s := range []string{"motion > 0.02 and duration >= 2", "not (a = 'b')", "((((", "1<2 or 'x' != key", "\xff\x00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		filter, err := ParseFilter(text)
		var e *FilterError
		if err != nil && (!errors.As(err, &e) || e.At < 0 || e.At > len(text)) {
			t.Fatalf("%q: %v", text, err)
		}
		if err == nil {
			filter.Keeps(&Tuple{})
		}
	})
}
