package jpegrgb

import "errors"

var errTurn = errors.New("a progressive scan is out of turn")

// step reads how a progressive scan goes on: coefficients first to last, with the
// bits down to low.
func (d *decoder) step(some []*component, s []byte) (func(*component, int) error, error) {
	first, last, high, low := int(s[0]), int(s[1]), int(s[2]>>4), int(s[2]&15)
	if last > 63 || first > last || low > 13 || first == 0 && last > 0 || first > 0 && len(some) > 1 {
		return nil, errors.New("a progressive scan's header is broken")
	}
	d.first, d.last, d.low, d.refines = first, last, uint(low), high > 0
	for _, c := range some {
		for k := first; k <= last; k++ {
			// Each bit comes once. It also bounds how many scans there can be.
			m := &c.missing[unzig[k]]
			if d.refines && (int(*m) != high || high != low+1) || !d.refines && *m != -1 {
				return nil, errTurn
			}
			*m = int8(low)
		}
		if first > 0 && c.missing[0] < 0 {
			return nil, errTurn
		}
	}
	switch {
	case first == 0 && d.refines:
		return d.refineDC, nil
	case first == 0:
		return d.firstDC, nil
	case d.refines:
		return d.refineAC, nil
	}
	return d.firstAC, nil
}

func (d *decoder) firstDC(c *component, at int) error {
	if err := d.nextDC(c); err != nil {
		return err
	}
	c.coefficients[at][0] = int16(c.dc << d.low)
	if d.n < 0 {
		return d.overrun()
	}
	return nil
}

func (d *decoder) refineDC(c *component, at int) error {
	c.coefficients[at][0] |= int16(d.take(1) << d.low)
	if d.n < 0 {
		return d.overrun()
	}
	return nil
}

func (d *decoder) firstAC(c *component, at int) error {
	if d.run > 0 {
		d.run--
		return nil
	}
	block := &c.coefficients[at]
	for k := d.first; k <= d.last; k++ {
		if d.n < 32 {
			d.fill()
		}
		symbol := d.symbol(c.acCode)
		zeros, size := int(symbol>>4), uint(symbol&15)
		if size == 0 && zeros < 15 {
			d.run = 1<<zeros - 1 + int(d.take(uint(zeros)))
			break
		}
		k += zeros
		if size == 0 {
			continue
		}
		if k > d.last {
			return errors.New("a block of too many coefficients")
		}
		block[unzig[k]] = int16(d.signed(size) << d.low)
	}
	if d.n < 0 {
		return d.overrun()
	}
	return nil
}

// refineAC reads a bit more of each coefficient: of those that aren't zero it
// follows where they are passed, among the codes of those that become so.
func (d *decoder) refineAC(c *component, at int) error {
	block, k := &c.coefficients[at], d.first
	for ; d.run == 0 && k <= d.last; k++ {
		if d.n < 32 {
			d.fill()
		}
		symbol := d.symbol(c.acCode)
		zeros, size := int(symbol>>4), symbol&15
		if size == 0 && zeros < 15 {
			d.run = 1<<zeros + int(d.take(uint(zeros)))
			break
		}
		if size > 1 {
			return errCode
		}
		var v int16
		if size == 1 {
			v = int16(2*d.take(1)-1) << d.low
		}
		if k = d.pass(block, k, zeros); v != 0 {
			if k > d.last {
				return errors.New("a block of too many coefficients")
			}
			block[unzig[k]] = v
		}
	}
	if d.run > 0 {
		d.pass(block, k, 64)
		d.run--
	}
	if d.n < 0 {
		return d.overrun()
	}
	return nil
}

// pass goes over some zeros, to the one after them, and refines what is between.
func (d *decoder) pass(block *[64]int16, k, zeros int) int {
	for ; k <= d.last; k++ {
		v := &block[unzig[k]]
		switch {
		case *v == 0 && zeros == 0:
			return k
		case *v == 0:
			zeros--
		case d.take(1) == 0:
		case *v > 0:
			*v += 1 << d.low
		default:
			*v -= 1 << d.low
		}
	}
	return k
}

// transformAll makes the samples of a progressive picture's component.
func (d *decoder) transformAll(c *component) {
	if !d.progressive {
		return
	}
	wide := c.stride / 8
	for y := range c.down {
		for x := range c.across {
			block := &c.coefficients[y*wide+x]
			rest := int16(0)
			for k, at := range unzig {
				v := block[at]
				if d.block[at] = int32(v) * c.quant[k]; k > 0 {
					rest |= v
				}
			}
			out := c.samples[8*(y*c.stride+x):]
			if rest == 0 {
				flat(out, c.stride, d.block[0])
			} else {
				inverse(out, c.stride, &d.block)
			}
		}
	}
}
