package testmedia

import (
	"bytes"
	"cmp"
	"encoding/csv"
	"math"
	"os/exec"
	"slices"
	"strconv"
	"testing"
)

// readCues is what ffmpeg's own demuxer finds in a file.
func readCues(t *testing.T, path string) []Cue {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "ffprobe", "-v", "error", "-select_streams", "s",
		"-show_entries", "packet=pts_time,duration_time", "-of", "csv=p=0", path).Output()
	if err != nil {
		return nil
	}
	rows, err := csv.NewReader(bytes.NewReader(out)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var cues []Cue
	for _, row := range rows {
		start, errStart := strconv.ParseFloat(row[0], 64)
		length, errLength := strconv.ParseFloat(row[1], 64)
		if errStart != nil || errLength != nil {
			t.Fatalf("packet %q", row)
		}
		cues = append(cues, Cue{Start: start, End: start + length})
	}
	return cues
}

// TestSubtitles compares the times that are promised with those that ffmpeg 5.1
// reads. Where it is known to give up, or to take what is no cue, the promise is
// the file's plain sense and ffmpeg is only asked to disagree still.
func TestSubtitles(t *testing.T) {
	careless := map[string]string{
		"malformed.srt": "keeps a cue without digits and one that ends before it starts",
		"loose.srt":     "does not know SubRip without a number at the top",
		"features.vtt":  "stops at a STYLE block",
	}
	for _, s := range Subtitles() {
		got := readCues(t, Blob(t, s.Name, s.Data))
		if _, wrong := careless[s.Name]; sameTimes(got, s.Cues) == wrong {
			t.Errorf("%s: ffmpeg reads %+v, want %+v", s.Name, got, s.Cues)
		}
	}
}

// sameTimes ignores the order, since ffmpeg sorts by time.
func sameTimes(a, b []Cue) bool {
	byTime := func(x, y Cue) int { return cmp.Or(cmp.Compare(x.Start, y.Start), cmp.Compare(x.End, y.End)) }
	return slices.EqualFunc(slices.SortedFunc(slices.Values(a), byTime), slices.SortedFunc(slices.Values(b), byTime),
		func(x, y Cue) bool { return math.Abs(x.Start-y.Start) < 0.002 && math.Abs(x.End-y.End) < 0.002 })
}
