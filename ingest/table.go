package ingest

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/klauspost/compress/zstd"

	"micodata/dataset"
)

// format is how a table is written.
type format struct{ name, compression string }

// tableFormat tells a table by its name.
func tableFormat(path string) (format, bool) {
	var f format
	name := strings.ToLower(filepath.Base(path))
	switch ext := filepath.Ext(name); ext {
	case ".gz", ".zst":
		f.compression = ext[1:]
		name = strings.TrimSuffix(name, ext)
	}
	switch ext := filepath.Ext(name); ext {
	case ".txt", ".csv", ".tsv", ".jsonl", ".ndjson", ".json":
		f.name = ext[1:]
	case ".parquet":
		f.name = "parquet"
	default:
		return f, false
	}
	return f, true
}

// record is one row of a table.
type record struct {
	at string // "line 7", "row 7"
	// cells are by column: strings, numbers (json.Number, int64, float64), bools,
	// nil, []any or map[string]any.
	cells map[string]any
	err   error // what is wrong with the row; it has no cells then
}

// rows is an open table. Its next ends with io.EOF; any other error is one of
// reading on, after which there are no more rows.
type rows interface {
	next() (record, error)
	// columns are the table's columns, as far as they can be known ahead.
	columns() ([]string, error)
}

func listTable(path string, f format, o ListOptions, emit emitter) error {
	file, err := os.Open(path)
	if err != nil {
		return sendUnread(emit, "list", path, err)
	}
	defer file.Close() // only read from
	if f.name == "parquet" {
		if f.compression != "" {
			return &UsageError{Source: path, Err: errors.New("a compressed Parquet file cannot be read piece by piece"), Hint: "decompress it"}
		}
		return listParquet(path, file, o, emit)
	}
	r, err := decompress(file, f.compression)
	if err != nil {
		return &UsageError{Source: path, Err: err, Hint: "is it whole, and what its name says?"}
	}
	defer r.Close()
	return listRows(path, filepath.Dir(path), openRows(skipBOM(r), f.name, o), o, emit)
}

func listStdin(o ListOptions, emit emitter) error {
	if o.Stdin == nil {
		return &UsageError{Source: "-", Err: errors.New("there is no standard input"), Hint: "name a list file instead"}
	}
	r := skipBOM(o.Stdin)
	name := "txt"
	if first, err := firstByte(r); err == nil && first == '{' {
		name = "jsonl"
	}
	return listRows("standard input", ".", openRows(r, name, o), o, emit)
}

// firstByte peeks at the first byte that is not blank, within what fits the
// buffer.
func firstByte(r *bufio.Reader) (byte, error) {
	for n := 1; ; n++ {
		b, err := r.Peek(n)
		if err != nil {
			return 0, err
		}
		if c := b[n-1]; !strings.ContainsRune(" \t\r\n", rune(c)) {
			return c, nil
		}
	}
}

func skipBOM(r io.Reader) *bufio.Reader {
	b := bufio.NewReaderSize(r, 64<<10)
	if start, err := b.Peek(3); err == nil && bytes.Equal(start, []byte("\xef\xbb\xbf")) {
		_, _ = b.Discard(3) // they are in the buffer
	}
	return b
}

func openRows(r *bufio.Reader, name string, o ListOptions) rows {
	switch name {
	case "csv":
		return newCSV(r, ',', o.MaxRowBytes)
	case "tsv":
		return newCSV(r, '\t', o.MaxRowBytes)
	case "jsonl", "ndjson":
		return &jsonRows{src: &jsonLines{lines: lines{r: r, max: o.MaxRowBytes}}}
	case "json":
		return &jsonRows{src: newJSONValues(r, o.MaxRowBytes)}
	default:
		return &textRows{lines{r: r, max: o.MaxRowBytes}}
	}
}

func decompress(r io.Reader, compression string) (io.ReadCloser, error) {
	switch compression {
	case "gz":
		return gzip.NewReader(r)
	case "zst":
		// One goroutine and at most 128 MiB: what `zstd --long=27` needs.
		z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(128<<20))
		if err != nil {
			return nil, err
		}
		return z.IOReadCloser(), nil
	}
	return io.NopCloser(r), nil
}

// listRows makes items of a table's rows. Relative paths start at base.
func listRows(path, base string, t rows, o ListOptions, emit emitter) error {
	names, err := t.columns()
	if err != nil {
		return brokenTable(path, err)
	}
	m, err := mapColumns(path, names, o)
	if err != nil {
		return err
	}
	for {
		rec, err := t.next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return brokenTable(path, err)
		}
		if err := emit(m.item(rec, path, base)); err != nil {
			return err
		}
	}
}

func brokenTable(path string, err error) error {
	var ue *UsageError
	if errors.As(err, &ue) {
		return err
	}
	return &UsageError{Source: path, Err: fmt.Errorf("list cannot be read to its end: %w", err), Hint: "repair it or leave it out"}
}

