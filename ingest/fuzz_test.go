package ingest

import (
	"bufio"
	"io"
	"strings"
	"testing"

	"micodata/dataset"
)

// checkSpans holds for every list of spans that is let through: one with an error
// has no times.
func checkSpans(t *testing.T, spans []dataset.Span) {
	t.Helper()
	for _, s := range spans {
		if s.Error != "" && s.Start == 0 && s.End == 0 {
			continue
		}
		if s.Error != "" || !(s.Start >= 0 && s.Start < s.End && s.End < maxSeconds) {
			t.Errorf("span %+v", s)
		}
	}
}

func FuzzClipsCell(f *testing.F) {
	for _, s := range []string{`[[0, 1.5], ["0:01", "00:00:02,5"]]`, `[{"clip_id": "c", "span": ["00:00:43.434", "00:00:52.886"]}]`,
		`[('0:00:16.300', '0:00:22.300')]`, `[{'start': 1, 'end': 2, 'text': 'it\'s \u00e9\ud83d\ude00\x41'}]`, `None`, `[[1,NaN]]`, `[[1,0x1p3]]`, `[[[[[`, `["\u`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		spans, err := parseSpans(s)
		if err != nil && spans != nil {
			t.Error("spans and an error")
		}
		checkSpans(t, spans)
	})
}

func FuzzClock(f *testing.F) {
	for _, s := range []string{"1", "1.5", "00:01:02.003", "1:2", "61:00", "1:60", "::", "-1:00", "1e3", "1:1e1", "inf", "+1", " 2 "} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		v, err := parseTime(s)
		if err == nil && !(v >= 0 && v < maxSeconds) {
			t.Errorf("%q is %v", s, v)
		}
	})
}

func FuzzRows(f *testing.F) {
	f.Add("csv", "url,id,clips\na,1,\"[[0,1]]\"\n\"b\nc\",2,\n")
	f.Add("tsv", "url\tid\na\t\"x\n")
	f.Add("jsonl", `{"video_id":"v","url":"https://h/","clip":[{"clip_id":"c","span":["00:00:00.000","00:00:01.000"]}]}`+"\n{\n[]\n")
	f.Add("json", `[{"url":"a"},{"url":1}]`)
	f.Add("txt", "a\n#\n\xef\xbb\xbf\r\n")
	f.Fuzz(func(t *testing.T, kind, in string) {
		rows := openRows(bufio.NewReader(strings.NewReader(in)), kind, ListOptions{MaxRowBytes: 1000})
		n := 0
		err := listRows("/l", "/", rows, ListOptions{}, func(it Item) error {
			n++
			if it.Err != nil {
				if e, ok := dataset.AsItem(it.Err); !ok || !strings.Contains(e.Error(), " of /l: ") {
					t.Errorf("error %v", it.Err)
				}
			} else if it.URI == "" || !isRemote(it.URI) && it.URI[0] != '/' {
				t.Errorf("URI %q", it.URI)
			} else {
				checkSpans(t, it.Spans)
			}
			return nil
		})
		if err == io.EOF || n > len(in)+1 {
			t.Errorf("%d rows, %v", n, err)
		}
	})
}
