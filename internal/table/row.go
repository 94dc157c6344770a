package table

import (
	"encoding/binary"
	"errors"
	"math"

	"github.com/apache/arrow/go/v15/parquet/schema"
)

var errRow = errors.New("a noted row is broken")

// AppendRow appends a row without a file around it, for [Schema.DecodeRow]: notes in
// files that nobody else reads. Of each leaf there are the number of its entries,
// their levels, a byte each, the bytes of its values, and the values in PLAIN.
func (s *Schema[R]) AppendRow(b []byte, row *R) []byte {
	s.borrow(row, func(bufs []*buffer) {
		var values []byte
		for i, buf := range bufs {
			b = binary.AppendUvarint(b, uint64(len(buf.def)))
			b = appendLevels(b, buf.def)
			if s.parquet.Column(i).MaxRepetitionLevel() > 0 {
				b = appendLevels(b, buf.rep)
			}
			values = buf.appendPlain(values[:0])
			b = append(binary.AppendUvarint(b, uint64(len(values))), values...)
		}
	})
	return b
}

func appendLevels(b []byte, levels []int16) []byte {
	for _, l := range levels {
		b = append(b, byte(l))
	}
	return b
}

// appendPlain appends the values, which are of one type.
func (b *buffer) appendPlain(to []byte) []byte {
	for _, v := range b.bytes {
		to = append(binary.LittleEndian.AppendUint32(to, uint32(len(v))), v...)
	}
	for i, v := range b.bools {
		if i%8 == 0 {
			to = append(to, 0)
		}
		if v {
			to[len(to)-1] |= 1 << (i % 8)
		}
	}
	for _, v := range b.int32s {
		to = binary.LittleEndian.AppendUint32(to, uint32(v))
	}
	for _, v := range b.int64s {
		to = binary.LittleEndian.AppendUint64(to, uint64(v))
	}
	for _, v := range b.float32s {
		to = binary.LittleEndian.AppendUint32(to, math.Float32bits(v))
	}
	for _, v := range b.float64s {
		to = binary.LittleEndian.AppendUint64(to, math.Float64bits(v))
	}
	return to
}

// DecodeRow reads what AppendRow wrote. The row's blobs share its memory.
func (s *Schema[R]) DecodeRow(b []byte) (_ *R, err error) {
	defer recoverTo(&err)
	row := new(R)
	leaf := 0
	for _, c := range s.columns {
		cursors := make([]*cursor, len(c.leaves))
		for i := range cursors {
			cursors[i] = new(cursor)
			if b, err = cursors[i].decode(b, s.parquet.Column(leaf)); err != nil {
				return nil, err
			}
			leaf++
		}
		c.assemble(row, cursors, 0)
	}
	if len(b) > 0 {
		return nil, errRow
	}
	return row, nil
}

// decode reads a leaf of a row and returns what follows it.
func (b *buffer) decode(row []byte, column *schema.Column) (rest []byte, err error) {
	n, k := binary.Uvarint(row)
	if k <= 0 || n > uint64(len(row)-k) {
		return nil, errRow
	}
	values := 0
	for _, l := range row[k : k+int(n)] {
		b.def = append(b.def, int16(l))
		if int16(l) == column.MaxDefinitionLevel() {
			values++
		}
	}
	row = row[k+int(n):]
	if column.MaxRepetitionLevel() > 0 {
		if n > uint64(len(row)) {
			return nil, errRow
		}
		for _, l := range row[:n] {
			b.rep = append(b.rep, int16(l))
		}
		row = row[n:]
	}
	size, k := binary.Uvarint(row)
	if k <= 0 || size > uint64(len(row)-k) {
		return nil, errRow
	}
	end := k + int(size)
	return row[end:], b.readPlain(column.PhysicalType(), row[k:end], values)
}
