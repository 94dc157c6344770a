package ingest

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// csvRows reads CSV (RFC 4180) and, with tabs, TSV, where quotes mean nothing
// unless they surround a field. The first row names the columns.
type csvRows struct {
	in     *budgetReader
	r      *csv.Reader
	header []string
	max    int
	line   int // of the last row
}

// budgetReader ends a row that never ends: an unmatched quote would swallow the
// rest of the file.
type budgetReader struct {
	r    *bufio.Reader
	left int
	over bool
}

var errRowTooLong = errors.New("row is too long: is a quote missing?")

func (b *budgetReader) Read(p []byte) (int, error) {
	if b.left <= 0 {
		b.over = true
		return 0, errRowTooLong
	}
	n, err := b.r.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}

func newCSV(r *bufio.Reader, comma rune, max int) *csvRows {
	in := &budgetReader{r: r}
	c := csv.NewReader(in)
	c.Comma = comma
	c.FieldsPerRecord = -1 // counted here, where a row may fail alone
	c.LazyQuotes = comma == '\t'
	return &csvRows{in: in, r: c, max: max}
}

// csvReadAhead is what encoding/csv may read beyond a row.
const csvReadAhead = 4096

func (c *csvRows) read() ([]string, error) {
	c.in.left = c.max + csvReadAhead
	return c.r.Read()
}

func (c *csvRows) columns() ([]string, error) {
	header, err := c.read()
	if err == io.EOF {
		return []string{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("first row: %w", err)
	}
	for i := range header {
		header[i] = strings.TrimSpace(header[i])
	}
	c.header = slices.Clone(header)
	return c.header, nil
}

func (c *csvRows) next() (record, error) {
	fields, err := c.read()
	var pe *csv.ParseError
	switch {
	case c.in.over:
		return record{}, fmt.Errorf("after line %d: %w", c.line, errRowTooLong)
	case errors.As(err, &pe):
		return record{at: fmt.Sprintf("line %d", pe.StartLine), err: pe.Err}, nil
	case err != nil:
		return record{}, err
	}
	c.line, _ = c.r.FieldPos(0)
	rec := record{at: fmt.Sprintf("line %d", c.line)}
	if len(fields) != len(c.header) {
		rec.err = fmt.Errorf("%d fields where the first row has %d", len(fields), len(c.header))
		return rec, nil
	}
	rec.cells = make(map[string]any, len(fields))
	for i, name := range c.header {
		rec.cells[name] = fields[i]
	}
	return rec, nil
}
