package nut

import (
	"fmt"
	"math"
)

// A cursor takes fields from the payload of a header packet. After a field that
// is not there, err is set and all fields are 0.
type cursor struct {
	rest []byte
	err  error
}

func (c *cursor) fail(format string, args ...any) {
	if c.err == nil {
		c.err = fmt.Errorf("%w: "+format, append([]any{ErrCorrupt}, args...)...)
	}
	c.rest = nil
}

func (c *cursor) byte() byte {
	if len(c.rest) == 0 {
		c.fail("header ends early")
		return 0
	}
	b := c.rest[0]
	c.rest = c.rest[1:]
	return b
}

// v is an unsigned number, seven bits a byte, the highest first.
func (c *cursor) v() uint64 {
	n, err := readVarint(func() (byte, error) { b := c.byte(); return b, c.err })
	if err != nil {
		c.fail("%v", err)
		return 0
	}
	return n
}

// upTo is a number that may be no larger than limit.
func (c *cursor) upTo(limit uint64, what string) int {
	n := c.v()
	if n > limit {
		c.fail("%s is %d, more than %d", what, n, limit)
		return 0
	}
	return int(n)
}

// s is a signed number: 0, 1, -1, 2, -2, ... are 0, 1, 2, 3, 4.
func (c *cursor) s() int64 { return signed(c.v()) }

func (c *cursor) bytes(n int) []byte {
	if n > len(c.rest) {
		c.fail("header ends early")
		return nil
	}
	b := c.rest[:n:n]
	c.rest = c.rest[n:]
	return b
}

func signed(v uint64) int64 {
	v++
	if v&1 != 0 {
		return -int64(v >> 1)
	}
	return int64(v >> 1)
}

// maxVarintBytes is what 64 bits take at seven a byte. The specification lets a
// number begin with any count of zero digits, which nobody writes.
const maxVarintBytes = 10

func readVarint(next func() (byte, error)) (uint64, error) {
	var n uint64
	for range maxVarintBytes {
		b, err := next()
		if err != nil {
			return 0, err
		}
		if n > math.MaxUint64>>7 {
			return 0, fmt.Errorf("%w: number of more than 64 bits", ErrCorrupt)
		}
		n = n<<7 | uint64(b&0x7f)
		if b&0x80 == 0 {
			return n, nil
		}
	}
	return 0, fmt.Errorf("%w: number of more than %d bytes", ErrCorrupt, maxVarintBytes)
}

func appendVarint(p []byte, n uint64) []byte {
	shift := 0
	for n>>shift > 0x7f {
		shift += 7
	}
	for ; shift > 0; shift -= 7 {
		p = append(p, 0x80|byte(n>>shift))
	}
	return append(p, byte(n&0x7f))
}
