package ingest

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"micodata/dataset"
)

// span and alt keep tables short.
func span(id string, start, end float64, text string) dataset.Span {
	return dataset.Span{ClipID: id, Start: start, End: end, Text: text}
}

func alt(texts ...string) []dataset.Text {
	var out []dataset.Text
	for _, s := range texts {
		out = append(out, dataset.Text{Text: s, Kind: "alt"})
	}
	return out
}

func TestTables(t *testing.T) {
	for name, c := range map[string]struct {
		file, content string
		o             ListOptions
		want          []Item
	}{
		"text": {file: "l.txt", content: "\xef\xbb\xbfa.mp4\r\n\n# note\n  https://h/b c.mp4?x=1#y \n/abs/c.mp4\nfile:///abs/d%20e.mp4\nlast.mp4",
			want: []Item{{URI: "DIR/a.mp4"}, {URI: "https://h/b c.mp4?x=1#y"}, {URI: "/abs/c.mp4"}, {URI: "/abs/d e.mp4"}, {URI: "DIR/last.mp4"}}},
		"csv": {file: "l.csv", content: "\xef\xbb\xbfID,URL,Caption,title,License\r\n7,a.mp4,\"two\nlines, \"\"quoted\"\"\",T,CC0\r\n,b.mp4,,,\r\n",
			want: []Item{{ID: "7", URI: "DIR/a.mp4", Texts: alt("two\nlines, \"quoted\""), Title: "T", License: "CC0"}, {URI: "DIR/b.mp4"}}},
		"tsv": {file: "l.tsv", content: "video_id\tvideo\ttext\nx\ta.mp4\tsay \"hi\" now\n",
			want: []Item{{ID: "x", URI: "DIR/a.mp4", Texts: alt(`say "hi" now`)}}},
		"chosen columns": {file: "l.csv", content: "url,href,nr,say,name,lic,cuts,text\nno.mp4,a.mp4,1,S,N,L,\"[[0, 1.5]]\",no\n",
			o:    ListOptions{URLCol: "href", IDCol: "nr", TextCol: "say", TitleCol: "name", LicenseCol: "lic", ClipsCol: "cuts"},
			want: []Item{{URI: "DIR/a.mp4", ID: "1", Texts: alt("S"), Title: "N", License: "L", Spans: []dataset.Span{span("", 0, 1.5, "")}}}},
		"jsonl": {file: "l.jsonl", content: `{"path":"a.mp4","key":12345678901234567890,"text":["one","two"],"spans":[{"start":"0:01","end":2.5,"text":"s","clip_id":"c"},[3,4]]}` + "\n\n" + `{"url":null,"path":"b.mp4","title":5}`,
			want: []Item{{URI: "DIR/a.mp4", ID: "12345678901234567890", Spans: []dataset.Span{span("c", 1, 2.5, "s"), span("", 3, 4, "")}, Texts: alt("one", "two")}, {URI: "DIR/b.mp4", Title: "5"}}},
		"json array":  {file: "l.json", content: " [\n {\"url\": \"a.mp4\"},\n {\"url\": \"b.mp4\"} ]\n", want: []Item{{URI: "DIR/a.mp4"}, {URI: "DIR/b.mp4"}}},
		"json pretty": {file: "l.json", content: "{\n \"url\": \"a.mp4\"\n}\n{\"url\": \"b.mp4\"}", want: []Item{{URI: "DIR/a.mp4"}, {URI: "DIR/b.mp4"}}},
		"hd-vila": {file: "hdvila.jsonl", content: `{"video_id": "pFFZKZN65qM", "url": "https://www.youtube.com/watch?v=pFFZKZN65qM", "clip": [{"clip_id": "pFFZKZN65qM.7.mp4", "span": ["00:00:43.434", "00:00:52.886"]}, {"span": ["01:00:00.000", "01:00:01.5"], "clip_id": "x"}]}` + "\n" +
			`{"clip": [], "url": "https://h/b.mp4", "video_id": "q"}`,
			want: []Item{{ID: "pFFZKZN65qM", URI: "https://www.youtube.com/watch?v=pFFZKZN65qM",
				Spans: []dataset.Span{span("pFFZKZN65qM.7.mp4", 43.434, 52.886, ""), span("x", 3600, 3601.5, "")}}, {ID: "q", URI: "https://h/b.mp4", Spans: []dataset.Span{}}}},
		"panda-70m": {file: "p.csv", content: `videoID,url,timestamp,caption` + "\n" + `v,a.mp4,"[['0:00:16.300', '0:00:22.300'], ['0:01:00', '0:01:02.5']]","['A man\'s dog.', ""It's \""late\"".""]"` + "\n",
			want: []Item{{ID: "v", URI: "DIR/a.mp4", Spans: []dataset.Span{span("", 16.3, 22.3, "A man's dog."), span("", 60, 62.5, `It's "late".`)}}}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for i := range c.want {
				c.want[i].URI = strings.Replace(c.want[i].URI, "DIR", dir, 1)
				c.want[i].Trusted = true
			}
			writeFile(t, filepath.Join(dir, c.file), c.content)
			writeFile(t, filepath.Join(dir, c.file+".gz"), gzipped(t, c.content))
			writeFile(t, filepath.Join(dir, c.file+".zst"), zstded(t, c.content))
			for _, ext := range []string{"", ".gz", ".zst"} {
				if got := mustList(t, c.o, filepath.Join(dir, c.file+ext)); !reflect.DeepEqual(got, c.want) {
					t.Errorf("%s\n got %+v\nwant %+v", ext, got, c.want)
				}
			}
		})
	}
}

