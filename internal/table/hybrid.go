package table

import "encoding/binary"

// hybrid reads Parquet's RLE/bit-packing hybrid, a value at a time: runs of one
// value, and runs of packed ones in multiples of eight.
type hybrid struct {
	b      []byte
	width  int // bits of a value, 0 to 32
	value  uint32
	run    uint64 // repeats of value still to come
	packed bitReader
}

func (h *hybrid) next() (uint32, bool) {
	for h.run == 0 {
		if v, ok := h.packed.next(); ok {
			return uint32(v), true
		}
		if !h.load() {
			return 0, false
		}
	}
	h.run--
	return h.value, true
}

// load reads the next run's head.
func (h *hybrid) load() bool {
	head, n := binary.Uvarint(h.b)
	if n <= 0 {
		return false
	}
	h.b = h.b[n:]
	count := head >> 1
	if head&1 == 1 {
		// The last run of a page may be cut where its values end.
		size := int(min(count*uint64(h.width), uint64(len(h.b))))
		if count > 1<<28 {
			return false
		}
		h.packed = bitReader{b: h.b[:size], width: h.width, left: int(count) * 8}
		h.b = h.b[size:]
		return true
	}
	size := (h.width + 7) / 8
	if len(h.b) < size {
		return false
	}
	h.value, h.run = 0, count
	for i, c := range h.b[:size] {
		h.value |= uint32(c) << (8 * i)
	}
	h.b = h.b[size:]
	return true
}

// bitReader reads that many values of that many bits each, lowest bit first.
type bitReader struct {
	b     []byte
	width int // 0 to 64
	left  int
	at    int // bit
}

func (r *bitReader) next() (uint64, bool) {
	if r.left == 0 || r.at+r.width > len(r.b)*8 {
		return 0, false
	}
	r.left--
	v, shift := uint64(0), 0
	for shift < r.width {
		low := r.at % 8
		take := min(8-low, r.width-shift)
		v |= uint64(r.b[r.at/8]>>low&(1<<take-1)) << shift
		shift += take
		r.at += take
	}
	return v, true
}
