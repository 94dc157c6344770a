package ingest

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"micodata/internal/table"
)

func listParquet(path string, f *os.File, o ListOptions, emit emitter) error {
	p, err := openParquet(f, o.MaxRowBytes)
	if err != nil {
		return brokenTable(path, err)
	}
	m, err := mapColumns(path, p.names, o)
	if err != nil {
		return err
	}
	if err := p.project(m.all()); err != nil {
		return brokenTable(path, err)
	}
	return listRows(path, filepath.Dir(path), p, o, emit)
}

// parquetRows reads the columns that are looked into, a page of each at a time,
// so that a row group of any size costs no more.
type parquetRows struct {
	file   *table.File
	names  []string // top-level columns
	fields []*parquetNode
	leaves []*parquetLeaf
	groups []int64 // their rows
	group  int     // next row group
	left   int64   // rows of the open one still to come
	n      int     // rows read
	row    parquetRow
}

// parquetRow is what the leaves of a row share.
type parquetRow struct {
	size, max int // bytes
	err       error
}

func (r *parquetRow) fail(err error) {
	if r.err == nil {
		r.err = err
	}
}

var (
	errParquetFit = errors.New("its columns do not fit each other")
	errParquetEnd = errors.New("its columns have fewer or more rows than the row group")
)

func openParquet(f *os.File, max int) (*parquetRows, error) {
	file, err := table.OpenFile(f)
	if err != nil {
		return nil, fmt.Errorf("not a Parquet file: %w", err)
	}
	p := &parquetRows{file: file, groups: file.RowGroups(), row: parquetRow{max: max}}
	root := file.Schema().Root()
	for i := range root.NumFields() {
		p.names = append(p.names, root.Field(i).Name())
	}
	return p, nil
}

// project leaves only the named top-level columns to be read.
func (p *parquetRows) project(names []string) error {
	root := p.file.Schema().Root()
	for i := range root.NumFields() {
		if !slices.Contains(names, root.Field(i).Name()) {
			continue
		}
		n, err := newParquetNode(p.file.Schema(), root.Field(i), 0, 0, &p.row)
		if err != nil {
			return err
		}
		p.fields = append(p.fields, n)
		p.leaves = append(p.leaves, n.leaves...)
	}
	return nil
}

func (p *parquetRows) columns() ([]string, error) { return p.names, nil }

func (p *parquetRows) next() (record, error) {
	for p.left == 0 {
		if p.group == len(p.groups) {
			return record{}, io.EOF
		}
		if err := p.open(p.group); err != nil {
			return record{}, fmt.Errorf("row group %d: %w", p.group, err)
		}
		p.group++
	}
	p.left--
	p.n++
	rec := record{at: fmt.Sprintf("row %d", p.n), cells: make(map[string]any, len(p.fields))}
	for _, f := range p.fields {
		rec.cells[f.name] = f.value()
	}
	if err := p.check(); err != nil {
		return record{}, fmt.Errorf("%s: %w", rec.at, err)
	}
	return rec, nil
}

func (p *parquetRows) open(group int) error {
	p.left = p.groups[group]
	if p.left < 0 {
		return errParquetEnd
	}
	for _, l := range p.leaves {
		r, err := p.file.Leaf(group, l.index)
		if err != nil {
			return err
		}
		l.reader = r
		l.advance()
	}
	return p.check()
}

// check looks, between rows, whether all leaves stand where one begins, or at
// the row group's end.
func (p *parquetRows) check() error {
	for _, l := range p.leaves {
		if l.entry.Rep > 0 {
			p.row.fail(errParquetFit)
		}
		if l.ended != (p.left == 0) {
			p.row.fail(errParquetEnd)
		}
	}
	p.row.size = 0
	return p.row.err
}
