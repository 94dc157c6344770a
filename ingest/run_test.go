package ingest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"

	"micodata/dataset"
	"micodata/internal/testmedia"
	"micodata/storage"
)

func copyFile(t testing.TB, from, to string) string {
	t.Helper()
	data, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	return writeFile(t, to, string(data))
}

// The same items give the same bytes, whatever the workers; and the part is
// made once.
func TestRunIsDeterministic(t *testing.T) {
	dir := t.TempDir()
	items := []Item{
		local(testmedia.File(t, "plain")), local(filepath.Join(dir, "missing.mp4")), local(testmedia.File(t, "text_named_mp4")),
		{ID: "x/y", URI: testmedia.File(t, "no_audio"), Trusted: true, Title: "T", License: "L", Texts: alt("c"), Spans: []dataset.Span{span("id", 0, 1, "s")}},
		local(testmedia.File(t, "audio_only_mp4")),
	}
	var parts [][]byte
	for _, workers := range []int{1, 5} {
		env := testEnv(t)
		env.Workers = workers
		report, err := Run(t.Context(), env, 3, items, workers == 1)
		if err != nil {
			t.Fatal(err)
		}
		want := map[dataset.Class]int{dataset.NotFound: 1, dataset.NotMedia: 1, dataset.NoVideo: 1}
		if report.OK != 2 || report.Failed != 3 || !reflect.DeepEqual(report.Classes, want) || report.Cost.Bytes == 0 {
			t.Errorf("report %+v", report)
		}
		info, err := dataset.ReadPart(t.Context(), env.Store, dataset.SourceSchema, dataset.StageIngest, 3, func(*dataset.Source) error { return nil })
		if err != nil || info != (dataset.PartInfo{Stage: "ingest", Part: 3, Fingerprint: "f", List: ListHash(items), Last: workers == 1}) {
			t.Errorf("%+v, %v", info, err)
		}
		data, err := storage.ReadAll(t.Context(), env.Store, dataset.PartName("ingest", 3), 1<<30)
		if err != nil {
			t.Fatal(err)
		}
		parts = append(parts, bytes.Replace(data, []byte("true"), []byte("same"), 1))
		if _, err := Run(t.Context(), env, 3, items, true); !errors.Is(err, fs.ErrExist) {
			t.Errorf("a second run of the part: %v", err)
		}
		if workers == 1 {
			s := readPart(t, env, 3)[3]
			s.Probe, s.SHA256, s.Bytes = "", "", 0
			texts := append(alt("c"), dataset.Text{Text: "T", Kind: "title"})
			if want := (dataset.Source{ID: dataset.SafeID("x/y"), URI: items[3].URI, Media: items[3].URI, Title: "T", License: "L", Texts: texts, Spans: items[3].Spans, Outcome: dataset.Outcome{Status: dataset.OK}}); !reflect.DeepEqual(s, want) {
				t.Errorf("row %+v\nwant %+v", s, want)
			}
		}
	}
	// They differ in the mark of the last part only.
	if len(parts[0])+1 != len(parts[1]) {
		t.Errorf("%d and %d bytes", len(parts[0]), len(parts[1]))
	}
}

