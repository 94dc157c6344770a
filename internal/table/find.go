package table

import (
	"bytes"
	"fmt"

	"github.com/apache/arrow/go/v15/parquet"
	"github.com/apache/arrow/go/v15/parquet/metadata"
)

// Find returns the number of the first row that has a value in a column of strings,
// -1 if none has. It reads that column alone, whichever the reader was opened for,
// and nothing of row groups whose statistics exclude the value. The next row to
// read stays what it was.
func (r *Reader[R]) Find(column, value string) (_ int64, err error) {
	defer recoverTo(&err)
	i := r.footer.Schema.ColumnIndexByName(column)
	if i < 0 {
		return -1, fmt.Errorf("column %s is missing", column)
	}
	if c := r.footer.Schema.Column(i); c.PhysicalType() != parquet.Types.ByteArray || c.MaxRepetitionLevel() > 0 {
		return -1, fmt.Errorf("column %s is not one of strings", column)
	}
	first := int64(0)
	for g, rows := range r.RowGroups() {
		row, err := r.findIn(g, i, []byte(value))
		if err != nil {
			return -1, fmt.Errorf("read row group %d: column %s: %w", g, column, err)
		}
		if row >= 0 {
			return first + row, nil
		}
		first += rows
	}
	return -1, nil
}

// findIn finds a value in a leaf of a row group.
func (r *Reader[R]) findIn(group, leaf int, value []byte) (row int64, err error) {
	chunk, err := r.footer.RowGroup(group).ColumnChunk(leaf)
	if err != nil {
		return -1, err
	}
	stats, err := chunk.Statistics()
	if err != nil {
		return -1, err
	}
	if s, ok := stats.(*metadata.ByteArrayStatistics); ok && excludes(s, value) {
		return -1, nil
	}
	pages, err := openPages(r.r, r.footer.FileMetaData, group, leaf)
	if err != nil {
		return -1, err
	}
	var c cursor
	column := r.footer.Schema.Column(leaf)
	if err := c.readFrom(pages, column); err != nil {
		return -1, err
	}
	for row := range int64(len(c.def)) {
		if v, ok := c.takeBytes(column.MaxDefinitionLevel()); ok && bytes.Equal(v, value) {
			return row, nil
		}
	}
	return -1, nil
}

// excludes tells whether a value lies outside of the statistics. A bound that the
// library left out, as it does with long ones, is empty.
func excludes(s *metadata.ByteArrayStatistics, value []byte) bool {
	return s.HasMinMax() && (bytes.Compare(value, s.Min()) < 0 || len(s.Max()) > 0 && bytes.Compare(value, s.Max()) > 0)
}
