package table

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"math/bits"

	"github.com/apache/arrow/go/v15/parquet"
	"github.com/apache/arrow/go/v15/parquet/schema"
)

// maxEntries bounds a column chunk's entries: each counts 8 bytes towards a row
// group, which stays below maxRowBytes.
const maxEntries = maxRowBytes / 8

var (
	errLevels = errors.New("a page's levels are broken")
	errValues = errors.New("a page's values end early")
)

// readFrom reads a whole column chunk of the pages that [Writer] makes: version
// 1, PLAIN. Blobs are slices of their pages' memory, one page each, so that
// nothing is copied and each is freed on its own.
func (b *buffer) readFrom(pages *pageReader, column *schema.Column) error {
	for {
		page, err := pages.next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if page.kind != dataPageV1 || page.encoding != encodingPlain || page.def != encodingRLE || page.rep != encodingRLE {
			return fmt.Errorf("a page is not a plain data page of version 1")
		}
		n, data := int(page.values), page.data
		if n > maxEntries-len(b.def) {
			return errLevels
		}
		if column.MaxRepetitionLevel() > 0 {
			if b.rep, data, err = readLevels(b.rep, data, n, column.MaxRepetitionLevel()); err != nil {
				return err
			}
		}
		first := len(b.def)
		if b.def, data, err = readLevels(b.def, data, n, column.MaxDefinitionLevel()); err != nil {
			return err
		}
		values := 0
		for _, d := range b.def[first:] {
			if d == column.MaxDefinitionLevel() {
				values++
			}
		}
		if err := b.readPlain(column.PhysicalType(), data, values); err != nil {
			return err
		}
		if values == 1 {
			b.ends = append(b.ends, page.end)
		}
	}
}

// readLevels appends n levels from the front of a version 1 page and returns
// what follows them.
func readLevels(to []int16, page []byte, n int, max int16) (_ []int16, rest []byte, err error) {
	runs, rest, ok := cutSized(page)
	if !ok {
		return nil, nil, errLevels
	}
	h := hybrid{b: runs, width: bits.Len16(uint16(max))}
	for range n {
		v, ok := h.next()
		if !ok || v > uint32(max) {
			return nil, nil, errLevels
		}
		to = append(to, int16(v))
	}
	return to, rest, nil
}

// readPlain appends n values of a physical type.
func (b *buffer) readPlain(kind parquet.Type, data []byte, n int) error {
	var err error
	switch kind {
	case parquet.Types.ByteArray:
		b.bytes, err = readByteArrays(b.bytes, data, n)
	case parquet.Types.Boolean:
		if len(data) < (n+7)/8 {
			return errValues
		}
		for i := range n {
			b.bools = append(b.bools, data[i/8]>>(i%8)&1 == 1)
		}
	case parquet.Types.Int32:
		b.int32s, err = readFixed(b.int32s, data, n, 4, func(p []byte) int32 { return int32(binary.LittleEndian.Uint32(p)) })
	case parquet.Types.Int64:
		b.int64s, err = readFixed(b.int64s, data, n, 8, func(p []byte) int64 { return int64(binary.LittleEndian.Uint64(p)) })
	case parquet.Types.Float:
		b.float32s, err = readFixed(b.float32s, data, n, 4, func(p []byte) float32 { return math.Float32frombits(binary.LittleEndian.Uint32(p)) })
	case parquet.Types.Double:
		b.float64s, err = readFixed(b.float64s, data, n, 8, func(p []byte) float64 { return math.Float64frombits(binary.LittleEndian.Uint64(p)) })
	default:
		err = fmt.Errorf("no reader for %s", kind)
	}
	return err
}

func readByteArrays(to [][]byte, data []byte, n int) ([][]byte, error) {
	for range n {
		if len(data) < 4 || int64(binary.LittleEndian.Uint32(data)) > int64(len(data)-4) {
			return nil, errValues
		}
		end := 4 + int(binary.LittleEndian.Uint32(data))
		to = append(to, data[4:end:end])
		data = data[end:]
	}
	return to, nil
}

func readFixed[T any](to []T, data []byte, n, size int, get func([]byte) T) ([]T, error) {
	if len(data) < n*size {
		return nil, errValues
	}
	for i := range n {
		to = append(to, get(data[i*size:]))
	}
	return to, nil
}
