package table

// cursor walks over one leaf of a row group that was read into a buffer.
type cursor struct {
	buffer
	entry, value int // next of each
	broken       bool
	off          bool // the leaf is not read: it has no values
}

// level is the definition level of the next entry.
func (c *cursor) level() int16 {
	if c.off {
		return -1
	}
	if c.entry >= len(c.def) {
		c.broken = true
		return -1
	}
	return c.def[c.entry]
}

// continues tells whether the next entry belongs to the list of the last one.
func (c *cursor) continues() bool { return c.entry < len(c.rep) && c.rep[c.entry] > 0 }

// ended tells whether the next entry starts a row, or there is none.
func (c *cursor) ended() bool { return !c.broken && !c.continues() }

// take takes an entry and tells whether it has a value, and which. A leaf's
// value is there at its highest definition level only.
func (c *cursor) take(max int16, values int) (int, bool) {
	present := c.level() == max
	c.entry++
	if !present {
		return 0, false
	}
	c.value++
	if c.value > values {
		c.broken = true
		return 0, false
	}
	return c.value - 1, true
}

func (c *cursor) takeBytes(max int16) ([]byte, bool) {
	i, ok := c.take(max, len(c.bytes))
	if !ok {
		return nil, false
	}
	return c.bytes[i], true
}

func takeScalar[T Scalar](c *cursor, max int16) (v T, ok bool) {
	var i int
	switch p := any(&v).(type) {
	case *string:
		var b []byte
		b, ok = c.takeBytes(max)
		*p = string(b)
	case *bool:
		if i, ok = c.take(max, len(c.bools)); ok {
			*p = c.bools[i]
		}
	case *int32:
		if i, ok = c.take(max, len(c.int32s)); ok {
			*p = c.int32s[i]
		}
	case *int64:
		if i, ok = c.take(max, len(c.int64s)); ok {
			*p = c.int64s[i]
		}
	case *float32:
		if i, ok = c.take(max, len(c.float32s)); ok {
			*p = c.float32s[i]
		}
	case *float64:
		if i, ok = c.take(max, len(c.float64s)); ok {
			*p = c.float64s[i]
		}
	}
	return v, ok
}
