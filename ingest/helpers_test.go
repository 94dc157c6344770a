package ingest

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"micodata/dataset"
	"micodata/internal/ffmpeg"
	"micodata/storage"
)

var findTools = sync.OnceValues(func() (ffmpeg.Tools, error) { return ffmpeg.Find(context.Background(), "") })

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// testEnv is an Env on a fresh dataset, quick to give up on servers.
func testEnv(t testing.TB) Env {
	t.Helper()
	store, err := storage.NewLocal(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	tools, err := findTools()
	if err != nil {
		t.Fatal(err)
	}
	return Env{Store: store, Tools: tools, Settings: DefaultSettings(), Fingerprint: "f", Workers: 3, TempDir: t.TempDir(),
		HTTP: HTTPOptions{AllowPrivate: true, Attempts: 3, Backoff: time.Millisecond, MaxBackoff: 5 * time.Millisecond, StallTimeout: 2 * time.Second}}
}

// ingested runs one part and returns its rows as committed.
func ingested(t testing.TB, env Env, items ...Item) []dataset.Source {
	t.Helper()
	report, err := Run(t.Context(), env, 0, items, true)
	if err != nil {
		t.Fatal(err)
	}
	rows := readPart(t, env, 0)
	if len(rows) != len(items) || report.Rows != len(items) {
		t.Fatalf("%d items became %d rows, reported %d", len(items), len(rows), report.Rows)
	}
	left, err := os.ReadDir(env.TempDir)
	if err != nil || len(left) > 0 {
		t.Errorf("left in the temporary folder: %v, %v", left, err)
	}
	return rows
}

func readPart(t testing.TB, env Env, part int) []dataset.Source {
	t.Helper()
	var rows []dataset.Source
	_, err := dataset.ReadPart(context.Background(), env.Store, dataset.SourceSchema, dataset.StageIngest, part, func(s *dataset.Source) error {
		rows = append(rows, *s)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// ingestOne is ingested for one item.
func ingestOne(t testing.TB, env Env, it Item) dataset.Source {
	t.Helper()
	return ingested(t, env, it)[0]
}

func local(path string) Item { return Item{URI: path, Trusted: true} }

// listed collects a listing.
func listed(t testing.TB, o ListOptions, sources ...string) ([]Item, error) {
	t.Helper()
	var items []Item
	for it, err := range List(t.Context(), sources, o) {
		if err != nil {
			return items, err
		}
		items = append(items, it)
	}
	return items, nil
}

func mustList(t testing.TB, o ListOptions, sources ...string) []Item {
	t.Helper()
	items, err := listed(t, o, sources...)
	if err != nil {
		t.Fatal(err)
	}
	return items
}

// uris are the items' URIs, relative to dir; a bad row is "!" and its URI.
func uris(items []Item, dir string) []string {
	var out []string
	for _, it := range items {
		u := strings.TrimPrefix(it.URI, dir+string(filepath.Separator))
		if it.Err != nil {
			u = "!" + u
		}
		out = append(out, u)
	}
	return out
}

func writeFile(t testing.TB, path string, content string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}
func mkfifo(t *testing.T, path string) {
	t.Helper()
	if err := syscall.Mkfifo(path, 0o644); err != nil {
		t.Fatal(err)
	}
}
