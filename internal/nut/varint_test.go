package nut

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"testing"
)

// endless gives one byte for ever, and counts.
type endless struct {
	b byte
	n int
}

func (e *endless) Read(p []byte) (int, error) {
	if e.n += len(p); e.n > 1<<20 {
		return 0, io.ErrNoProgress // or a reader that takes it all would never end
	}
	for i := range p {
		p[i] = e.b
	}
	return len(p), nil
}

// Zero digits without an end are no number, and take no memory.
func TestEndlessNumber(t *testing.T) {
	zeros := &endless{b: 0x80}
	head := binary.BigEndian.AppendUint64([]byte(fileID), mainStart)
	if _, err := NewReader(io.MultiReader(bytes.NewReader(head), zeros), 1<<20); !errors.Is(err, ErrCorrupt) {
		t.Errorf("got %v", err)
	}
	if zeros.n > readBuffer {
		t.Errorf("read %d bytes of it", zeros.n)
	}
	c := cursor{rest: bytes.Repeat([]byte{0x80}, 100)}
	if c.v(); !errors.Is(c.err, ErrCorrupt) {
		t.Errorf("in a header: %v", c.err)
	}
}

func TestLongestNumber(t *testing.T) {
	for _, n := range []uint64{0, 0x7f, 0x80, math.MaxInt64, math.MaxUint64} {
		c := cursor{rest: appendVarint(nil, n)}
		if got := c.v(); got != n || c.err != nil || len(c.rest) != 0 {
			t.Errorf("%d came back as %d, %v", n, got, c.err)
		}
	}
}