func TestSameIDAndSameMedia(t *testing.T) {
	a, b := testmedia.File(t, "plain"), testmedia.File(t, "no_audio")
	dir := t.TempDir()
	twin := copyFile(t, a, filepath.Join(dir, "twin.mp4"))
	spans := []dataset.Span{span("", 0, 1, "")}
	rows := ingested(t, testEnv(t),
		Item{ID: "i", URI: a, Trusted: true}, Item{ID: "i", URI: b, Trusted: true}, Item{ID: "i", URI: twin, Trusted: true}, // 0-2
		local(b), local(b), Item{URI: b, Trusted: true, Spans: spans}, // 3-5
		Item{ID: "j", URI: a, Trusted: true}, local(twin), // 6, 7
		local(dir+"/no.mp4"), local(dir+"/no.mp4")) // 8, 9
	want := []struct{ status, says string }{
		{dataset.OK, ""}, {dataset.Failed, "the id i names different media: " + a}, {dataset.Skipped, "duplicate of " + a},
		{dataset.OK, ""}, {dataset.Skipped, "duplicate of " + b}, {dataset.Skipped, "with other clips"},
		{dataset.OK, ""}, {dataset.Skipped, "duplicate of"},
		{dataset.Failed, "no such file"}, {dataset.Skipped, "duplicate of"},
	}
	ids := map[string]bool{}
	for i, s := range rows {
		if s.Status != want[i].status || !strings.Contains(s.Error, want[i].says) {
			t.Errorf("row %d: %s %s: %s", i, s.Status, s.Class, s.Error)
		}
		if s.Status == dataset.Skipped && s.Class != dataset.Policy {
			t.Errorf("row %d: class %s", i, s.Class)
		}
		if ids[s.ID] || filepath.Base(s.ID) != s.ID {
			t.Errorf("row %d: id %q is not its own", i, s.ID)
		}
		ids[s.ID] = true
	}
	if rows[3].ID != rows[3].SHA256[:16] || rows[8].ID != dataset.IDFromURI(rows[8].URI) {
		t.Errorf("ids %q, %q", rows[3].ID, rows[8].ID)
	}
}

// A list that names clips of a source, and none, wants nothing of it: it is not
// even fetched. A list that says nothing of clips wants all of it.
func TestNoClips(t *testing.T) {
	list := writeFile(t, filepath.Join(t.TempDir(), "l.jsonl"), `{"video_id":"none","url":"http://192.0.2.1/never-fetched.mp4","clip":[]}
{"video_id":"all","url":"`+testmedia.File(t, "plain")+`"}
{"video_id":"null","url":"`+testmedia.File(t, "plain")+`","clip":null}
`)
	rows := ingested(t, testEnv(t), mustList(t, ListOptions{}, list)...)
	if s := rows[0]; s.ID != "none" || s.Status != dataset.Skipped || s.Class != dataset.Policy || !strings.Contains(s.Error, "no clips") {
		t.Errorf("%+v", s)
	}
	if rows[1].Status != dataset.OK || rows[2].Status != dataset.OK {
		t.Errorf("%+v\n%+v", rows[1].Outcome, rows[2].Outcome)
	}
}

func TestCopy(t *testing.T) {
	env := testEnv(t)
	env.Settings.Copy = true
	path := testmedia.File(t, "matroska_named_mp4")
	rows := ingested(t, env, local(path), Item{ID: "again", URI: path, Trusted: true})
	want := dataset.MediaName(rows[0].SHA256, ".mkv")
	if rows[0].Media != want || rows[1].Media != want {
		t.Fatalf("media %q and %q, want %q", rows[0].Media, rows[1].Media, want)
	}
	if kept, given := readObject(t, env, want), readAll(t, path); !bytes.Equal(kept, given) {
		t.Errorf("%d bytes kept of %d", len(kept), len(given))
	}
}

