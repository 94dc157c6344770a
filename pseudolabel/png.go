package pseudolabel

import (
	"bytes"
	"encoding/binary"

	"github.com/klauspost/compress/zlib"

	"micodata/internal/pngchunk"
)

// pngKind is a pixel format of PNG: bit depth and colour type.
type pngKind struct {
	bits, colour byte
	bytes        int // a pixel
}

// The two formats that are stored.
var (
	gray16 = pngKind{bits: 16, colour: 0, bytes: 2}
	rgb8   = pngKind{bits: 8, colour: 2, bytes: 3}
)

// pngWriter writes a PNG row by row, every row with the filter Sub (the
// difference to the pixel on the left), compressed by Huffman codes alone: smooth
// maps' differences are small numbers that hardly repeat as strings, so looking
// for those gains 1% of a set's size and takes as long as all the rest. Trying out
// all filters a row, as image/png does, takes five times as long for files of
// about the same size.
type pngWriter struct {
	kind     pngKind
	head     [13]byte // IHDR
	idat     bytes.Buffer
	deflate  *zlib.Writer
	filtered []byte
}

func newPNG(width, height int, kind pngKind) (*pngWriter, error) {
	w := &pngWriter{kind: kind, filtered: make([]byte, 1+width*kind.bytes)}
	binary.BigEndian.PutUint32(w.head[0:], uint32(width))
	binary.BigEndian.PutUint32(w.head[4:], uint32(height))
	w.head[8], w.head[9] = kind.bits, kind.colour
	w.filtered[0] = 1 // Sub
	var err error
	w.deflate, err = zlib.NewWriterLevel(&w.idat, zlib.HuffmanOnly)
	return w, err
}

// writeRow adds a row of big-endian samples.
func (w *pngWriter) writeRow(raw []byte) error {
	out := w.filtered[1:]
	left := w.kind.bytes
	copy(out, raw[:left])
	for i := left; i < len(raw); i++ {
		out[i] = raw[i] - raw[i-left]
	}
	_, err := w.deflate.Write(w.filtered)
	return err
}

// finish returns the file; all rows must have been written.
func (w *pngWriter) finish() ([]byte, error) {
	if err := w.deflate.Close(); err != nil {
		return nil, err
	}
	file := make([]byte, 0, w.idat.Len()+57)
	file = append(file, pngchunk.Signature...)
	file = pngchunk.Append(file, "IHDR", w.head[:])
	file = pngchunk.Append(file, "IDAT", w.idat.Bytes())
	return pngchunk.Append(file, "IEND", nil), nil
}
