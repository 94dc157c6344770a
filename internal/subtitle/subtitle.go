// Package subtitle reads SubRip and WebVTT, as they are found in the wild.
//
// What enters is a file of either kind, in UTF-8, UTF-16 with a byte order mark,
// or Windows-1252; what leaves is its cues in order of time, as plain text. What
// cannot be read as a cue is passed over: there is no error, only fewer cues.
package subtitle

import (
	"bytes"
	"cmp"
	"html"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"
)

// Cue is a text and when it is shown, in seconds; End is after Start.
type Cue struct {
	Start, End float64
	Text       string // lines are separated by "\n"; never empty
}

// Within returns the cues that are shown in [start, end), cut to it, with times
// from start on.
func Within(cues []Cue, start, end float64) []Cue {
	var inside []Cue
	for _, c := range cues {
		if c.Start >= end {
			break // they are in order
		}
		if c.End > start {
			inside = append(inside, Cue{Start: max(0, c.Start-start), End: min(end, c.End) - start, Text: c.Text})
		}
	}
	return inside
}

// Parse reads a file.
func Parse(data []byte) []Cue {
	lines := strings.Split(strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(decode(data)), "\n")
	var cues []Cue
	for i := 0; i < len(lines); i++ {
		start, end, ok := parseTiming(lines[i])
		if !ok {
			continue
		}
		first := i + 1
		last := first
		for last < len(lines) && strings.TrimSpace(lines[last]) != "" && !strings.Contains(lines[last], "-->") {
			last++
		}
		i = last - 1
		if last < len(lines) && strings.Contains(lines[last], "-->") && last > first && isNumber(lines[last-1]) {
			last-- // the next cue's number, with no empty line before it
		}
		if text := plain(lines[first:last]); text != "" && end > start {
			cues = append(cues, Cue{Start: start, End: end, Text: text})
		}
	}
	slices.SortStableFunc(cues, func(a, b Cue) int { return cmp.Compare(a.Start, b.Start) })
	return cues
}

// decode makes UTF-8 of a file's bytes.
func decode(data []byte) string {
	var enc encoding.Encoding
	switch {
	case bytes.HasPrefix(data, []byte("\xff\xfe")), bytes.HasPrefix(data, []byte("\xfe\xff")):
		enc = unicode.UTF16(unicode.LittleEndian, unicode.ExpectBOM)
	case utf8.Valid(data):
		return strings.TrimPrefix(string(data), "\ufeff")
	default:
		enc = charmap.Windows1252 // what most files are that don't say
	}
	text, err := enc.NewDecoder().Bytes(data)
	if err != nil {
		return ""
	}
	return string(text)
}

// timing matches "00:01:02,345 --> 00:01:04,000" and what comes close to it:
// hours may be missing, the fraction too, and anything may follow.
var timing = regexp.MustCompile(`^\s*(?:(\d{1,4}):)?(\d{1,2}):(\d{1,2})(?:[.,](\d{1,9}))?\s*-->\s*(?:(\d{1,4}):)?(\d{1,2}):(\d{1,2})(?:[.,](\d{1,9}))?(?:\s|$)`)

func parseTiming(line string) (start, end float64, ok bool) {
	if !strings.Contains(line, "-->") {
		return 0, 0, false
	}
	m := timing.FindStringSubmatch(line)
	if m == nil {
		return 0, 0, false
	}
	return seconds(m[1:5]), seconds(m[5:9]), true
}

// seconds of hours, minutes, seconds and a decimal fraction, which are digits.
func seconds(parts []string) float64 {
	number := func(s string) float64 {
		n, _ := strconv.ParseFloat(s, 64) // "" is 0
		return n
	}
	return number(parts[0])*3600 + number(parts[1])*60 + number(parts[2]) + number("0."+parts[3]+"0")
}

func isNumber(line string) bool {
	_, err := strconv.ParseUint(strings.TrimSpace(line), 10, 32)
	return err == nil
}

// markup matches tags (<i>, <c.yellow>, <00:00:01.000>, <font color="#fff">) and
// the overrides of SubStation Alpha ({\an8}).
var markup = regexp.MustCompile(`</?[a-zA-Z0-9][^<>]*>|</?>|\{\\[^{}]*\}`)

func plain(lines []string) string {
	var kept []string
	for _, line := range lines {
		line = strings.ReplaceAll(markup.ReplaceAllString(line, ""), `\N`, "\n")
		line = strings.TrimSpace(strings.ReplaceAll(html.UnescapeString(line), "\u00a0", " "))
		if line != "" {
			kept = append(kept, line)
		}
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' && r != '\t' || r == '\u200e' || r == '\u200f' || r == utf8.RuneError {
			return -1
		}
		return r
	}, strings.Join(kept, "\n"))
}

// MaxBytes bounds a subtitle file: a day of talk is 2 MiB.
const MaxBytes = 16 << 20

// IsText tells whether a codec, by ffmpeg's name, is one of subtitles that are
// text.
func IsText(codec string) bool {
	return slices.Contains([]string{"mov_text", "subrip", "srt", "text", "ass", "ssa", "webvtt"}, codec)
}
