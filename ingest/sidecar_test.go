package ingest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"testing"
)

// A folder is read once, however many parts it has; another one is read anew.
func TestFoldersAreReadOnce(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a/x.en.srt", "a/x.txt", "a/y.vtt", "a/y.more.srt", "a/x.mp4", "a/.srt", "a/x.notalang.srt", "b/x.json"} {
		writeFile(t, filepath.Join(dir, name), "")
	}
	at := func(names ...string) []string {
		for i := range names {
			names[i] = filepath.Join(dir, names[i])
		}
		return names
	}
	item := func(name string) Item { return local(filepath.Join(dir, name)) }
	f := new(Folders)
	look := func(want map[string][]string, items ...Item) {
		t.Helper()
		got, err := f.beside(t.Context(), items)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("got %v, %v\nwant %v", got, err, want)
		}
	}
	look(map[string][]string{at("a/x")[0]: at("a/x.en.srt", "a/x.txt")}, item("a/x.mp4"), Item{URI: "https://h/a/y.mp4"})
	// What comes later is not seen, as the folder is not read again.
	writeFile(t, filepath.Join(dir, "a/y.de.txt"), "")
	look(map[string][]string{at("a/y")[0]: at("a/y.vtt"), at("a/y.more")[0]: at("a/y.more.srt")}, item("a/y.mp4"), item("a/y.more.mp4"))
	look(map[string][]string{at("b/x")[0]: at("b/x.json"), at("c/x")[0]: nil}, item("b/x.mp4"), item("c/x.mp4"))
	look(map[string][]string{at("a/y")[0]: at("a/y.de.txt", "a/y.vtt"), at("a/")[0] + "/": nil}, item("a/y.mp4"), item("a/.mp4"))
}

// A cancelled run stops reading a folder, and does not take half of it for all.
func TestFoldersObeyTheContext(t *testing.T) {
	dir := t.TempDir()
	for i := range 2500 {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%d.srt", i)), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	f := new(Folders)
	items := []Item{local(filepath.Join(dir, "7.mp4"))}
	ctx, cancel := context.WithCancel(t.Context())
	asked := 0
	counting := &countContext{ctx, func() {
		if asked++; asked == 2 {
			cancel()
		}
	}}
	if _, err := f.beside(counting, items); !errors.Is(err, context.Canceled) || asked > 3 {
		t.Errorf("asked %d times, %v", asked, err)
	}
	got, err := f.beside(t.Context(), items)
	if err != nil || len(got[filepath.Join(dir, "7")]) != 1 || len(f.names) != 2500 {
		t.Errorf("after it %v, %v", got, err)
	}
}

// countContext tells whenever it is asked for its error.
type countContext struct {
	context.Context
	asked func()
}

func (c *countContext) Err() error {
	c.asked()
	return c.Context.Err()
}
