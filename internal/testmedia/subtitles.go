package testmedia

import (
	"fmt"
	"math"
	"strings"
)

// Cue is one subtitle: seconds from the start of the file, and plain text.
type Cue struct {
	Start, End float64
	Text       string
}

// Cues are the subtitles of the cases subtitles_mov_text and subtitles_srt.
func Cues() []Cue {
	return []Cue{
		{0.2, 0.9, "A first line."},
		{1.0, 1.75, "Zweite Zeile: Grüße, 日本語"},
		{2.1, 2.8, "two lines\nin one cue"},
	}
}

// FormatSRT writes cues as a clean SubRip file.
func FormatSRT(cues []Cue) string {
	var b strings.Builder
	for i, c := range cues {
		fmt.Fprintf(&b, "%d\n%s --> %s\n%s\n\n", i+1, clock(c.Start, ","), clock(c.End, ","), c.Text)
	}
	return b.String()
}

// clock formats seconds as HH:MM:SS and milliseconds after the given mark.
func clock(seconds float64, mark string) string {
	ms := int(math.Round(seconds * 1000))
	return fmt.Sprintf("%02d:%02d:%02d%s%03d", ms/3600_000, ms/60_000%60, ms/1000%60, mark, ms%1000)
}
