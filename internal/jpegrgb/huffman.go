package jpegrgb

import "errors"

// lookBits is how many bits are looked up at once; longer codes are rare.
const lookBits = 9

// huffman is a code.
type huffman struct {
	look    [1 << lookBits]uint16 // by the next bits: the code's length, 0 if it's longer, << 8 | symbol
	whole   [1 << lookBits]int32  // where the value fits in too: value<<16 | zeros<<8 | length of both, else 0
	end     [17]int32             // by length: first number that isn't a code's, aligned to 16 bits
	offset  [17]int32             // by length: of a code's symbol from the code
	symbols [256]byte
}

var errCode = errors.New("what isn't a Huffman code")

// readCodes reads tables of codes.
func (d *decoder) readCodes(s []byte) error {
	for len(s) > 0 {
		if len(s) < 17 || s[0]>>4 > 1 || s[0]&15 > 3 {
			return errors.New("a Huffman table is broken")
		}
		n := 0
		for _, count := range s[1:17] {
			n += int(count)
		}
		if n > 256 || len(s) < 17+n {
			return errors.New("a Huffman table is broken")
		}
		h, err := newHuffman(s[1:17], s[17:17+n])
		if err != nil {
			return err
		}
		d.codes[s[0]>>4][s[0]&15] = h
		s = s[17+n:]
	}
	return nil
}

func newHuffman(counts, symbols []byte) (*huffman, error) {
	h := new(huffman)
	copy(h.symbols[:], symbols)
	code, i := 0, 0
	for length := 1; length <= 16; length++ {
		h.offset[length] = int32(i - code)
		for range counts[length-1] {
			if code >= 1<<length {
				return nil, errors.New("a Huffman table has too many codes")
			}
			if length <= lookBits {
				h.enter(code, length, symbols[i])
			}
			code, i = code+1, i+1
		}
		h.end[length] = int32(code) << (16 - length)
		code <<= 1
	}
	return h, nil
}

// enter makes all entries that begin with a short code.
func (h *huffman) enter(code, length int, symbol byte) {
	size := uint(symbol & 15)
	both := length + int(size)
	for i := code << (lookBits - length); i < (code+1)<<(lookBits-length); i++ {
		h.look[i] = uint16(length)<<8 | uint16(symbol)
		if size > 0 && both <= lookBits {
			v := int32(i>>(lookBits-both)) & (1<<size - 1)
			h.whole[i] = extend(v, size)<<16 | int32(symbol>>4)<<8 | int32(both)
		}
	}
}

// symbol reads a symbol; there must be 16 bits, or the end. What isn't a code is
// as if the data had ended.
func (b *bits) symbol(h *huffman) byte {
	if e := h.look[b.acc>>(64-lookBits)]; e != 0 {
		b.acc <<= e >> 8
		b.n -= int(e >> 8)
		return byte(e)
	}
	return b.long(h)
}

func (b *bits) long(h *huffman) byte {
	next := int32(b.acc >> 48)
	for length := lookBits + 1; length <= 16; length++ {
		if next < h.end[length] {
			b.acc <<= uint(length)
			b.n -= length
			return h.symbols[byte(next>>(16-length)+h.offset[length])]
		}
	}
	b.acc, b.n, b.ended = 0, broken, true
	return 0
}

// broken is a number of bits from which no reading gets away.
const broken = -1 << 30
