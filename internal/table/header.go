package table

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
)

// pageKind is a page's kind by Parquet's number.
type pageKind int32

const (
	dataPageV1     pageKind = 0
	dictionaryPage pageKind = 2
	dataPageV2     pageKind = 3
)

// Encodings, by Parquet's numbers, of the pages that [Writer] makes: of values
// and of levels.
const encodingPlain, encodingRLE = 0, 3

// pageHeader is what stands in front of a page: Parquet's PageHeader, and in it
// the header of the page's kind, in Thrift's compact protocol. The library
// writes no checksums, and does not show those that it reads.
type pageHeader struct {
	kind, ofKind     pageKind // the page's, and whose header there is: -1 if none
	size, stored     int32    // bytes of the page, uncompressed and in the file
	crc              uint32   // CRC-32 (IEEE) of the bytes in the file
	hasCRC           bool
	values, encoding int32 // entries, with nulls; a parquet.Encoding
	def, rep         int32 // of the levels: in version 1 encodings, in version 2 bytes
	compressed       bool  // the values, in version 2
}

// Types of the compact protocol. There are no lists and maps in headers.
const (
	thriftTrue = iota + 1
	thriftFalse
	thriftByte
	thriftI16
	thriftI32
	thriftI64
	thriftDouble
	thriftBinary
	thriftStruct = 12
)

// appendTo appends the header of a data page of version 1.
func (h *pageHeader) appendTo(b []byte) []byte {
	b = appendNumbers(b, int32(h.kind), h.size, h.stored, int32(h.crc)) // fields 1 to 4
	b = append(b, 1<<4|thriftStruct)                                    // field 5
	b = appendNumbers(b, h.values, h.encoding, h.def, h.rep)
	return append(b, 0, 0) // the ends of both structs
}

// appendNumbers appends numbers as the fields that follow the last one.
func appendNumbers(b []byte, numbers ...int32) []byte {
	for _, v := range numbers {
		b = binary.AppendVarint(append(b, 1<<4|thriftI32), int64(v))
	}
	return b
}

var errHeader = errors.New("a page's header is broken")

// readPageHeader reads the header of a page of any making.
func readPageHeader(r *bufio.Reader) (pageHeader, error) {
	t := thriftReader{r: r}
	return t.header()
}

func (t *thriftReader) header() (pageHeader, error) {
	h := pageHeader{ofKind: -1}
	var none int32
	t.fields(func(id int16, kind byte) {
		switch {
		case id == 4 && kind == thriftI32:
			h.crc, h.hasCRC = uint32(t.int32()), true
		case id == 5 && kind == thriftStruct:
			h.ofKind = dataPageV1
			t.fields(func(id int16, kind byte) { t.number(id, kind, &h.values, &h.encoding, &h.def, &h.rep) })
		case id == 7 && kind == thriftStruct:
			h.ofKind = dictionaryPage
			t.fields(func(id int16, kind byte) { t.number(id, kind, &h.values, &h.encoding) })
		case id == 8 && kind == thriftStruct:
			h.ofKind, h.compressed = dataPageV2, true
			t.fields(func(id int16, kind byte) {
				if id == 7 {
					h.compressed = kind != thriftFalse
				}
				t.number(id, kind, &h.values, &none, &none, &h.encoding, &h.def, &h.rep)
			})
		default:
			t.number(id, kind, (*int32)(&h.kind), &h.size, &h.stored)
		}
	})
	holds := h.kind == dataPageV1 || h.kind == dataPageV2 || h.kind == dictionaryPage
	if holds && h.kind != h.ofKind || min(h.size, h.stored, h.values, h.def, h.rep) < 0 {
		t.fail(errHeader)
	}
	return h, t.err
}

// thriftReader reads values until its first error, after which all are 0.
type thriftReader struct {
	r     *bufio.Reader
	taken int // bytes
	depth int // of structs
	err   error
}

// What headers stay below: there may be least and greatest values in them.
const maxHeaderBytes, maxHeaderDepth = 16 << 20, 16

func (t *thriftReader) fail(err error) {
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	if t.err == nil {
		t.err = err
	}
}

// take counts bytes that are about to be read and tells whether they may be.
func (t *thriftReader) take(n uint64) bool {
	if n > uint64(maxHeaderBytes-t.taken) {
		t.fail(errHeader)
	}
	if t.err != nil {
		return false
	}
	t.taken += int(n)
	return true
}

// ReadByte implements [io.ByteReader].
func (t *thriftReader) ReadByte() (byte, error) {
	if !t.take(1) {
		return 0, t.err
	}
	b, err := t.r.ReadByte()
	if err != nil {
		t.fail(err)
	}
	return b, t.err
}

func (t *thriftReader) byte() byte {
	b, _ := t.ReadByte() // the error is kept
	return b
}

func (t *thriftReader) uvarint() uint64 {
	v, err := binary.ReadUvarint(t)
	if err != nil {
		t.fail(errHeader)
		return 0
	}
	return v
}

func (t *thriftReader) int32() int32 {
	v := uint32(t.uvarint())
	return int32(v>>1) ^ -int32(v&1)
}

// fields calls each, which is to take the value, for every field of a struct. A
// boolean's value is its kind.
func (t *thriftReader) fields(each func(id int16, kind byte)) {
	if t.depth++; t.depth > maxHeaderDepth {
		t.fail(errHeader)
	}
	id := int16(0)
	for b := t.byte(); b != 0; b = t.byte() {
		if id += int16(b >> 4); b>>4 == 0 {
			id = int16(t.int32())
		}
		each(id, b&15)
	}
	t.depth--
}

// number takes a field into to[id-1] if it is a 32-bit integer and to has a place
// for it; any other it passes over.
func (t *thriftReader) number(id int16, kind byte, to ...*int32) {
	if kind == thriftI32 && 1 <= id && int(id) <= len(to) {
		*to[id-1] = t.int32()
		return
	}
	switch kind {
	case thriftTrue, thriftFalse:
	case thriftByte:
		t.byte()
	case thriftI16, thriftI32, thriftI64:
		t.uvarint()
	case thriftDouble:
		t.discard(8)
	case thriftBinary:
		t.discard(t.uvarint())
	case thriftStruct:
		t.fields(func(_ int16, kind byte) { t.number(0, kind) })
	default:
		t.fail(errHeader)
	}
}

func (t *thriftReader) discard(n uint64) {
	if t.take(n) {
		if _, err := t.r.Discard(int(n)); err != nil {
			t.fail(err)
		}
	}
}
