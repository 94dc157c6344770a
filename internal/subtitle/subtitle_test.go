package subtitle_test

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf16"
	"unicode/utf8"

	"micodata/internal/subtitle"
)

const clean = "1\n00:00:01,000 --> 00:00:02,500\nOne\n\n2\n00:00:03,000 --> 00:00:04,000\nTwo\nlines\n\n"

func utf16le(s string) string {
	b := []byte{0xff, 0xfe}
	for _, u := range utf16.Encode([]rune(s)) {
		b = append(b, byte(u), byte(u>>8))
	}
	return string(b)
}

func TestParse(t *testing.T) {
	const both = `[{1 2.5 "One"} {3 4 "Two\nlines"}]`
	for name, test := range map[string]struct{ text, want string }{
		"clean":             {clean, both},
		"CRLF and a BOM":    {"\ufeff" + strings.ReplaceAll(clean, "\n", "\r\n"), both},
		"UTF-16":            {utf16le(clean), both},
		"no numbers":        {strings.NewReplacer("1\n", "", "2\n", "").Replace(clean), both},
		"no empty lines":    {strings.ReplaceAll(clean, "\n\n", "\n"), both},
		"unordered":         {"00:00:03,000 --> 00:00:04,000\nTwo\nlines\n\n00:00:01,000 --> 00:00:02,500\nOne\n", both},
		"WebVTT":            {"WEBVTT - x\n\nSTYLE\n::cue {}\n\nNOTE no\n\nid\n00:01.000 --> 00:02.500 align:start\n<v Ann>One</v>\n\n00:03.000 --> 00:04.000\n<c.red>Two</c>\n<00:00:03.500>lines\n", both},
		"markup":            {"00:00:01.000 --> 00:00:02.000\n{\\an8}<i>a &lt; b</i>\\Nc&nbsp;d <3\n", `[{1 2 "a < b\nc d <3"}]`},
		"Windows-1252":      {"00:00:01,0 --> 00:00:02,0\nGr\xfc\xdfe \x96 \x80\n", `[{1 2 "Grüße – €"}]`},
		"hours":             {"100:00:01,5 --> 100:00:02\nlate\n", `[{360001.5 360002 "late"}]`},
		"malformed timings": {"00:00:xx,000 --> 00:00:02,000\nno\n\n00:00:05 -> 00:00:06\nno\n\n00:00:09,0 --> 00:00:08,0\nbackwards\n\n" + clean, both},
		"empty cue":         {"00:00:01,000 --> 00:00:02,000\n\n00:00:03,000 --> 00:00:04,000\n<i></i>\n", "[]"},
		"cut short":         {"1\n00:00:01,000 --> 00:00:02,500", "[]"},
		"nothing":           {"", "[]"},
	} {
		if got := show(subtitle.Parse([]byte(test.text))); got != test.want {
			t.Errorf("%s: %s, want %s", name, got, test.want)
		}
	}
}

func show(cues []subtitle.Cue) string {
	parts := []string{}
	for _, c := range cues {
		parts = append(parts, fmt.Sprintf("{%v %v %q}", c.Start, c.End, c.Text))
	}
	return "[" + strings.Join(parts, " ") + "]"
}

func TestWithin(t *testing.T) {
	cues := subtitle.Parse([]byte(clean))
	for _, test := range []struct {
		start, end float64
		want       string
	}{
		{0, 10, `[{1 2.5 "One"} {3 4 "Two\nlines"}]`},
		{2, 3.5, `[{0 0.5 "One"} {1 1.5 "Two\nlines"}]`},
		{2.5, 3, "[]"},
		{1, 1.25, `[{0 0.25 "One"}]`},
	} {
		if got := show(subtitle.Within(cues, test.start, test.end)); got != test.want {
			t.Errorf("[%g, %g): %s, want %s", test.start, test.end, got, test.want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(clean))
	f.Add([]byte(utf16le(clean)))
	f.Add([]byte("WEBVTT\n\n00:01.000 --> 00:02.000\n<v a>x &amp; {\\i1}y\n00:03.000 --> 00:02.000\n7\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		last := 0.
		for _, c := range subtitle.Parse(data) {
			if c.Start < last || !(c.End > c.Start) || c.Text == "" || !utf8.ValidString(c.Text) || strings.Contains(c.Text, "\n\n") {
				t.Fatalf("cue %+v after %g", c, last)
			}
			last = c.Start
		}
	})
}