func readAll(t testing.TB, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func readObject(t testing.TB, env Env, name string) []byte {
	t.Helper()
	data, err := storage.ReadAll(t.Context(), env.Store, name, 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestSidecars(t *testing.T) {
	dir := t.TempDir()
	movie := copyFile(t, testmedia.File(t, "plain"), filepath.Join(dir, "movie.mp4"))
	part2 := copyFile(t, testmedia.File(t, "no_audio"), filepath.Join(dir, "movie.part2.mp4"))
	for name, content := range map[string]string{
		"movie.srt": "1\n", "movie.en.SRT": "1\n", "movie.pt-BR.vtt": "WEBVTT", "movie.forced.srt": "1\n", "movies.srt": "1\n", "movie.part2.srt": "1\n",
		"movie.txt": "\xef\xbb\xbf A caption.\n", "movie.de.txt": "Ein Text.", "movie.json": `{"title":"From JSON","text":"More.","caption":["And","more \ud800"],"license":"CC0"}`,
		"movie.fr.json": `{broken`, "movie.es.txt": strings.Repeat("x", 9<<20), "movie.it.srt/x": "a folder",
	} {
		writeFile(t, filepath.Join(dir, name), content)
	}
	env := testEnv(t)
	var warned []string
	env.Workers, env.Warn = 1, func(uri string, err error) { warned = append(warned, filepath.Base(uri)+": "+err.Error()) }
	rows := ingested(t, env, local(movie), local(part2))
	side := func(name, lang string) dataset.Sidecar {
		return dataset.Sidecar{Path: filepath.Join(dir, name), Lang: lang}
	}
	if want := []dataset.Sidecar{side("movie.en.SRT", "en"), side("movie.pt-BR.vtt", "pt-BR"), side("movie.srt", "")}; !reflect.DeepEqual(rows[0].Sidecars, want) {
		t.Errorf("sidecars %v", rows[0].Sidecars)
	}
	if want := []dataset.Sidecar{side("movie.part2.srt", "")}; !reflect.DeepEqual(rows[1].Sidecars, want) {
		t.Errorf("sidecars %v", rows[1].Sidecars)
	}
	want := []dataset.Text{{Text: "Ein Text.", Kind: "alt", Lang: "de"}, {Text: "More.", Kind: "alt"}, {Text: "And", Kind: "alt"}, {Text: "more \uFFFD", Kind: "alt"},
		{Text: "A caption.", Kind: "alt"}, {Text: "From JSON", Kind: "title"}}
	if !reflect.DeepEqual(rows[0].Texts, want) || rows[0].Title != "From JSON" || rows[0].License != "CC0" {
		t.Errorf("texts %v, title %q, license %q", rows[0].Texts, rows[0].Title, rows[0].License)
	}
	for i, says := range []string{"movie.mp4: movie.es.txt is left out: 9437184 bytes", "movie.mp4: movie.fr.json is left out", "movie.mp4: movie.it.srt is left out: not_media: is a folder"} {
		if len(warned) != 3 || !strings.HasPrefix(warned[i], says) {
			t.Errorf("warned %q", warned)
		}
	}
	env = testEnv(t)
	env.Settings.Sidecars = false
	if s := ingestOne(t, env, local(movie)); len(s.Sidecars)+len(s.Texts) > 0 {
		t.Errorf("without sidecars: %v, %v", s.Sidecars, s.Texts)
	}
}

// The media's own title is taken where the list has none.
func TestTitle(t *testing.T) {
	path := filepath.Join(t.TempDir(), "titled.mp4")
	cmd := exec.Command("ffmpeg", "-v", "error", "-i", testmedia.File(t, "plain"), "-c", "copy", "-metadata", "title= Its own ", path)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	rows := ingested(t, testEnv(t), local(path), Item{ID: "x", URI: path, Title: "The list's", Trusted: true})
	for i, want := range []string{"Its own", "The list's"} {
		if s := rows[i]; s.Title != want || !reflect.DeepEqual(s.Texts, []dataset.Text{{Text: want, Kind: "title"}}) {
			t.Errorf("title %q, texts %v", s.Title, s.Texts)
		}
	}
}

// Downloads that a crash leaves in a dataset are swept; living ones are not.
func TestDownloadsAreSwept(t *testing.T) {
	env := testEnv(t)
	env.TempDir = env.Store.Path("")
	dead := writeFile(t, filepath.Join(env.TempDir, "micodata-fetch-1.tmp"), "x")
	data := readAll(t, testmedia.File(t, "plain"))
	h := serve(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
		if err := env.Store.Sweep(t.Context()); err != nil {
			t.Error(err)
		}
		_, _ = w.Write(data)
	})
	if report, err := Run(t.Context(), env, 0, []Item{{URI: h.URL}}, true); err != nil || report.OK != 1 {
		t.Errorf("%+v, %v", report, err)
	}
	if _, err := os.Stat(dead); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the dead download: %v", err)
	}
}

func TestUntrustedPath(t *testing.T) {
	if s := ingestOne(t, testEnv(t), Item{URI: testmedia.File(t, "plain")}); s.Class != dataset.Policy || s.SHA256 != "" {
		t.Errorf("%+v", s)
	}
}

func TestCancelledRunLeavesNoPart(t *testing.T) {
	env := testEnv(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Run(ctx, env, 0, []Item{local(testmedia.File(t, "plain"))}, true); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if left, err := env.Store.List(t.Context(), ""); err != nil || len(left) > 0 {
		t.Errorf("left %v, %v", left, err)
	}
}

// Without ffprobe the run ends; the sources are not to blame.
func TestMissingFFprobeEndsTheRun(t *testing.T) {
	env := testEnv(t)
	env.Tools.FFprobe = "/no/such/ffprobe"
	if _, err := Run(t.Context(), env, 0, []Item{local(testmedia.File(t, "plain"))}, true); err == nil || !strings.Contains(err.Error(), "ffprobe") {
		t.Errorf("error %v", err)
	}
}

// Root reads everything, so this test runs itself again as nobody.
func TestForbidden(t *testing.T) {
	const variable = "MICODATA_TEST_FORBIDDEN"
	dir := os.Getenv(variable)
	if dir == "" {
		dir = openTempDir(t)
		plain := testmedia.File(t, "plain")
		copyFile(t, plain, filepath.Join(dir, "a/ok.mp4"))
		copyFile(t, plain, filepath.Join(dir, "b/closed.mp4"))
		copyFile(t, plain, filepath.Join(dir, "c/inside.mp4"))
		writeFile(t, filepath.Join(dir, "b/closed.csv"), "url\nx.mp4\n")
		if err := errors.Join(os.Chmod(filepath.Join(dir, "b/closed.mp4"), 0), os.Chmod(filepath.Join(dir, "b/closed.csv"), 0), os.Chmod(filepath.Join(dir, "c"), 0)); err != nil {
			t.Fatal(err)
		}
	}
	if os.Getuid() == 0 {
		runAsNobody(t, variable+"="+dir)
		return
	}
	items := mustList(t, ListOptions{}, dir)
	if got, want := uris(items, dir), []string{"a/ok.mp4", "b/closed.mp4", "!c"}; !reflect.DeepEqual(got, want) {
		t.Fatalf("listed %q", got)
	}
	for i, s := range ingested(t, testEnv(t), items...) {
		if want := []dataset.Class{"", dataset.Forbidden, dataset.Forbidden}[i]; s.Class != want || strings.Contains(s.Error, "{") {
			t.Errorf("%s: %q: %s", s.URI, s.Class, s.Error)
		}
	}
	named := []string{filepath.Join(dir, "c"), filepath.Join(dir, "c/inside.mp4"), filepath.Join(dir, "b/closed.mp4"), filepath.Join(dir, "b/closed.csv")}
	for _, s := range ingested(t, testEnv(t), mustList(t, ListOptions{}, named...)...) {
		if s.Class != dataset.Forbidden {
			t.Errorf("named: %s: %q: %s", s.URI, s.Class, s.Error)
		}
	}
}

// openTempDir is a temporary folder that other users may enter.
func openTempDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "micodata-open-*")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func runAsNobody(t *testing.T, variable string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	in, err := os.Open(self)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	binary := filepath.Join(openTempDir(t), "test")
	out, err := os.OpenFile(binary, os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(out, in); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	const nobody = 65534
	cmd := exec.Command(binary, "-test.run", "^"+t.Name()+"$", "-test.v")
	cmd.Dir, cmd.Env = "/", append(os.Environ(), variable)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Errorf("as nobody: %v\n%s", err, out)
	}
}
