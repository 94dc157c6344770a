package main

import (
	"bytes"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// screen is what a terminal shows of what bars write.
func screen(t *testing.T, written []byte) []string {
	t.Helper()
	lines, row := []string{""}, 0
	for _, tok := range regexp.MustCompile("\x1b\\[[0-9]*[A-Z]|\r|\n|[^\x1b\r\n]+").FindAllString(string(written), -1) {
		switch {
		case tok == "\r":
		case tok == "\n":
			if row++; row == len(lines) {
				lines = append(lines, "")
			}
		case tok == "\x1b[J":
			lines = append(lines[:row], "")
		case strings.HasSuffix(tok, "A"):
			n, err := strconv.Atoi(tok[2 : len(tok)-1])
			if err != nil || n > row {
				t.Fatalf("%q in row %d", tok, row)
			}
			row -= n
		default:
			lines[row] += tok
		}
	}
	return lines
}

func TestBarsStandBelowEachOtherAndNotesAbove(t *testing.T) {
	var out bytes.Buffer
	width := 79
	b := newBars(&out, func() int { return width }, "parts", "ingest", "extract")
	const total = 45 // more than a bar has cells
	for range total - 1 {
		b.count("ingest", 0)
	}
	fmt.Fprintln(b, "micodata: a note")
	b.count("extract", 3)
	if got := screen(t, out.Bytes()); !strings.HasPrefix(got[1], "ingest (44 done)") {
		t.Errorf("while the list is read:\n%s", strings.Join(got, "\n"))
	}
	b.know(total)
	b.count("ingest", 0)
	if got := screen(t, out.Bytes()); !strings.Contains(got[1], "(45/45, ") || !strings.Contains(got[2], "extract (3 failed)   2%") || !strings.Contains(got[2], "(1/45, ") {
		t.Errorf("once the total is known:\n%s", strings.Join(got, "\n"))
	}
	width = 20
	b.close()
	got := screen(t, out.Bytes())
	if len(got) != 4 || got[0] != "micodata: a note" || !strings.HasPrefix(got[1], "ingest 100%") ||
		!strings.HasPrefix(got[2], "extract (3 failed)") || got[3] != "" {
		t.Errorf("screen:\n%s", strings.Join(got, "\n"))
	}
	for _, line := range got[1:3] {
		if n := len([]rune(line)); n > 19 {
			t.Errorf("a line of %d on a terminal of 20 columns: %s", n, line)
		}
	}
}
