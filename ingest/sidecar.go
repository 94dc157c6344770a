package ingest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"micodata/dataset"
	"micodata/internal/sidecar"
)

// Folders remembers which subtitles and texts lie in the folder that was read
// last: a listing goes folder by folder, and a flat folder of a million videos
// is a part of many thousands of runs. What comes into a folder later is not
// seen. It holds the names that end in srt, vtt, txt or json of one folder. The
// zero value is ready; its methods may be called from several goroutines.
type Folders struct {
	mu    sync.Mutex
	dir   string   // "" is none
	names []string // sorted
}

// beside finds the paths of the files that lie beside the local media of items,
// sorted, by the media's path without extension. "movie.en.srt" is English for
// movie.mp4, and all there is for movie.en.mp4.
func (f *Folders) beside(ctx context.Context, items []Item) (map[string][]string, error) {
	found := map[string][]string{}
	folders := map[string][]string{} // stems
	var order []string
	for _, it := range items {
		if it.Err != nil || isRemote(it.URI) {
			continue
		}
		dir := filepath.Dir(it.URI)
		if folders[dir] == nil {
			order = append(order, dir)
		}
		folders[dir] = append(folders[dir], sidecar.Stem(it.URI))
	}
	f.mu.Lock() // whoever waits would mostly read the same folder
	defer f.mu.Unlock()
	for _, dir := range order {
		if err := f.read(ctx, dir); err != nil {
			return nil, err
		}
		for _, s := range folders[dir] {
			if found[s] == nil {
				found[s] = f.lookUp(dir, filepath.Base(s))
			}
		}
	}
	return found, nil
}

// lookUp finds the paths of the sidecars of the medium with that name.
func (f *Folders) lookUp(dir, stem string) []string {
	var paths []string
	first, _ := slices.BinarySearch(f.names, stem+".")
	for _, name := range f.names[first:] {
		if !strings.HasPrefix(name, stem+".") {
			break
		}
		if _, _, ok := sidecar.Match(name, stem); ok {
			paths = append(paths, filepath.Join(dir, name))
		}
	}
	return paths
}

// read makes dir the folder that is remembered. One that cannot be read has no
// names: its media say so themselves, or lie there unlisted.
func (f *Folders) read(ctx context.Context, dir string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if f.dir == dir {
		return nil
	}
	f.dir, f.names = "", nil
	d, err := os.Open(dir)
	if exhausted(err) {
		return ownError(err)
	}
	if err == nil {
		defer d.Close() // only read from
		if err := f.scan(ctx, d); err != nil {
			return err
		}
	}
	f.dir = dir
	return nil
}

func (f *Folders) scan(ctx context.Context, d *os.File) error {
	for {
		// A thousand at a time: a folder may hold millions.
		names, err := d.Readdirnames(1000)
		for _, name := range names {
			switch strings.ToLower(filepath.Ext(name)) {
			case ".srt", ".vtt", ".txt", ".json":
				f.names = append(f.names, name)
			}
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil { // the end, mostly; else a folder that cannot be read on has fewer names
			slices.Sort(f.names)
			return nil //nolint:nilerr // its media say so themselves
		}
	}
}

// sidecars fills in what lies beside a local file. What cannot be used is told
// to Warn: the media is well without it. An error is one that ends the run.
func (r *runner) sidecars(s *dataset.Source, path string) error {
	for _, side := range r.beside[sidecar.Stem(path)] {
		if side == path {
			continue // a medium named movie.txt
		}
		err := r.sidecar(s, path, side)
		if exhausted(err) {
			return err
		}
		if err != nil {
			r.env.Warn(s.URI, fmt.Errorf("%s is left out: %w", filepath.Base(side), err))
		}
	}
	return nil
}

func (r *runner) sidecar(s *dataset.Source, path, side string) error {
	f, fi, err := openLocal(side)
	if err != nil {
		return err
	}
	defer f.Close() // only read from
	if limit := r.env.Settings.MaxSidecarBytes; fi.Size() > limit {
		return fmt.Errorf("%d bytes are more than max_sidecar_bytes, %d", fi.Size(), limit)
	}
	lang, ext, _ := sidecar.Match(filepath.Base(side), filepath.Base(sidecar.Stem(path)))
	if ext == "srt" || ext == "vtt" {
		if !utf8.ValidString(side) {
			return errors.New("its name is not UTF-8")
		}
		s.Sidecars = append(s.Sidecars, dataset.Sidecar{Path: side, Lang: lang})
		return nil
	}
	data, err := io.ReadAll(io.LimitReader(f, fi.Size()))
	if err != nil {
		return fileFail(err)
	}
	if ext == "json" {
		return describe(s, data, lang)
	}
	addText(s, string(data), "alt", lang)
	return nil
}

// describe takes title, license and captions from a JSON object. One that holds
// none of them is another program's.
func describe(s *dataset.Source, data []byte, lang string) error {
	cells, err := parseObject(data)
	if err != nil {
		return err
	}
	if s.Title == "" {
		s.Title = clean(cells["title"])
	}
	if s.License == "" {
		s.License = clean(cells["license"])
	}
	for _, name := range []string{"text", "caption"} {
		switch v := cells[name].(type) {
		case string:
			addText(s, v, "alt", lang)
		case []any:
			for _, e := range v {
				addText(s, clean(e), "alt", lang)
			}
		}
	}
	return nil
}

// addText adds a caption that is not there already.
func addText(s *dataset.Source, text, kind, lang string) {
	text = strings.TrimSpace(strings.ToValidUTF8(strings.TrimPrefix(text, "\ufeff"), "\uFFFD"))
	t := dataset.Text{Text: text, Kind: kind, Lang: lang}
	if text != "" && !slices.Contains(s.Texts, t) {
		s.Texts = append(s.Texts, t)
	}
}
