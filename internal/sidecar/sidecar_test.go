package sidecar_test

import (
	"testing"

	"micodata/internal/sidecar"
)

func TestMatch(t *testing.T) {
	type found struct {
		lang, ext string
		ok        bool
	}
	for _, c := range []struct {
		name, stem string
		want       found
	}{
		{"movie.srt", "movie", found{"", "srt", true}},
		{"movie.en.SRT", "movie", found{"en", "srt", true}},
		{"movie.pt-BR.vtt", "movie", found{"pt-BR", "vtt", true}},
		{"movie.en.srt", "movie.en", found{"", "srt", true}},
		{"movie.txt", "movie", found{"", "txt", true}},
		{"movie.part2.srt", "movie", found{}},
		{"movie.mp4", "movie", found{}},
		{"movies.srt", "movie", found{}},
		{".srt", "", found{"", "srt", true}},
	} {
		lang, ext, ok := sidecar.Match(c.name, c.stem)
		if got := (found{lang, ext, ok}); got != c.want {
			t.Errorf("Match(%q, %q) = %v, want %v", c.name, c.stem, got, c.want)
		}
	}
	if got := sidecar.Stem("/a.b/movie.en.mp4"); got != "/a.b/movie.en" {
		t.Errorf("stem %q", got)
	}
}
