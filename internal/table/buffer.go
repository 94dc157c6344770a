package table

import (
	"fmt"

	"github.com/apache/arrow/go/v15/parquet"
	"github.com/apache/arrow/go/v15/parquet/file"
)

// buffer holds one row group's values and levels of one leaf. Only the slice of
// the leaf's own type is used; blobs are referenced, not copied.
type buffer struct {
	bytes    [][]byte
	bools    []bool
	int32s   []int32
	int64s   []int64
	float32s []float32
	float64s []float64
	def, rep []int16
}

func (b *buffer) null(def, rep int16)   { b.levels(def, rep) }
func (b *buffer) levels(def, rep int16) { b.def, b.rep = append(b.def, def), append(b.rep, rep) }

// add appends what another buffer of the leaf holds.
func (b *buffer) add(o *buffer) {
	b.bytes, b.bools = append(b.bytes, o.bytes...), append(b.bools, o.bools...)
	b.int32s, b.int64s = append(b.int32s, o.int32s...), append(b.int64s, o.int64s...)
	b.float32s, b.float64s = append(b.float32s, o.float32s...), append(b.float64s, o.float64s...)
	b.def, b.rep = append(b.def, o.def...), append(b.rep, o.rep...)
}

func (b *buffer) reset() {
	clear(b.bytes) // let go of the blobs
	b.bytes, b.bools = b.bytes[:0], b.bools[:0]
	b.int32s, b.int64s = b.int32s[:0], b.int64s[:0]
	b.float32s, b.float64s = b.float32s[:0], b.float64s[:0]
	b.def, b.rep = b.def[:0], b.rep[:0]
}

func appendScalar[T Scalar](b *buffer, v T) {
	switch v := any(v).(type) {
	case string:
		b.bytes = append(b.bytes, []byte(v))
	case bool:
		b.bools = append(b.bools, v)
	case int32:
		b.int32s = append(b.int32s, v)
	case int64:
		b.int64s = append(b.int64s, v)
	case float32:
		b.float32s = append(b.float32s, v)
	case float64:
		b.float64s = append(b.float64s, v)
	}
}

// writeTo writes the whole buffer as a column chunk of ordinary pages.
func (b *buffer) writeTo(cw file.ColumnChunkWriter) error {
	rep := b.rep
	if cw.Descr().MaxRepetitionLevel() == 0 {
		rep = nil
	}
	var err error
	switch cw := cw.(type) {
	case *file.ByteArrayColumnChunkWriter:
		values := make([]parquet.ByteArray, len(b.bytes))
		for i, v := range b.bytes {
			values[i] = v
		}
		_, err = cw.WriteBatch(values, b.def, rep)
	case *file.BooleanColumnChunkWriter:
		_, err = cw.WriteBatch(b.bools, b.def, rep)
	case *file.Int32ColumnChunkWriter:
		_, err = cw.WriteBatch(b.int32s, b.def, rep)
	case *file.Int64ColumnChunkWriter:
		_, err = cw.WriteBatch(b.int64s, b.def, rep)
	case *file.Float32ColumnChunkWriter:
		_, err = cw.WriteBatch(b.float32s, b.def, rep)
	case *file.Float64ColumnChunkWriter:
		_, err = cw.WriteBatch(b.float64s, b.def, rep)
	default:
		err = fmt.Errorf("column %s: no writer for %s", cw.Descr().Path(), cw.Type())
	}
	return err
}

// writeBlobsTo writes one page a blob and calls at with each blob's place among
// the leaf's entries once its page is in the file. Nulls ride in the page of the
// blob that follows them (the last ones in a page of their own).
func (b *buffer) writeBlobsTo(cw *file.ByteArrayColumnChunkWriter, at func(entry int, blob []byte)) error {
	maxDef := cw.Descr().MaxDefinitionLevel()
	repeated := cw.Descr().MaxRepetitionLevel() > 0
	start, next := 0, 0
	for i, def := range b.def {
		if def != maxDef && i != len(b.def)-1 {
			continue
		}
		var values []parquet.ByteArray
		if def == maxDef {
			values = []parquet.ByteArray{b.bytes[next]}
		}
		var rep []int16
		if repeated {
			rep = b.rep[start : i+1]
		}
		before := cw.TotalBytesWritten()
		if _, err := cw.WriteBatch(values, b.def[start:i+1], rep); err != nil {
			return err
		}
		// A blob of a page's usual size or more has been flushed already, and to
		// flush an empty page panics.
		if cw.TotalBytesWritten() == before {
			if err := cw.FlushCurrentPage(); err != nil {
				return err
			}
		}
		if def == maxDef {
			at(i, b.bytes[next])
			next++
		}
		start = i + 1
	}
	return nil
}