func gzipped(t *testing.T, s string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write([]byte(s)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func zstded(t *testing.T, s string) string {
	w, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	return string(w.EncodeAll([]byte(s), nil))
}

func TestStdin(t *testing.T) {
	for name, in := range map[string]string{"text": "http://h/a\nhttp://h/b\n", "json": "\n {\"url\":\"http://h/a\"}\n{\"url\":\"http://h/b\"}\n"} {
		got := uris(mustList(t, ListOptions{Stdin: strings.NewReader(in)}, "-"), "")
		if want := []string{"http://h/a", "http://h/b"}; !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %q", name, got)
		}
	}
}

// A bad row is a row: the class, where it stands, and the rows after it.
func TestBadRows(t *testing.T) {
	for name, c := range map[string]struct {
		file, content string
		class         dataset.Class
		says          string
	}{
		"bad json":       {"l.jsonl", `{"url":"a"}` + "\n{\n" + `{"url":"b"}`, dataset.Corrupt, "line 2 of DIR/l.jsonl"},
		"not an object":  {"l.jsonl", `{"url":"a"}` + "\n[1]\n" + `{"url":"b"}`, dataset.Corrupt, "not a JSON object but a JSON array"},
		"two objects":    {"l.jsonl", `{"url":"a"}` + "\n{} {}\n" + `{"url":"b"}`, dataset.Corrupt, "more than one"},
		"null":           {"l.jsonl", `{"url":"a"}` + "\nnull\n" + `{"url":"b"}`, dataset.Corrupt, "null"},
		"no url":         {"l.jsonl", `{"url":"a"}` + "\n{}\n" + `{"url":"b"}`, dataset.Corrupt, "no URL"},
		"url is a list":  {"l.jsonl", `{"url":"a"}` + "\n" + `{"url":["x"]}` + "\n" + `{"url":"b"}`, dataset.Corrupt, "no URL"},
		"long line":      {"l.jsonl", `{"url":"a"}` + "\n" + `{"url":"` + strings.Repeat("x", 3000) + `"}` + "\n" + `{"url":"b"}`, dataset.Corrupt, "more than 2000 bytes"},
		"long text line": {"l.txt", "a\n" + strings.Repeat("x", 3000) + "\nb", dataset.Corrupt, "longer than 2000 bytes"},
		"s3":             {"l.txt", "a\ns3://b/c\nb", dataset.Policy, "not supported yet"},
		"other host":     {"l.txt", "a\nfile://nas/c.mp4\nb", dataset.Policy, "another machine"},
		"zero byte":      {"l.txt", "a\nx\x00y\nb", dataset.Corrupt, "zero byte"},
		"field count":    {"l.csv", "url,id\na,\nx,y,z\nb,\n", dataset.Corrupt, "line 3 of DIR/l.csv: 3 fields where the first row has 2"},
		"bare quote":     {"l.csv", "url,id\na,\nx\"y,z\nb,\n", dataset.Corrupt, "line 3"},
		"no list":        {"l.jsonl", `{"url":"a"}` + "\n" + `{"url":"x","clips":{"span":[0,1]}}` + "\n" + `{"url":"b"}`, dataset.Corrupt, "line 2 of DIR/l.jsonl: clips: not a list"},
		"nan span":       {"l.csv", "url,clips\na,\nx,\"[[0, NaN]]\"\nb,\n", dataset.Corrupt, "literal"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			items := mustList(t, ListOptions{MaxRowBytes: 2000}, writeFile(t, filepath.Join(dir, c.file), c.content))
			if len(items) != 3 || items[0].URI != dir+"/a" || items[2].URI != dir+"/b" || items[0].Err != nil || items[2].Err != nil {
				t.Fatalf("items %+v", items)
			}
			e, ok := dataset.AsItem(items[1].Err)
			if !ok || e.Class != c.class || !strings.Contains(e.Error(), strings.Replace(c.says, "DIR", dir, 1)) {
				t.Errorf("error %v, want %s: %s", items[1].Err, c.class, c.says)
			}
			s := ingestOne(t, testEnv(t), items[1])
			if s.Status != dataset.Failed || s.Class != c.class || s.Error != e.Err.Error() || s.ID != dataset.IDFromURI(items[1].URI) {
				t.Errorf("row %+v", s)
			}
		})
	}
}

