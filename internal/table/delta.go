package table

import (
	"encoding/binary"

	"github.com/apache/arrow/go/v15/parquet"
)

// deltas reads DELTA_BINARY_PACKED integers: the first, then blocks, each of a
// least difference and some miniblocks of what the differences are above it.
type deltas struct {
	b        []byte
	perMini  int    // values in a miniblock
	minis    int    // in a block
	left     uint64 // values still to come
	started  bool   // value is that of the last one
	value    int64
	minDelta int64
	widths   []byte // of the block's miniblocks still to come
	mini     bitReader
}

// maxDeltaBlock is far above the 128 and 256 values that writers put in blocks.
const maxDeltaBlock = 1 << 20

func newDeltas(data []byte) (*deltas, error) {
	d := &deltas{b: data}
	block, ok1 := d.uvarint()
	minis, ok2 := d.uvarint()
	count, ok3 := d.uvarint()
	first, ok4 := d.varint()
	if !ok1 || !ok2 || !ok3 || !ok4 || block > maxDeltaBlock || minis == 0 || minis > block || block%minis != 0 {
		return nil, errValues
	}
	d.perMini, d.minis, d.left, d.value = int(block/minis), int(minis), count, first
	return d, nil
}

func (d *deltas) uvarint() (uint64, bool) {
	v, n := binary.Uvarint(d.b)
	d.b = d.b[max(n, 0):]
	return v, n > 0
}

func (d *deltas) varint() (int64, bool) {
	v, n := binary.Varint(d.b) // zigzag, as Parquet's
	d.b = d.b[max(n, 0):]
	return v, n > 0
}

func (d *deltas) next() (int64, bool) {
	if d.left == 0 {
		return 0, false
	}
	if d.started {
		if d.mini.left == 0 && !d.load() {
			return 0, false
		}
		delta, ok := d.mini.next()
		if !ok {
			return 0, false
		}
		d.value += d.minDelta + int64(delta) // may wrap, as it may where it was written
	}
	d.started = true
	d.left--
	return d.value, true
}

// load reads the next miniblock's head.
func (d *deltas) load() bool {
	if len(d.widths) == 0 {
		var ok bool
		if d.minDelta, ok = d.varint(); !ok || len(d.b) < d.minis {
			return false
		}
		d.widths, d.b = d.b[:d.minis], d.b[d.minis:]
	}
	width := int(d.widths[0])
	if width > 64 {
		return false
	}
	d.widths = d.widths[1:]
	size := min((d.perMini*width+7)/8, len(d.b))
	d.mini = bitReader{b: d.b[:size], width: width, left: d.perMini}
	d.b = d.b[size:]
	return true
}

// after returns what follows the integers. It looks at heads only.
func (d deltas) after() ([]byte, bool) {
	for left := max(d.left, 1) - 1; left > 0; left -= min(left, uint64(d.perMini)) {
		if !d.load() {
			return nil, false
		}
	}
	return d.b, true
}

type deltaInts struct {
	*deltas
	narrow bool
}

func newDeltaInts(kind parquet.Type, data []byte) (valueReader, error) {
	d, err := newDeltas(data)
	return deltaInts{d, kind == parquet.Types.Int32}, err
}

func (r deltaInts) next() (any, error) {
	v, ok := r.deltas.next()
	switch {
	case !ok:
		return nil, errValues
	case r.narrow:
		return int32(v), nil
	}
	return v, nil
}

// deltaLengths reads DELTA_LENGTH_BYTE_ARRAY: all lengths, then all bytes.
type deltaLengths struct {
	lengths *deltas
	data    []byte
}

func newDeltaLengths(data []byte) (*deltaLengths, error) {
	d, err := newDeltas(data)
	if err != nil {
		return nil, err
	}
	rest, ok := d.after()
	if !ok {
		return nil, errValues
	}
	return &deltaLengths{d, rest}, nil
}

func (r *deltaLengths) bytes() ([]byte, bool) {
	n, ok := r.lengths.next()
	if !ok || n < 0 || n > int64(len(r.data)) {
		return nil, false
	}
	v := r.data[:n:n]
	r.data = r.data[n:]
	return v, true
}

func (r *deltaLengths) next() (any, error) {
	v, ok := r.bytes()
	if !ok {
		return nil, errValues
	}
	return v, nil
}

// deltaBytes reads DELTA_BYTE_ARRAY: how much each value has in common with the
// one before, then the rest of each as [deltaLengths].
type deltaBytes struct {
	prefixes *deltas
	suffixes *deltaLengths
	last     []byte
}

func newDeltaBytes(data []byte) (valueReader, error) {
	d, err := newDeltas(data)
	if err != nil {
		return nil, err
	}
	rest, ok := d.after()
	if !ok {
		return nil, errValues
	}
	suffixes, err := newDeltaLengths(rest)
	return &deltaBytes{prefixes: d, suffixes: suffixes}, err
}

func (r *deltaBytes) next() (any, error) {
	n, ok := r.prefixes.next()
	suffix, okSuffix := r.suffixes.bytes()
	if !ok || !okSuffix || n < 0 || n > int64(len(r.last)) {
		return nil, errValues
	}
	r.last = append(r.last[:n], suffix...)
	return r.last, nil
}