// mapping says which columns to look into for what, the first that is filled
// counts.
type mapping struct{ url, id, text, title, license, clips []string }

// mapColumns finds the columns that a table has. Names is nil for a table
// without columns (a plain list), whose only cell is "url".
func mapColumns(path string, names []string, o ListOptions) (mapping, error) {
	if names == nil {
		return mapping{url: []string{"url"}}, nil
	}
	var m mapping
	for _, c := range []struct {
		to       *[]string
		explicit string
		defaults []string
	}{
		{&m.url, o.URLCol, []string{"url", "video", "path", "uri", "file", "contenturl"}},
		{&m.id, o.IDCol, []string{"id", "video_id", "videoid", "key"}},
		{&m.text, o.TextCol, []string{"text", "caption"}},
		{&m.title, o.TitleCol, []string{"title"}},
		{&m.license, o.LicenseCol, []string{"license"}},
		{&m.clips, o.ClipsCol, []string{"clips", "spans", "clip", "timestamp"}},
	} {
		if c.explicit != "" {
			if !slices.Contains(names, c.explicit) {
				return m, &UsageError{Source: path, Err: fmt.Errorf("no column %q", c.explicit), Hint: "its columns: " + strings.Join(names, ", ")}
			}
			*c.to = []string{c.explicit}
			continue
		}
		for _, d := range c.defaults {
			for _, n := range names {
				if strings.EqualFold(n, d) {
					*c.to = append(*c.to, n)
				}
			}
		}
		if len(*c.to) == 0 && c.to == &m.url && len(names) > 0 {
			return m, &UsageError{Source: path, Err: errors.New("no column that holds URLs or paths"),
				Hint: "name it with --url-col; its columns: " + strings.Join(names, ", ")}
		}
		// Later rows of JSON may have keys that the first ones lack.
		*c.to = append(*c.to, c.defaults...)
	}
	return m, nil
}

// all lists every column that is looked into.
func (m mapping) all() []string {
	return slices.Concat(m.url, m.id, m.text, m.title, m.license, m.clips)
}

// item makes an item of a row; one that makes no sense has its Err set.
func (m mapping) item(rec record, path, base string) Item {
	it := Item{URI: path + ":" + strings.TrimPrefix(strings.TrimPrefix(rec.at, "line "), "row "), Trusted: true}
	err := rec.err
	if err == nil {
		err = m.fill(&it, rec.cells, base)
	}
	if err != nil {
		class := dataset.Corrupt
		if e, ok := dataset.AsItem(err); ok {
			class, err = e.Class, e.Err
		}
		it.Err = dataset.Fail(class, "%s of %s: %w", rec.at, path, err)
	}
	for i := range it.Spans {
		if s := &it.Spans[i]; s.Error != "" {
			s.Error = dataset.OneLine(fmt.Sprintf("%s of %s: %s", rec.at, path, s.Error))
		}
	}
	return it
}

func (m mapping) fill(it *Item, cells map[string]any, base string) error {
	it.ID = clean(first(cells, m.id))
	it.Title = clean(first(cells, m.title))
	it.License = clean(first(cells, m.license))
	url, ok := first(cells, m.url).(string)
	if !ok || url == "" {
		return errors.New("no URL or path")
	}
	uri, err := locate(url, base)
	if err != nil {
		it.URI += ":" + url
		return err
	}
	it.URI = uri
	if it.Spans, err = parseSpans(first(cells, m.clips)); err != nil {
		return err
	}
	fillTexts(it, first(cells, m.text))
	return nil
}

// fillTexts takes a caption, or a list of them. A list as long as that of the
// spans captions these, one by one (so Panda-70M has it), unless they say their
// own.
func fillTexts(it *Item, cell any) {
	list, isList := cell.([]any)
	if s, ok := cell.(string); ok && len(it.Spans) > 0 && strings.HasPrefix(s, "[") {
		if v, err := parseLiteral(s); err == nil {
			list, isList = v.([]any)
		}
	}
	captioned := slices.ContainsFunc(it.Spans, func(s dataset.Span) bool { return s.Text != "" })
	if isList && len(list) == len(it.Spans) && !captioned {
		for i, v := range list {
			it.Spans[i].Text = clean(v)
		}
		return
	}
	if _, ok := cell.([]any); !ok {
		list = []any{cell}
	}
	for _, v := range list {
		if s := clean(v); s != "" {
			it.Texts = append(it.Texts, dataset.Text{Text: s, Kind: "alt"})
		}
	}
}

// first is the first cell that is there and not empty.
func first(cells map[string]any, names []string) any {
	for _, n := range names {
		if v := cells[n]; v != nil && v != "" {
			return v
		}
	}
	return nil
}

// clean is a cell as text: "" for what has no text form.
func clean(v any) string {
	switch v := v.(type) {
	case nil, []any, map[string]any:
		return ""
	case string:
		return strings.ToValidUTF8(v, "\uFFFD")
	default:
		return fmt.Sprint(v)
	}
}
