package table

import (
	"context"
	"fmt"
	"io"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/apache/arrow/go/v15/parquet"
	"github.com/apache/arrow/go/v15/parquet/file"
	"github.com/apache/arrow/go/v15/parquet/pqarrow"
)

// ReaderOptions choose what to read.
type ReaderOptions struct {
	// Columns are the top-level columns to read; the others stay zero in the
	// rows. Empty means all. Blobs that are not asked for are not read.
	Columns []string
}

// Reader reads rows from one Parquet file, a row group in memory at a time.
type Reader[R any] struct {
	schema  *Schema[R]
	file    *file.Reader
	pq      *pqarrow.FileReader
	wanted  map[string]bool
	indices []int
	group   int // next row group
	record  arrow.Record
	fields  []int // record column of each of the schema's columns, or -1
	row     int   // next row in record
}

// NewReader opens a file. It fails if a column of the schema is missing or of
// another type, or if the file is not a whole Parquet file.
func (s *Schema[R]) NewReader(r parquet.ReaderAtSeeker, o ReaderOptions) (_ *Reader[R], err error) {
	defer recoverTo(&err) // the library panics on some broken footers
	f, err := file.NewParquetReader(r)
	if err != nil {
		return nil, fmt.Errorf("read parquet footer: %w", err)
	}
	tr := &Reader[R]{schema: s, file: f, wanted: map[string]bool{}}
	for _, name := range o.Columns {
		tr.wanted[name] = true
	}
	if len(o.Columns) == 0 {
		for _, c := range s.columns {
			tr.wanted[c.field.Name] = true
		}
	}
	have := map[string]int{}
	sc := f.MetaData().Schema
	for i := 0; i < sc.NumColumns(); i++ {
		have[sc.Column(i).Path()] = i
	}
	for _, c := range s.columns {
		if !tr.wanted[c.field.Name] {
			continue
		}
		for _, l := range c.leaves {
			i, ok := have[l.path]
			if !ok {
				return nil, fmt.Errorf("column %s is missing", l.path)
			}
			tr.indices = append(tr.indices, i)
		}
	}
	tr.pq, err = pqarrow.NewFileReader(f, pqarrow.ArrowReadProperties{}, memory.DefaultAllocator)
	if err != nil {
		return nil, fmt.Errorf("read parquet schema: %w", err)
	}
	return tr, nil
}

// Rows is the number of rows in the file.
func (r *Reader[R]) Rows() int64 { return r.file.NumRows() }

// Metadata is the value of a key in the footer, "" if it is not there.
func (r *Reader[R]) Metadata(key string) string {
	v := r.file.MetaData().KeyValueMetadata().FindValue(key)
	if v == nil {
		return ""
	}
	return *v
}

// Next returns the next row, io.EOF after the last.
func (r *Reader[R]) Next() (_ *R, err error) {
	defer recoverTo(&err)
	for r.record == nil || r.row >= int(r.record.NumRows()) {
		if r.record != nil {
			r.record.Release()
			r.record = nil
		}
		if r.group >= r.file.NumRowGroups() {
			return nil, io.EOF
		}
		if err := r.loadGroup(); err != nil {
			return nil, err
		}
	}
	row := new(R)
	for i, c := range r.schema.columns {
		if r.fields[i] < 0 {
			continue
		}
		if err := c.load(r.record.Column(r.fields[i]), r.row, row); err != nil {
			return nil, err
		}
	}
	r.row++
	return row, nil
}

func (r *Reader[R]) loadGroup() error {
	t, err := r.pq.ReadRowGroups(context.Background(), r.indices, []int{r.group})
	if err != nil {
		return fmt.Errorf("read row group %d: %w", r.group, err)
	}
	defer t.Release()
	// A row group stays under 2 GiB a column, so each column is one chunk.
	tr := array.NewTableReader(t, t.NumRows())
	defer tr.Release()
	r.group++
	r.row = 0
	if !tr.Next() {
		return nil // an empty row group
	}
	r.record = tr.Record()
	r.record.Retain()
	r.fields = make([]int, len(r.schema.columns))
	for i, c := range r.schema.columns {
		r.fields[i] = -1
		if idx := r.record.Schema().FieldIndices(c.field.Name); r.wanted[c.field.Name] && len(idx) == 1 {
			r.fields[i] = idx[0]
		}
	}
	return nil
}

// Close releases the reader's memory. It does not close the file.
func (r *Reader[R]) Close() error {
	if r.record != nil {
		r.record.Release()
		r.record = nil
	}
	return nil
}

func recoverTo(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("broken parquet file: %v", p)
	}
}
