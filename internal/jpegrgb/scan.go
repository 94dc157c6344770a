package jpegrgb

import (
	"errors"
	"fmt"
)

// unzig is the natural place of what is k-th in zigzag order.
var unzig = func() (at [64]byte) {
	// Along the diagonals, up and down in turn.
	k := 0
	for sum := range 15 {
		for i := max(0, sum-7); i <= min(sum, 7); i++ {
			y := i
			if sum%2 == 0 {
				y = sum - i
			}
			at[k] = byte(8*y + sum - y)
			k++
		}
	}
	return at
}()

// maxScans is more than pictures have; each costs a way through all blocks,
// however little data it has.
const maxScans = 500

// scan reads a scan: its header is s, its data follows.
func (d *decoder) scan(s []byte) error {
	if d.components == nil || len(s) < 6 || len(s) != 4+2*int(s[0]) {
		return errors.New("a scan's header is broken")
	}
	if d.scans++; d.scans > maxScans {
		return fmt.Errorf("more than %d scans", maxScans)
	}
	var some []*component
	for i := range int(s[0]) {
		c, err := d.chosen(int(s[1+2*i]), s[2+2*i], some)
		if err != nil {
			return err
		}
		some = append(some, c)
	}
	read, err := d.sequential, error(nil)
	if d.progressive {
		read, err = d.step(some, s[len(s)-3:])
	}
	if err != nil {
		return err
	}
	for _, c := range some {
		if err := d.begin(c); err != nil {
			return err
		}
	}
	d.bits = bits{data: d.data, pos: d.pos}
	d.run = 0
	return d.blocks(some, read)
}

// chosen finds the component of a scan.
func (d *decoder) chosen(id int, codes byte, others []*component) (*component, error) {
	for _, o := range others {
		if o.id == id {
			return nil, fmt.Errorf("component %d twice in a scan", id)
		}
	}
	for _, c := range d.components {
		if c.id != id {
			continue
		}
		if codes>>4 > 3 || codes&15 > 3 {
			return nil, errors.New("a scan's header is broken")
		}
		c.dc, c.dcCode, c.acCode = 0, d.codes[0][codes>>4], d.codes[1][codes&15]
		return c, nil
	}
	return nil, fmt.Errorf("a scan of component %d, which isn't there", id)
}

// begin makes a component ready for a scan.
func (d *decoder) begin(c *component) error {
	switch first := c.quant == nil; {
	case !first && !d.progressive:
		return fmt.Errorf("two scans of component %d", c.id)
	case first:
		if c.quant = d.quants[c.table]; c.quant == nil {
			return fmt.Errorf("no table of quantisation %d", c.table)
		}
	}
	dc, ac := !d.progressive || d.first == 0 && !d.refines, !d.progressive || d.first > 0
	if dc && c.dcCode == nil || ac && c.acCode == nil {
		// Frames of Motion JPEG leave the usual codes out.
		return fmt.Errorf("%w: no Huffman table", ErrUnsupported)
	}
	return nil
}

// blocks reads the blocks of a scan.
func (d *decoder) blocks(some []*component, read func(*component, int) error) error {
	wide, high := d.mcus()
	if len(some) == 1 {
		wide, high = some[0].across, some[0].down
	}
	n := 0
	for y := range high {
		for x := range wide {
			if d.interval > 0 && n > 0 && n%d.interval == 0 {
				if err := d.restart(some, rst0+byte(n/d.interval-1)%8); err != nil {
					return err
				}
			}
			n++
			if len(some) == 1 {
				if err := read(some[0], y*some[0].stride/8+x); err != nil {
					return err
				}
				continue
			}
			for _, c := range some {
				for i := range c.h * c.v {
					at := (y*c.v+i/c.h)*c.stride/8 + x*c.h + i%c.h
					if err := read(c, at); err != nil {
						return err
					}
				}
			}
		}
	}
	return nil
}

// restart goes over a marker that the data of some MCUs ends with.
func (d *decoder) restart(some []*component, want byte) error {
	d.fill()
	at := d.pos
	for at+1 < len(d.data) && d.data[at] == 0xff && d.data[at+1] == 0xff {
		at++
	}
	if !d.ended || d.n >= 8 || at+1 >= len(d.data) || d.data[at+1] != want {
		return errors.New("a restart isn't where it belongs")
	}
	d.bits = bits{data: d.data, pos: at + 2}
	d.run = 0
	for _, c := range some {
		c.dc = 0
	}
	return nil
}

// nextDC adds the difference that stands next to a component's DC coefficient.
func (d *decoder) nextDC(c *component) error {
	if d.n < 32 {
		d.fill()
	}
	size := uint(d.symbol(c.dcCode))
	if size > 15 {
		return errCode
	}
	c.dc += d.signed(size)
	return nil
}

// sequential reads a block and makes samples of it.
func (d *decoder) sequential(c *component, at int) error {
	if err := d.nextDC(c); err != nil {
		return err
	}
	q, coefficients, code := c.quant, &d.block, c.acCode
	coefficients[0] = int32(int16(c.dc)) * q[0]
	k := 1
	for ; k < 64; k++ {
		if d.n < 32 {
			d.fill()
		}
		var v int32
		if e := code.whole[d.acc>>(64-lookBits)]; e != 0 {
			d.acc <<= uint(e & 63)
			d.n -= int(e & 63)
			k += int(e >> 8 & 15)
			v = e >> 16
		} else {
			symbol := d.symbol(code)
			zeros, size := int(symbol>>4), uint(symbol&15)
			if size == 0 && zeros < 15 {
				break
			}
			if k += zeros; size == 0 {
				continue
			}
			v = extend(int32(d.acc>>(64-size)), size)
			d.acc <<= size
			d.n -= int(size)
		}
		if k > 63 {
			return errors.New("a block of more than 64 coefficients")
		}
		coefficients[unzig[k]&63] = v * q[k]
	}
	if d.n < 0 {
		return d.overrun()
	}
	x, y := at%(c.stride/8), at/(c.stride/8)
	out := c.samples[8*(y*c.stride+x):]
	if k == 1 {
		flat(out, c.stride, coefficients[0])
		return nil
	}
	inverse(out, c.stride, coefficients)
	clear(coefficients[:])
	return nil
}

// overrun says why there are less than no bits.
func (d *decoder) overrun() error {
	if d.n < broken/2 {
		return errCode
	}
	return errTruncated
}
