package testmedia

import (
	"encoding/binary"
	"fmt"
	"math"
	"strings"
	"testing"
	"unicode/utf16"
)

// Cue is one subtitle: seconds from the start of the file, and plain text.
type Cue struct {
	Start, End float64
	Text       string
}

// Cues are the subtitles of the cases subtitles_mov_text and subtitles_srt, and
// of both SubtitleFiles.
func Cues() []Cue {
	return []Cue{
		{0.2, 0.9, "A first line."},
		{1.0, 1.75, "Zweite Zeile: Grüße, 日本語"},
		{2.1, 2.8, "two lines\nin one cue"},
	}
}

// SubtitleFiles returns the paths of a clean SubRip and a clean WebVTT file, both
// with the cues of Cues.
func SubtitleFiles(t testing.TB) (srt, vtt string) {
	t.Helper()
	return written(t, "clean.srt", []byte(FormatSRT(Cues()))), written(t, "clean.vtt", []byte(formatVTT(Cues())))
}

// FormatSRT writes cues as a clean SubRip file.
func FormatSRT(cues []Cue) string {
	var b strings.Builder
	for i, c := range cues {
		fmt.Fprintf(&b, "%d\n%s --> %s\n%s\n\n", i+1, clock(c.Start, ","), clock(c.End, ","), c.Text)
	}
	return b.String()
}

func formatVTT(cues []Cue) string {
	b := "WEBVTT\n\n"
	for _, c := range cues {
		b += fmt.Sprintf("%s --> %s\n%s\n\n", clock(c.Start, "."), clock(c.End, "."), c.Text)
	}
	return b
}

// clock formats seconds as HH:MM:SS and milliseconds after the given mark.
func clock(seconds float64, mark string) string {
	ms := int(math.Round(seconds * 1000))
	return fmt.Sprintf("%02d:%02d:%02d%s%03d", ms/3600_000, ms/60_000%60, ms/1000%60, mark, ms%1000)
}

// Subtitle is a subtitle file and what a careful reader finds in it.
type Subtitle struct {
	Name string // file name
	Data []byte
	Cues []Cue // in the order of the file; tags removed, entities resolved
	Note string
}

// Subtitles lists subtitle files as they are found in the wild.
func Subtitles() []Subtitle {
	clean := FormatSRT(Cues())
	crlf := strings.ReplaceAll(clean, "\n", "\r\n")
	latin := []Cue{{0.5, 1.5, "Grüße aus Köln"}}
	return append([]Subtitle{
		{"clean.srt", []byte(clean), Cues(), "nothing odd"},
		{"clean.vtt", []byte(formatVTT(Cues())), Cues(), "nothing odd"},
		{"bom_crlf.srt", []byte("\ufeff" + crlf), Cues(), "byte order mark, CR LF"},
		{"bom_crlf.vtt", []byte("\ufeff" + strings.ReplaceAll(formatVTT(Cues()), "\n", "\r\n")), Cues(), "byte order mark, CR LF"},
		{"no_final_newline.srt", []byte(strings.TrimSpace(clean)), Cues(), "ends in the text of the last cue"},
		{"utf16le.srt", utf16Text(binary.LittleEndian, crlf), Cues(), "UTF-16, little endian, byte order mark"},
		{"utf16be.srt", utf16Text(binary.BigEndian, crlf), Cues(), "UTF-16, big endian, byte order mark"},
		{"windows1252.srt", latin1(FormatSRT(latin)), latin, "one byte a letter: invalid as UTF-8"},
		{"empty.srt", nil, nil, "no bytes"},
		{"html.vtt", []byte("<!DOCTYPE html>\n<html><body>404 Not Found</body></html>\n"), nil, "an error page"},
	}, oddSubtitles()...)
}

// utf16Text encodes s with a byte order mark.
func utf16Text(order binary.AppendByteOrder, s string) []byte {
	var b []byte
	for _, unit := range utf16.Encode([]rune("\ufeff" + s)) {
		b = order.AppendUint16(b, unit)
	}
	return b
}

// latin1 encodes s, all of whose runes are below U+0100.
func latin1(s string) []byte {
	var b []byte
	for _, r := range s {
		b = append(b, byte(r))
	}
	return b
}
