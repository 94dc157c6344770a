package table

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/apache/arrow/go/v15/parquet"
	"github.com/apache/arrow/go/v15/parquet/schema"
)

// valueReader decodes a page's values one by one, errValues where they end.
// What memory it takes is bounded by the page's.
type valueReader interface {
	next() (any, error)
}

// plain reads PLAIN values, each by get, which returns what follows.
type plain struct {
	data []byte
	get  func([]byte) (v any, rest []byte, ok bool)
}

func newPlain(column *schema.Column, data []byte) (valueReader, error) {
	var get func([]byte) (any, []byte, bool)
	switch kind := column.PhysicalType(); kind {
	case parquet.Types.Boolean:
		return &rleBools{h: hybrid{width: 1, packed: bitReader{b: data, width: 1, left: len(data) * 8}}}, nil
	case parquet.Types.ByteArray:
		get = func(b []byte) (any, []byte, bool) {
			v, rest, ok := cutSized(b)
			return v, rest, ok
		}
	case parquet.Types.FixedLenByteArray:
		size := column.TypeLength()
		if size < 0 {
			return nil, errValues
		}
		get = fixed(size, func(b []byte) any { return b })
	case parquet.Types.Int32:
		get = fixed(4, func(b []byte) any { return int32(binary.LittleEndian.Uint32(b)) })
	case parquet.Types.Int64:
		get = fixed(8, func(b []byte) any { return int64(binary.LittleEndian.Uint64(b)) })
	case parquet.Types.Float:
		get = fixed(4, func(b []byte) any { return math.Float32frombits(binary.LittleEndian.Uint32(b)) })
	case parquet.Types.Double:
		get = fixed(8, func(b []byte) any { return math.Float64frombits(binary.LittleEndian.Uint64(b)) })
	default:
		return nil, fmt.Errorf("no reader for %s", kind)
	}
	return &plain{data, get}, nil
}

func fixed(size int, get func([]byte) any) func([]byte) (any, []byte, bool) {
	return func(b []byte) (any, []byte, bool) {
		if len(b) < size {
			return nil, nil, false
		}
		return get(b[:size:size]), b[size:], true
	}
}

func (p *plain) next() (any, error) {
	v, rest, ok := p.get(p.data)
	if !ok {
		return nil, errValues
	}
	p.data = rest
	return v, nil
}

// rleBools reads booleans in the hybrid, and plain ones, which are one packed
// run.
type rleBools struct{ h hybrid }

func newRLEBools(data []byte) (valueReader, error) {
	runs, _, ok := cutSized(data)
	if !ok {
		return nil, errValues
	}
	return &rleBools{hybrid{b: runs, width: 1}}, nil
}

func (r *rleBools) next() (any, error) {
	v, ok := r.h.next()
	if !ok {
		return nil, errValues
	}
	return v == 1, nil
}

// indexed reads places in a dictionary: their width in bits, then the hybrid.
type indexed struct {
	dictionary []any
	h          hybrid
}

func newIndexed(dictionary []any, data []byte) valueReader {
	r := &indexed{dictionary: dictionary}
	if len(data) > 0 && data[0] <= 32 { // else it has no values
		r.h = hybrid{b: data[1:], width: int(data[0])}
	}
	return r
}

func (r *indexed) next() (any, error) {
	i, ok := r.h.next()
	if !ok || uint64(i) >= uint64(len(r.dictionary)) {
		return nil, errValues
	}
	return r.dictionary[i], nil
}
