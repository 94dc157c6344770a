package table

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
)

// metaBlobs is the footer's list of where every blob is, so that sizes and
// offsets can be had without reading a page. Per blob leaf, in schema order: the
// number of blobs, then of each the rows since the one before, the element,
// the bytes since the end of the one before, and its size, all as
// unsigned varints; the whole in base64.
const metaBlobs = "micodata.blobs"

// BlobPlace tells where a blob's bytes stand in the file.
type BlobPlace struct {
	Column string // dotted Parquet path of the leaf, e.g. "video.bytes"
	Row    int64  // row in the file
	Elem   int    // element in the row's list; 0 outside lists
	Offset int64  // of the first byte in the file
	Size   int64
}

// placeEncoder gathers the places of one leaf.
type placeEncoder struct {
	n        uint64
	row, end int64 // of the last blob
	list     []byte
}

func (e *placeEncoder) add(p BlobPlace) {
	e.list = binary.AppendUvarint(e.list, uint64(p.Row-e.row))
	e.list = binary.AppendUvarint(e.list, uint64(p.Elem))
	e.list = binary.AppendUvarint(e.list, uint64(p.Offset-e.end))
	e.list = binary.AppendUvarint(e.list, uint64(p.Size))
	e.n, e.row, e.end = e.n+1, p.Row, p.Offset+p.Size
}

func encodePlaces(leaves []leaf, places []placeEncoder) string {
	var b []byte
	for i, l := range leaves {
		if l.isBlob {
			b = binary.AppendUvarint(b, places[i].n)
			b = append(b, places[i].list...)
		}
	}
	return base64.RawStdEncoding.EncodeToString(b)
}

var errPlaces = errors.New("the footer's list of blobs is broken")

// decodePlaces reads what encodePlaces wrote, for a file of that many rows and
// bytes.
func decodePlaces(leaves []leaf, text string, rows, size int64) ([]BlobPlace, error) {
	b, err := base64.RawStdEncoding.DecodeString(text)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errPlaces, err)
	}
	d := varints{b: b}
	var out []BlobPlace
	for _, l := range leaves {
		if !l.isBlob {
			continue
		}
		p := BlobPlace{Column: l.path}
		for n := d.next(); n > 0; n-- {
			p.Row += d.next()
			p.Elem = int(d.next())
			p.Offset += p.Size + d.next()
			p.Size = d.next()
			if d.broken || p.Row >= rows || p.Elem > maxElems || p.Offset > size || p.Size > size-p.Offset {
				return nil, errPlaces
			}
			out = append(out, p)
		}
	}
	if d.broken || len(d.b) != 0 {
		return nil, errPlaces
	}
	return out, nil
}

// maxElems is more elements than any list of blobs in a row has.
const maxElems = 1 << 20

// varints reads unsigned varints that fit 48 bits, so that sums of a few of them
// cannot overflow.
type varints struct {
	b      []byte
	broken bool
}

func (v *varints) next() int64 {
	u, n := binary.Uvarint(v.b)
	if n <= 0 || u >= 1<<48 {
		v.b, v.broken = nil, true
		return 0
	}
	v.b = v.b[n:]
	return int64(u)
}
