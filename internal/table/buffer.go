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
	ends     []int64 // of pages with one value, in the file they are read from
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
		err = b.writeStringsTo(cw)
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

// entryBytes is what an entry counts beside its string or blob: a number, or a
// string's length, and the levels, roughly.
const entryBytes = 8

// pageBytes bounds a page of strings; one that is larger is alone in its page. The
// library would look at the size only after each 1,024 values.
const pageBytes = 1 << 20

// writeStringsTo writes pages of at most pageBytes. As those of blobs they may end
// within a row's list: one row can have more than a page may hold.
func (b *buffer) writeStringsTo(cw *file.ByteArrayColumnChunkWriter) error {
	p := byteArrayPages{b: b, cw: cw}
	maxDef := cw.Descr().MaxDefinitionLevel()
	size := 0
	for i, def := range b.def {
		n := entryBytes
		value := def == maxDef
		if value {
			n += len(b.bytes[p.values])
		}
		if size+n > pageBytes && i > p.entry {
			if err := p.end(i); err != nil {
				return err
			}
			size = 0
		}
		size += n
		if value {
			p.values++
		}
	}
	return p.end(len(b.def))
}

// nullsOfPage bounds the nulls before a blob in its page, so that their levels,
// half a byte each, leave room for the page's header in the [BlobMargin].
const nullsOfPage = BlobMargin

// writeBlobsTo writes one page a blob and calls at with each blob's place among
// the leaf's entries once its page is in the file. Nulls ride in the page of the
// blob that follows them, up to nullsOfPage; others have pages of their own.
func (b *buffer) writeBlobsTo(cw *file.ByteArrayColumnChunkWriter, at func(entry int, blob []byte)) error {
	p := byteArrayPages{b: b, cw: cw}
	maxDef := cw.Descr().MaxDefinitionLevel()
	for i, def := range b.def {
		if def == maxDef {
			p.values++
			if err := p.end(i + 1); err != nil {
				return err
			}
			at(i, b.bytes[p.values-1])
		} else if i-p.entry == nullsOfPage {
			if err := p.end(i); err != nil {
				return err
			}
		}
	}
	return p.end(len(b.def))
}

// byteArrayPages writes a buffer's pages, each from where the last one ended.
type byteArrayPages struct {
	b            *buffer
	cw           *file.ByteArrayColumnChunkWriter
	entry, value int // the first of the next page
	values       int // before the end of the next page
}

// end writes the page that ends before an entry, if there is anything in it.
func (p *byteArrayPages) end(entry int) error {
	if entry == p.entry {
		return nil
	}
	values := make([]parquet.ByteArray, 0, p.values-p.value)
	for _, v := range p.b.bytes[p.value:p.values] {
		values = append(values, v)
	}
	var rep []int16
	if p.cw.Descr().MaxRepetitionLevel() > 0 {
		rep = p.b.rep[p.entry:entry]
	}
	before := p.cw.TotalBytesWritten()
	if _, err := p.cw.WriteBatch(values, p.b.def[p.entry:entry], rep); err != nil {
		return err
	}
	p.entry, p.value = entry, p.values
	// The library has ended a page of its usual size or more, and to end an empty
	// one panics.
	if p.cw.TotalBytesWritten() == before {
		return p.cw.FlushCurrentPage()
	}
	return nil
}
