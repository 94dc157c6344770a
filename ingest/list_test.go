package ingest

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"micodata/dataset"
	"micodata/internal/testmedia"
)

func TestListFolder(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"b.mp4", "a.MKV", "a.srt", "notes.txt", "sub/deep/z.webm", "sub/a.mov", ".hidden.mp4", ".git/x.mp4", "out/made.mp4"} {
		writeFile(t, filepath.Join(dir, name), "x")
	}
	for link, to := range map[string]string{"loop": dir, "sub/up": "..", "zz.mp4": "b.mp4", "zzz.mp4": "nowhere"} {
		if err := os.Symlink(to, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	got := uris(mustList(t, ListOptions{Skip: []string{filepath.Join(dir, "out")}}, dir), dir)
	want := []string{"a.MKV", "b.mp4", "sub/a.mov", "sub/deep/z.webm", "zz.mp4", "zzz.mp4"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestListGlob(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"v2.mp4", "v1.mp4", "v1.srt", "d/x.mp4", "list.csv", "[ab].mp4", "a.mp4", "raw1.bin"} {
		writeFile(t, filepath.Join(dir, name), "url\nv.mp4\n")
	}
	for pattern, want := range map[string][]string{
		"v*":       {"v1.mp4", "v2.mp4"},
		"*":        {"[ab].mp4", "a.mp4", "d/x.mp4", "v1.mp4", "v2.mp4"},
		"v?.mp4":   {"v1.mp4", "v2.mp4"},
		"[ab].mp4": {"[ab].mp4"}, // the file of that name, not its meaning
		"[av].mp4": {"a.mp4"},
		"*.bin":    {"raw1.bin"},
		"*.csv":    {"v.mp4"}, // a list, read
	} {
		got := uris(mustList(t, ListOptions{}, filepath.Join(dir, pattern)), dir)
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %q, want %q", pattern, got, want)
		}
	}
}

func TestListUsageErrors(t *testing.T) {
	dir := t.TempDir()
	csv := writeFile(t, filepath.Join(dir, "l.csv"), "name,link\na,b\n")
	jsonl := writeFile(t, filepath.Join(dir, "l.jsonl"), `{"url":"a.mp4","x":1}`+"\n")
	for name, c := range map[string]struct {
		o       ListOptions
		sources []string
		says    []string
		empty   bool
	}{
		"nothing":       {says: []string{"nothing to ingest"}, empty: true},
		"empty name":    {sources: []string{""}, says: []string{"empty name"}},
		"all empty":     {sources: []string{t.TempDir(), dir + "/*.mp4"}, says: []string{"/*.mp4", "nothing to ingest"}, empty: true},
		"no match":      {sources: []string{dir + "/*.mp4"}, says: []string{"no media file matches", "folders are walked"}, empty: true},
		"double star":   {sources: []string{dir + "/**/*.mp4"}, says: []string{"** is not supported"}},
		"bad pattern":   {sources: []string{dir + "/["}, says: []string{"bad pattern"}},
		"empty folder":  {sources: []string{t.TempDir()}, says: []string{"no media files", ".mp4"}, empty: true},
		"the output":    {o: ListOptions{Skip: []string{dir}}, sources: []string{dir}, says: []string{"the folder that is written to", "another folder"}, empty: true},
		"empty list":    {sources: []string{writeFile(t, dir+"/e.txt", "\n# none\n")}, says: []string{"nothing to ingest"}, empty: true},
		"s3":            {sources: []string{"s3://bucket/x"}, says: []string{"not supported yet", "https"}},
		"other scheme":  {sources: []string{"ftp://host/x.mp4"}, says: []string{"ftp://", "http(s)"}},
		"no host":       {sources: []string{"http:///x.mp4"}, says: []string{"not a URL"}},
		"stdin twice":   {o: ListOptions{Stdin: strings.NewReader("")}, sources: []string{"-", "-"}, says: []string{"twice"}},
		"no url column": {sources: []string{csv}, says: []string{"--url-col", "name, link"}},
		"no such url":   {o: ListOptions{URLCol: "href"}, sources: []string{csv}, says: []string{`"href"`, "name, link"}},
		"no such text":  {o: ListOptions{URLCol: "link", TextCol: "t"}, sources: []string{csv}, says: []string{`"t"`, "name, link"}},
		"json column":   {o: ListOptions{IDCol: "nr"}, sources: []string{jsonl}, says: []string{`"nr"`, "url"}},
		"not parquet":   {sources: []string{writeFile(t, dir+"/x.parquet", "no")}, says: []string{"x.parquet", "Parquet"}},
		"not gzip":      {sources: []string{writeFile(t, dir+"/x.csv.gz", "no")}, says: []string{"x.csv.gz"}},
		"bad json":      {sources: []string{writeFile(t, dir+"/x.json", "[{]")}, says: []string{"x.json", "row 1"}},
	} {
		t.Run(name, func(t *testing.T) {
			items, err := listed(t, c.o, c.sources...)
			var ue *UsageError
			if !errors.As(err, &ue) || errors.Is(err, ErrNoSources) != c.empty || len(items) > 0 {
				t.Fatalf("%d items, error %v", len(items), err)
			}
			for _, s := range c.says {
				if !strings.Contains(err.Error(), s) {
					t.Errorf("%q does not say %q", err, s)
				}
			}
		})
	}
}

// A source that makes no sense costs no work: nothing is listed before it is found.
func TestListLooksAtAllSourcesFirst(t *testing.T) {
	items, err := listed(t, ListOptions{}, testmedia.File(t, "plain"), "ftp://host/file.mp4")
	if err == nil || len(items) > 0 {
		t.Errorf("%d items before %v", len(items), err)
	}
}

// What is not there, or is no file, is a row beside the others; what holds nothing
// is told, and neither loses the others.
func TestListBadAmongGood(t *testing.T) {
	dir := t.TempDir()
	good := copyFile(t, testmedia.File(t, "plain"), filepath.Join(dir, "good.mp4"))
	empty := writeFile(t, filepath.Join(dir, "none.csv"), "url\n")
	if err := errors.Join(os.Symlink("nowhere", filepath.Join(dir, "link.mp4")), os.Mkdir(filepath.Join(dir, "empty"), 0o777)); err != nil {
		t.Fatal(err)
	}
	var told []string
	o := ListOptions{Warn: func(err error) { told = append(told, err.Error()) }}
	items := mustList(t, o, dir+"/no.mp4", dir+"/empty", dir+"/link.mp4", good+"/x.mp4", empty, "file://"+dir+"/no.csv", "/dev/null", dir+"/*.mkv", good)
	if got, want := uris(items, dir), []string{"no.mp4", "link.mp4", "good.mp4/x.mp4", "no.csv", "/dev/null", "good.mp4"}; !reflect.DeepEqual(got, want) {
		t.Fatalf("listed %q, want %q", got, want)
	}
	for i, want := range []string{"/no.mp4: cannot be read: no such file", "/link.mp4: cannot", "/x.mp4: cannot", "/no.csv: cannot",
		"/empty: nothing to ingest: no media files", "/none.csv: nothing to ingest", "/*.mkv: nothing to ingest: no media file matches"} {
		if len(told) != 7 || !strings.Contains(told[i], want) {
			t.Fatalf("told %q, want %q", told, want)
		}
	}
	want := []dataset.Class{dataset.NotFound, dataset.NotFound, dataset.NotFound, dataset.NotFound, dataset.NotMedia, ""}
	for i, s := range ingested(t, testEnv(t), items...) {
		if s.Class != want[i] {
			t.Errorf("%s: %s: %s", s.URI, s.Class, s.Error)
		}
	}
	told = nil
	if items := mustList(t, o, dir+"/no.mp4"); len(items) != 1 || len(told) > 0 {
		t.Errorf("alone: %+v, told %q", items, told)
	}
}

func TestListStops(t *testing.T) {
	dir := t.TempDir()
	list := writeFile(t, filepath.Join(dir, "l.txt"), "a.mp4\nb.mp4\n")
	for it, err := range List(t.Context(), []string{list}, ListOptions{}) {
		if err != nil || it.URI != filepath.Join(dir, "a.mp4") {
			t.Errorf("%v, %v", it, err)
		}
		break
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var last error
	for _, err := range List(ctx, []string{list}, ListOptions{}) {
		last = err
		cancel()
	}
	if !errors.Is(last, context.Canceled) {
		t.Errorf("after cancelling: %v", last)
	}
}

func TestHostileNames(t *testing.T) {
	env := testEnv(t)
	for i, name := range testmedia.HostileNames() {
		path := testmedia.Named(t, name)
		var want = []Item{local(path)}
		if got := mustList(t, ListOptions{}, path); !reflect.DeepEqual(got, want) {
			t.Errorf("%q is listed as %+v", name, got)
		}
		report, err := Run(t.Context(), env, i, want, false)
		if err != nil || report.OK != 1 {
			t.Errorf("%q: %+v, %v", name, report, err)
			continue
		}
		s := readPart(t, env, i)[0]
		if strings.Contains(name, "\xff") {
			want := dataset.MediaName(s.SHA256, ".mp4")
			if !strings.HasPrefix(s.URI, "file:///") || !strings.HasSuffix(s.URI, "not%20utf-8%20%FF%FE.mp4") || s.Media != want {
				t.Errorf("%q: uri %s, media %s", name, s.URI, s.Media)
			}
			back, err := locate(s.URI, "/")
			if err != nil || back != path {
				t.Errorf("%s leads back to %q, %v", s.URI, back, err)
			}
		} else if s.URI != path || s.Media != path {
			t.Errorf("%q: uri %q, media %q", name, s.URI, s.Media)
		}
	}
}

// Opening a pipe waits for its other end; neither listing nor running may.
func TestPipeInFolder(t *testing.T) {
	dir := t.TempDir()
	mkfifo(t, filepath.Join(dir, "p.mp4"))
	s := make(chan dataset.Source, 1)
	go func() { s <- ingestOne(t, testEnv(t), mustList(t, ListOptions{}, dir)[0]) }()
	select {
	case s := <-s:
		if s.Class != dataset.NotMedia {
			t.Errorf("%s: %s", s.Class, s.Error)
		}
	case <-time.After(time.Minute):
		t.Fatal("hangs")
	}
}
