package jpegrgb

import "encoding/binary"

// bits reads the bits of a scan.
type bits struct {
	data  []byte
	pos   int
	acc   uint64 // the next bits, from the highest on
	n     int    // how many; less than none after reading beyond the end
	ended bool   // at a marker, or the data's end: what would follow is zeros
}

// fill makes it at least 32 bits, if there are as many.
func (b *bits) fill() {
	if b.ended {
		return
	}
	if rest := b.data[b.pos:]; len(rest) >= 8 {
		// Eight bytes without 0xff, the usual case, need no look at each. What is
		// put in beyond n comes again.
		v := binary.BigEndian.Uint64(rest)
		if not := ^v; (not-0x0101010101010101)&v&0x8080808080808080 == 0 {
			b.acc |= v >> uint(b.n)
			k := (64 - b.n) >> 3
			b.pos, b.n = b.pos+k, b.n+8*k
			return
		}
	}
	for b.n <= 56 {
		if b.pos >= len(b.data) {
			b.ended = true
			return
		}
		v, size := b.data[b.pos], 1
		if v == 0xff {
			if b.pos+1 >= len(b.data) || b.data[b.pos+1] != 0 {
				b.ended = true
				return
			}
			size = 2
		}
		b.acc |= uint64(v) << uint(56-b.n)
		b.pos, b.n = b.pos+size, b.n+8
	}
}

// take reads up to 16 bits.
func (b *bits) take(n uint) int32 {
	if b.n < 32 {
		b.fill()
	}
	v := int32(b.acc >> (64 - n))
	b.acc <<= n
	b.n -= int(n)
	return v
}

// signed reads a value of n bits, up to 15: a first bit of 0 makes it negative.
func (b *bits) signed(n uint) int32 { return extend(b.take(n), n) }

func extend(v int32, n uint) int32 {
	if n > 0 && v < 1<<(n-1) {
		v += 1 - 1<<n
	}
	return v
}