// One malformed clip costs that clip: its place, its clip_id and its text stay.
func TestBadSpans(t *testing.T) {
	dir := t.TempDir()
	for cell, says := range map[string]string{
		`{"clip_id":"x","text":"t","span":[2,2]}`:                   "ends at 2, before its start at 2 or with it",
		`{"clip_id":"x","text":"t","span":["00:00:02","00:00:01"]}`: "ends at 1, before its start at 2",
		`{"clip_id":"x","text":"t","span":["soon","later"]}`:        `start: "soon" is not a time`,
		`{"clip_id":"x","text":"t","span":[0,1e300]}`:               "end: 1e300 is not a time",
		`{"clip_id":"x","text":"t","span":[-1,1]}`:                  "start: -1 is not a time",
		`{"clip_id":"x","text":"t","span":["0:61:00","2:00:00"]}`:   `"0:61:00" is not a time`,
		`{"clip_id":"x","text":"t","span":[0,[1]]}`:                 "end: [1] is not a time",
		`{"clip_id":"x","text":"t","span":[0]}`:                     "not a pair",
		`{"clip_id":"x","text":"t","span":"0-1"}`:                   "not a pair",
		`{"clip_id":"x","text":"t","span":null}`:                    "not a pair",
		`{"clip_id":"x","text":"t","start":1}`:                      "neither span nor start and end",
		`{"clip_id":"x","text":"t"}`:                                "neither span nor start and end",
		`[0,"` + strings.Repeat("\\n", 5000) + `"]`:                 "end: ",
		`7`:    "not a pair",
		`null`: "not a pair",
	} {
		path := writeFile(t, filepath.Join(dir, "l.jsonl"), `{"url":"a"}`+"\n"+`{"url":"b","clips":[[0,1],`+cell+`,[1,2]]}`+"\n")
		items := mustList(t, ListOptions{}, path)
		if len(items) != 2 || items[1].Err != nil || len(items[1].Spans) != 3 {
			t.Errorf("%s: %+v", cell, items)
			continue
		}
		bad := items[1].Spans[1]
		if !strings.HasPrefix(bad.Error, "line 2 of "+path+": clip 2: ") || !strings.Contains(bad.Error, says) || len(bad.Error) > 600 || strings.Contains(bad.Error, "\n") {
			t.Errorf("%s: error %q, want %q", cell, bad.Error, says)
		}
		want := span("", 0, 0, "")
		if strings.Contains(cell, "clip_id") {
			want = span("x", 0, 0, "t")
		}
		if bad.Error = ""; bad != want {
			t.Errorf("%s: %+v", cell, bad)
		}
		if items[1].Spans[0] != span("", 0, 1, "") || items[1].Spans[2] != span("", 1, 2, "") {
			t.Errorf("%s: beside it %+v", cell, items[1].Spans)
		}
	}
}

