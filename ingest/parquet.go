package ingest

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/apache/arrow/go/v15/parquet"
	"github.com/apache/arrow/go/v15/parquet/file"
	"github.com/apache/arrow/go/v15/parquet/pqarrow"
)

// parquetBatch is how many rows are decoded at once: pages are read as they are
// needed, so that a row group of any size costs no more.
const parquetBatch = 1024

func listParquet(path string, f *os.File, o ListOptions, emit emitter) error {
	p, err := openParquet(f)
	if err != nil {
		return brokenTable(path, err)
	}
	defer p.close()
	m, err := mapColumns(path, p.names, o)
	if err != nil {
		return err
	}
	p.project(m.all())
	return listRows(path, filepath.Dir(path), p, o, emit)
}

// parquetRows reads the columns that are looked into, batch by batch.
type parquetRows struct {
	file   *file.Reader
	pq     *pqarrow.FileReader
	names  []string // top-level columns
	leaves []int
	group  int // next row group
	reader pqarrow.RecordReader
	record arrow.Record
	row    int // next row in record
	n      int // rows read
}

func openParquet(f *os.File) (p *parquetRows, err error) {
	defer recoverParquet(&err)
	props := parquet.NewReaderProperties(memory.DefaultAllocator)
	props.BufferedStreamEnabled = true // not whole column chunks at once
	r, err := file.NewParquetReader(f, file.WithReadProps(props))
	if err != nil {
		return nil, fmt.Errorf("not a Parquet file: %w", err)
	}
	p = &parquetRows{file: r}
	root := r.MetaData().Schema.Root()
	for i := 0; i < root.NumFields(); i++ {
		p.names = append(p.names, root.Field(i).Name())
	}
	p.pq, err = pqarrow.NewFileReader(r, pqarrow.ArrowReadProperties{BatchSize: parquetBatch}, memory.DefaultAllocator)
	return p, err
}

// project leaves only the named top-level columns to be read.
func (p *parquetRows) project(names []string) {
	sc := p.file.MetaData().Schema
	for i := 0; i < sc.NumColumns(); i++ {
		if slices.Contains(names, sc.Column(i).ColumnPath()[0]) {
			p.leaves = append(p.leaves, i)
		}
	}
}

func (p *parquetRows) columns() ([]string, error) { return p.names, nil }

func (p *parquetRows) next() (rec record, err error) {
	defer recoverParquet(&err)
	for p.record == nil || p.row >= int(p.record.NumRows()) {
		if err := p.load(); err != nil {
			return record{}, err
		}
	}
	p.n++
	rec = record{at: fmt.Sprintf("row %d", p.n), cells: map[string]any{}}
	for i, f := range p.record.Schema().Fields() {
		rec.cells[f.Name] = arrowValue(p.record.Column(i), p.row)
	}
	p.row++
	return rec, nil
}

// load decodes the next batch.
func (p *parquetRows) load() error {
	for {
		if p.reader == nil {
			if p.group >= p.file.NumRowGroups() {
				return io.EOF
			}
			// The listing looks at its context with every row.
			r, err := p.pq.GetRecordReader(context.Background(), p.leaves, []int{p.group})
			if err != nil {
				return fmt.Errorf("row group %d: %w", p.group, err)
			}
			p.reader = r
			p.group++
		}
		if p.reader.Next() {
			p.record, p.row = p.reader.Record(), 0
			return nil
		}
		err := p.reader.Err()
		p.reader.Release()
		p.reader, p.record = nil, nil
		if err != nil && err != io.EOF {
			return fmt.Errorf("after row %d: %w", p.n, err)
		}
	}
}

func (p *parquetRows) close() {
	if p.reader != nil {
		p.reader.Release()
	}
}

func recoverParquet(err *error) {
	if v := recover(); v != nil { // the library panics on some broken files
		*err = fmt.Errorf("broken Parquet file: %v", v)
	}
}

// arrowValue is a cell as encoding/json would give it; strings are copies.
func arrowValue(a arrow.Array, i int) any {
	if a.IsNull(i) {
		return nil
	}
	switch a := a.(type) {
	case *array.Float64:
		return a.Value(i)
	case *array.Float32:
		return float64(a.Value(i))
	case *array.Int64:
		return a.Value(i)
	case *array.Int32:
		return int64(a.Value(i))
	case *array.Binary:
		return string(a.Value(i))
	case *array.Dictionary:
		return arrowValue(a.Dictionary(), a.GetValueIndex(i))
	case array.ListLike:
		start, end := a.ValueOffsets(i)
		list := make([]any, 0, end-start)
		for j := start; j < end; j++ {
			list = append(list, arrowValue(a.ListValues(), int(j)))
		}
		return list
	case *array.Struct:
		m := map[string]any{}
		for f, field := range a.DataType().(*arrow.StructType).Fields() {
			m[field.Name] = arrowValue(a.Field(f), i)
		}
		return m
	}
	return string([]byte(a.ValueStr(i)))
}
