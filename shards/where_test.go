package shards

import (
	"errors"
	"strings"
	"testing"

	"micodata/shards/testset"
)

func TestFilter(t *testing.T) {
	x := &Tuple{Key: "a.00001", Motion: 0.03, Duration: 2.5, Width: 640, License: "CC BY-NC 4.0", Silence: 1, PHash: -5}
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
		"phash == -5 and max(width, 2) + 1 == 641":   true,
		"int(motion * 100) + len(license) == 3 + 12": true,
		"lower(license) | trim() startsWith 'cc by'": true,
		"license matches '^CC BY(-NC)? [34]'":        true,
		"(height == 0 ? 1 : 2) + 1 == 2":             true,
		"abs(-motion) + round(1.5) not in [1.0, 2]":  true,
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
		"motion > 'x'": "mismatched types", "(motion > 1": "too early", "width = 1": "character 7: = compares nothing: write ==", "image == 1": "no column",
		"now() > 1": "no such function: there are abs", "smell(motion)": "no such function: there are abs", "title matches '('": "cannot be read",
		"\nspeed > 1": "character 2", strings.Repeat("1", 5000): "longer than",
	} {
		_, err := ParseFilter(text)
		var e *FilterError
		if !errors.As(err, &e) || !strings.Contains(err.Error(), words) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, want %q", text, err, words)
		}
	}
	for text, words := range map[string]string{
		"width / (height - height) > 1 and width % height == 1": "divide by zero (of a.00001)",
		"int(license) > 2": `where "int(license) > 2": at character 1: invalid operation: int(CC BY-NC 4.0) (of a.00001)`,
	} {
		f, err := ParseFilter(text)
		if err != nil {
			t.Fatal(err)
		}
		var e *FilterError
		if _, err := f.Keeps(x); !errors.As(err, &e) || !strings.Contains(err.Error(), words) {
			t.Errorf("%s: %v, want %q", text, err, words)
		}
	}
}

// What would run for ever, take all memory or tell of more than the columns is
// refused before any of it is computed.
func TestFilterRefuses(t *testing.T) {
	for text, words := range map[string]string{
		"let r = 1..1000; all(r, all(r, all(r, true)))":             "no variables",
		"all(1..1000, true)":                                        "no such function: there are abs",
		"len(map(1..1000000, [#, #])) > 1":                          "no such function: there are abs",
		"width in 1..1000000000":                                    "a range cannot be used",
		`let v0=repeat("a",900000); let v1=v0+v0; len(v1+v1) > 1`:   "no variables",
		`len(repeat("a", 900000)) > 1`:                              "no such function: there are abs",
		`replace(title, "", text) == ""`:                            "no such function: there are abs",
		"len(title + text) > 1":                                     "adds numbers only",
		"len((width > 1 ? title : 1) + text) > 1":                   "adds numbers only",
		`get($env, "foo") == 1`:                                     "no such function: there are abs",
		`$env["motion"] > 1`:                                        "$env is no column",
		`fromJSON(text).a == 1`:                                     "no such function: there are abs",
		`title[0:3] == "abc"`:                                       "columns have no parts",
		`title matches text`:                                        "quoted pattern",
		`title matches "(a.{1000}|b.{1000}|c.{1000})"`:              "",
		`title matches "((a{30}){30}|(b{30}){30}|(c.{100}){10})+x"`: "",
		`title matches "(abcdefghij){1000}"`:                        "repeats too much",
		`title matches "(a{10}){1000000}"`:                          "cannot be read",
		"{a: 1} == {a: 1}":                                          "no part of a condition",
		"motion > 1; true":                                          "no part of a condition",
		"title == nil":                                              "no part of a condition",
	} {
		_, err := ParseFilter(text)
		var e *FilterError
		if words == "" && err == nil {
			continue
		}
		if !errors.As(err, &e) || words == "" || !strings.Contains(err.Error(), words) {
			t.Errorf("%s: %v, want %q", text, err, words)
		}
	}
}

func TestWriteWhere(t *testing.T) {
	env := newEnv(t, testset.Parts(t))
	env.Where = "source_id != 'b' and start >= 2"
	write(t, env)
	rows, m := tuples(t, env.Out)
	if got := keys(rows); got != "a.00002 c.00000 c.00001" || m.Counts[StageShard].Skipped != 3 {
		t.Errorf("tuples %s, counts %+v", got, m.Counts[StageShard])
	}
	env.Where, env.Out = "motion > 0.9", testset.Local(t)
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
	for _, s := range []string{"motion > 0.02 and duration >= 2", "not (key == 'b')", "((((", "1<2 or 'x' != key", "\xff\x00", "width % height == 1", "let r = 1..9; all(r, true)", "lower(title) matches 'a{9}'"} {
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