func TestTooManySpans(t *testing.T) {
	path := writeFile(t, filepath.Join(t.TempDir(), "l.jsonl"), `{"url":"a","clips":[1`+strings.Repeat(",1", maxSpans)+"]}\n")
	items := mustList(t, ListOptions{}, path)
	if e, ok := dataset.AsItem(items[0].Err); !ok || e.Class != dataset.Corrupt || !strings.Contains(e.Error(), "100001 of them; the limit is 100000") {
		t.Errorf("%v", items[0].Err)
	}
}

// The first rows may be bad, or lack a key that later ones have.
func TestLateKeys(t *testing.T) {
	bad := strings.Repeat("{\n", headRows+1)
	path := writeFile(t, filepath.Join(t.TempDir(), "l.jsonl"), bad+`{"path":"http://h/a","title":"t"}`)
	items := mustList(t, ListOptions{}, path)
	if last := items[len(items)-1]; len(items) != headRows+2 || !reflect.DeepEqual(last, Item{URI: "http://h/a", Title: "t", Trusted: true}) {
		t.Errorf("%d items, the last %+v", len(items), last)
	}
}

// A quote that never closes must not read the rest of a large file into memory.
func TestUnclosedQuote(t *testing.T) {
	path := writeFile(t, filepath.Join(t.TempDir(), "l.csv"), "url,text\na,b\nc,\""+strings.Repeat("x\n", 100_000))
	items, err := listed(t, ListOptions{MaxRowBytes: 10_000}, path)
	if len(items) != 1 || err == nil || !strings.Contains(err.Error(), "after line 2") || !strings.Contains(err.Error(), "quote") {
		t.Errorf("%d items, %v", len(items), err)
	}
}

func TestDamagedCompression(t *testing.T) {
	text := strings.Repeat("http://h/a.mp4\n", 100_000)
	for ext, whole := range map[string]string{".gz": gzipped(t, text), ".zst": zstded(t, text)} {
		path := writeFile(t, filepath.Join(t.TempDir(), "l.txt"+ext), whole[:len(whole)/2])
		if items, err := listed(t, ListOptions{}, path); err == nil || len(items) == 100_000 {
			t.Errorf("%s: %d items, %v", ext, len(items), err)
		}
	}
}

func TestListHash(t *testing.T) {
	base := Item{ID: "i", URI: "u", Title: "t", License: "l", Texts: alt("x"), Spans: []dataset.Span{span("c", 1, 2, "s")}}
	seen := map[string]string{ListHash([]Item{base}): "base", ListHash([]Item{base, base}): "two", ListHash(nil): "none"}
	for name, change := range map[string]func(*Item){
		"id": func(i *Item) { i.ID = "j" }, "uri": func(i *Item) { i.URI = "v" }, "title": func(i *Item) { i.Title = "" },
		"shift": func(i *Item) { i.ID, i.URI = "iu", "" }, "license": func(i *Item) { i.License = "m" },
		"text": func(i *Item) { i.Texts = alt("y") }, "texts": func(i *Item) { i.Texts = alt("x", "x") },
		"span": func(i *Item) { i.Spans = []dataset.Span{span("c", 1, 2.5, "s")} }, "no spans": func(i *Item) { i.Spans = nil },
		"empty spans": func(i *Item) { i.Spans = []dataset.Span{} }, "bad span": func(i *Item) { i.Spans = []dataset.Span{{ClipID: "c", Start: 1, End: 2, Text: "s", Error: "e"}} }, "err": func(i *Item) { i.Err = fmt.Errorf("e") },
	} {
		it := base
		change(&it)
		h := ListHash([]Item{it})
		if other, twice := seen[h]; twice {
			t.Errorf("%s has the hash of %s", name, other)
		}
		seen[h] = name
	}
}
