package table

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/bits"

	"github.com/apache/arrow/go/v15/parquet"
	"github.com/apache/arrow/go/v15/parquet/metadata"
	"github.com/apache/arrow/go/v15/parquet/schema"
)

// File is a Parquet file of any making, read leaf by leaf and a page of each in
// memory at a time. As with [Reader] the pages are decoded here: the library's
// own decoders crash or loop over broken ones. Checksums are checked where there
// are any.
type File struct {
	r      io.ReaderAt
	footer *metadata.FileMetaData
}

// OpenFile reads the footer. It does not close r.
func OpenFile(r parquet.ReaderAtSeeker) (_ *File, err error) {
	defer recoverTo(&err) // the library panics on some broken footers
	footer, err := readFooter(r)
	if err != nil {
		return nil, fmt.Errorf("read parquet footer: %w", err)
	}
	return &File{r, footer.FileMetaData}, nil
}

// Schema is the file's.
func (f *File) Schema() *schema.Schema { return f.footer.Schema }

// RowGroups are the numbers of rows of the row groups, as the footer says.
func (f *File) RowGroups() []int64 { return rowsOf(f.footer) }

// Leaf opens a leaf of a row group, by its place in the schema.
func (f *File) Leaf(group, column int) (_ *LeafReader, err error) {
	defer recoverTo(&err)
	pages, err := openPages(f.r, f.footer, group, column)
	if err != nil {
		return nil, fmt.Errorf("column %s: %w", f.Schema().Column(column).Path(), err)
	}
	return &LeafReader{pages: pages, column: f.Schema().Column(column)}, nil
}

// Entry is a leaf's value or the lack of it, and where in the rows it stands:
// the Dremel paper's levels.
type Entry struct {
	Rep, Def int16
	// Value is there at the leaf's highest definition level only: a bool, int32,
	// int64, float32, float64, or []byte, which is valid until the next entry.
	Value any
}

// LeafReader walks over a leaf's entries in one row group.
type LeafReader struct {
	pages      *pageReader
	column     *schema.Column
	dictionary []any
	left       int // entries of the page still to come
	rep, def   hybrid
	values     valueReader
}

// maxDictionary is more than writers put into a dictionary, whose pages they
// keep near 1 MiB.
const maxDictionary = 4 << 20

// Next returns the next entry, io.EOF after the last.
func (l *LeafReader) Next() (e Entry, err error) {
	defer recoverTo(&err) // the library panics on some broken pages
	for l.left == 0 {
		page, err := l.pages.next()
		if err == nil {
			err = l.load(page)
		}
		if err == io.EOF {
			return e, err
		}
		if err != nil {
			return e, l.fail(err)
		}
	}
	l.left--
	var okRep, okDef bool
	e.Rep, okRep = level(&l.rep, l.column.MaxRepetitionLevel())
	e.Def, okDef = level(&l.def, l.column.MaxDefinitionLevel())
	if !okRep || !okDef {
		return e, l.fail(errLevels)
	}
	if e.Def == l.column.MaxDefinitionLevel() {
		if e.Value, err = l.values.next(); err != nil {
			return e, l.fail(err)
		}
	}
	return e, nil
}

func (l *LeafReader) fail(err error) error { return fmt.Errorf("column %s: %w", l.column.Path(), err) }

// level takes a level; where only one is possible, none is stored.
func level(h *hybrid, max int16) (int16, bool) {
	if max == 0 {
		return 0, true
	}
	v, ok := h.next()
	return int16(v), ok && v <= uint32(max)
}

func (l *LeafReader) load(p *page) error {
	switch p.kind {
	case dictionaryPage:
		return l.loadDictionary(p)
	case dataPageV1:
		data, err := l.levelsV1(p)
		if err != nil {
			return err
		}
		return l.loadValues(p, data)
	default:
		rep, def := int(p.rep), int(p.rep)+int(p.def) // in front of the values, as the page reader has seen
		l.setLevels(p.data[:rep], p.data[rep:def])
		return l.loadValues(p, p.data[def:])
	}
}

// levelsV1 finds a version 1 page's levels, each with a 4-byte length before it,
// and returns the values behind them.
func (l *LeafReader) levelsV1(p *page) (data []byte, err error) {
	var rep, def []byte
	data = p.data
	for _, x := range []struct {
		to       *[]byte
		max      int16
		encoding int32
	}{
		{&rep, l.column.MaxRepetitionLevel(), p.rep},
		{&def, l.column.MaxDefinitionLevel(), p.def},
	} {
		if x.max == 0 {
			continue
		}
		if x.encoding != encodingRLE {
			return nil, fmt.Errorf("no reader for levels in %s", parquet.Encoding(x.encoding))
		}
		var ok bool
		if *x.to, data, ok = cutSized(data); !ok {
			return nil, errLevels
		}
	}
	l.setLevels(rep, def)
	return data, nil
}

func (l *LeafReader) setLevels(rep, def []byte) {
	l.rep = hybrid{b: rep, width: bits.Len16(uint16(l.column.MaxRepetitionLevel()))}
	l.def = hybrid{b: def, width: bits.Len16(uint16(l.column.MaxDefinitionLevel()))}
}

// cutSized cuts what a 4-byte length announces off the front.
func cutSized(b []byte) (front, rest []byte, ok bool) {
	if len(b) < 4 || int64(binary.LittleEndian.Uint32(b)) > int64(len(b)-4) {
		return nil, nil, false
	}
	end := 4 + int(binary.LittleEndian.Uint32(b))
	return b[4:end:end], b[end:], true
}

func (l *LeafReader) loadDictionary(p *page) error {
	n := int(p.values)
	if n > maxDictionary {
		return errors.New("its dictionary is too large")
	}
	values, err := newPlain(l.column, p.data)
	if err != nil {
		return err
	}
	l.dictionary = l.dictionary[:0]
	for range n {
		v, err := values.next()
		if err != nil {
			return err
		}
		l.dictionary = append(l.dictionary, v)
	}
	return nil
}

func (l *LeafReader) loadValues(p *page, data []byte) (err error) {
	l.left = int(p.values)
	if l.left == 0 {
		return nil
	}
	kind := l.column.PhysicalType()
	ints := kind == parquet.Types.Int32 || kind == parquet.Types.Int64
	bytes := kind == parquet.Types.ByteArray
	switch e := parquet.Encoding(p.encoding); {
	case e == parquet.Encodings.Plain:
		l.values, err = newPlain(l.column, data)
	case e == parquet.Encodings.PlainDict, e == parquet.Encodings.RLEDict:
		l.values = newIndexed(l.dictionary, data)
	case e == parquet.Encodings.RLE && kind == parquet.Types.Boolean:
		l.values, err = newRLEBools(data)
	case e == parquet.Encodings.DeltaBinaryPacked && ints:
		l.values, err = newDeltaInts(kind, data)
	case e == parquet.Encodings.DeltaLengthByteArray && bytes:
		l.values, err = newDeltaLengths(data)
	case e == parquet.Encodings.DeltaByteArray && (bytes || kind == parquet.Types.FixedLenByteArray):
		l.values, err = newDeltaBytes(data)
	default:
		err = fmt.Errorf("no reader for %s in %s", kind, e)
	}
	return err
}
