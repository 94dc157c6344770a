package ingest

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"micodata/dataset"
)

// beside are the names of the files that lie beside a part's local media, by
// the media's path without extension, sorted. Each folder is read once a part:
// asking for every name that there could be costs more.
type beside map[string][]string

// sidecarName splits "movie.en.srt" into stem, language and extension.
var sidecarName = regexp.MustCompile(`(?s)^(.+?)(?:\.([A-Za-z]{2,3}(?:[-_][A-Za-z0-9]{2,8})*))?\.(?i:(srt|vtt|txt|json))$`)

// findSidecars looks beside the local media of items. Folders that cannot be
// read are left out: their media say so themselves, or lie there unlisted.
func findSidecars(items []Item) beside {
	found := beside{}
	folders := map[string]bool{}
	for _, it := range items {
		if it.Err == nil && !isRemote(it.URI) {
			found[stem(it.URI)] = nil
			folders[filepath.Dir(it.URI)] = true
		}
	}
	for dir := range folders {
		found.scan(dir)
	}
	for s := range found {
		slices.Sort(found[s])
	}
	return found
}

func (b beside) scan(dir string) {
	f, err := os.Open(dir)
	if err != nil {
		return
	}
	defer f.Close() // only read from
	for {
		// A thousand at a time: a folder may hold millions.
		names, err := f.Readdirnames(1000)
		for _, name := range names {
			m := sidecarName.FindStringSubmatch(name)
			if m == nil {
				continue
			}
			// "movie.en.srt" is English for movie.mp4, and all there is for movie.en.mp4.
			keys := []string{filepath.Join(dir, m[1])}
			if m[2] != "" {
				keys = append(keys, filepath.Join(dir, m[1]+"."+m[2]))
			}
			for _, key := range keys {
				if _, wanted := b[key]; wanted {
					b[key] = append(b[key], filepath.Join(dir, name))
				}
			}
		}
		if err != nil {
			return
		}
	}
}

func stem(path string) string { return strings.TrimSuffix(path, filepath.Ext(path)) }

// sidecars fills in what lies beside a local file. What cannot be used is told
// to Warn: the media is well without it.
func (r *runner) sidecars(s *dataset.Source, path string) {
	for _, side := range r.beside[stem(path)] {
		if side == path {
			continue // a medium named movie.txt
		}
		if err := r.sidecar(s, path, side); err != nil {
			r.env.Warn(s.URI, fmt.Errorf("%s is left out: %w", filepath.Base(side), err))
		}
	}
}

func (r *runner) sidecar(s *dataset.Source, path, side string) error {
	f, size, err := openLocal(side)
	if err != nil {
		return err
	}
	defer f.Close() // only read from
	if limit := r.env.Settings.MaxSidecarBytes; size > limit {
		return fmt.Errorf("%d bytes are more than max_sidecar_bytes, %d", size, limit)
	}
	ext := strings.ToLower(filepath.Ext(side))
	lang := strings.TrimPrefix(strings.TrimSuffix(side, filepath.Ext(side)), stem(path))
	lang = strings.TrimPrefix(lang, ".")
	if ext == ".srt" || ext == ".vtt" {
		if !utf8.ValidString(side) {
			return errors.New("its name is not UTF-8")
		}
		s.Sidecars = append(s.Sidecars, dataset.Sidecar{Path: side, Lang: lang})
		return nil
	}
	data, err := io.ReadAll(io.LimitReader(f, size))
	if err != nil {
		return fileCause(err)
	}
	if ext == ".json" {
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
