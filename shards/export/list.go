package export

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"

	"micodata/storage"
)

// style is how the lines of a list are put together.
type style string

const (
	jsonArray  style = "array"
	jsonObject style = "object"
	astData    style = "data" // AST's array, the one member of an object
	lines      style = "lines"
)

var styles = map[style]struct{ head, between, tail string }{
	jsonArray:  {"[\n", ",\n", "\n]\n"},
	jsonObject: {"{\n", ",\n", "\n}\n"},
	astData:    {"{\"data\": [\n", ",\n", "\n]}\n"},
	lines:      {"", "\n", "\n"},
}

// line is a line of a list.
type line struct {
	list  string // object name
	style style
	value any // a verbatim as it stands, anything else as JSON
}

// verbatim is text that stands in a list as it is.
type verbatim string

// pair is a member of a JSON object.
type pair struct{ name, value string }

// render makes the text of a line.
func (n line) render() (string, error) {
	switch v := n.value.(type) {
	case verbatim:
		return string(v), nil
	case pair:
		name, err := marshal(v.name)
		value, err2 := marshal(v.value)
		return string(name) + ": " + string(value), errors.Join(err, err2)
	}
	data, err := marshal(n.value)
	return string(data), err
}

// lists are those of an export while it runs; they appear when all are whole.
type lists struct {
	store storage.Store
	open  map[string]*openList
}

type openList struct {
	w     storage.Writer
	buf   *bufio.Writer
	style style
	lines int64
}

// add adds what a part has of a list.
func (l *lists) add(ctx context.Context, name string, p partList) error {
	o := l.open[name]
	if o == nil {
		w, err := l.store.Create(ctx, name, storage.Replace)
		if err != nil {
			return err
		}
		o = &openList{w: w, buf: bufio.NewWriter(w), style: p.Style}
		l.open[name] = o
	}
	for _, text := range p.Lines {
		between := styles[o.style].head
		if o.lines > 0 {
			between = styles[o.style].between
		}
		o.lines++
		if _, err := o.buf.WriteString(between + text); err != nil {
			return err
		}
	}
	return nil
}

// commit puts the lists in place and returns the number of lines of each.
func (l *lists) commit(ctx context.Context) (map[string]int64, error) {
	counts := map[string]int64{}
	for _, name := range slices.Sorted(maps.Keys(l.open)) {
		o := l.open[name]
		_, err := o.buf.WriteString(styles[o.style].tail)
		if err := errors.Join(err, o.buf.Flush()); err != nil {
			return nil, err
		}
		if err := o.w.Commit(ctx); err != nil {
			return nil, err
		}
		counts[name] = o.lines
	}
	return counts, nil
}

func (l *lists) abort() {
	for _, o := range l.open {
		o.w.Abort()
	}
}

// marshal makes JSON of one line, with "<" and "&" as they are.
func marshal(v any) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n")), err
}

// indented makes the JSON of a file for people.
func indented(v any) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	err := enc.Encode(v)
	return buf.Bytes(), err
}

// inSplit names a list of a split: "annotations/tv.train.json" for
// "annotations/tv.json".
func inSplit(name, split string) string {
	dot := strings.LastIndexByte(name, '.')
	return name[:dot] + "." + split + name[dot:]
}
