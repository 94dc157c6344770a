package jpegrgb

import (
	"errors"
	"fmt"
)

// Reasons for which a picture that may be fine is not read.
var (
	ErrUnsupported = errors.New("a kind of JPEG that isn't read")
	ErrTooLarge    = errors.New("too many pixels")
)

const (
	sof0, sof1, sof2 = 0xc0, 0xc1, 0xc2 // baseline, extended sequential, progressive
	dht, jpg, dac    = 0xc4, 0xc8, 0xcc
	rst0, rst7       = 0xd0, 0xd7
	soi, eoi, sos    = 0xd8, 0xd9, 0xda
	dqt, dri         = 0xdb, 0xdd
	app0, app14      = 0xe0, 0xee
	tem              = 0x01
)

// A component is one of the picture's channels.
type component struct {
	id, h, v       int    // sampling factors
	table          int    // of quantisation
	quant          *quant // that table as it was at the component's first scan
	width, height  int    // in samples
	across, down   int    // in blocks, without those that only fill up an MCU
	stride         int    // in samples, with them
	samples        []byte
	coefficients   [][64]int16 // progressive: of the blocks, row by row, in natural order
	missing        [64]int8    // progressive: how many low bits of each are still to come, -1 for all
	dc             int32       // of the block before
	dcCode, acCode *huffman    // of this scan
}

// quant is a table of quantisation in zigzag order.
type quant [64]int32

type decoder struct {
	bits
	maxPixels     int
	width, height int
	hmax, vmax    int
	progressive   bool
	components    []*component
	quants        [4]*quant
	codes         [2][4]*huffman // of DC and AC
	interval      int            // of restarts, in MCUs
	scans         int
	jfif          bool
	transform     int // of Adobe's marker, -1 without one
	block         [64]int32
	// Of the progressive scan.
	first, last int
	low         uint
	refines     bool
	run         int // blocks that are still to be passed over
}

// Decode gives interleaved RGB of a JPEG of at most maxPixels. Of the errors some
// wrap [ErrUnsupported] or [ErrTooLarge]; for all others the data is broken.
func Decode(data []byte, maxPixels int) (rgb []byte, width, height int, err error) {
	d := &decoder{bits: bits{data: data}, maxPixels: maxPixels, transform: -1}
	if err := d.read(); err != nil {
		return nil, 0, 0, fmt.Errorf("JPEG: %w", err)
	}
	return d.rgb(), d.width, d.height, nil
}

// read goes through the segments.
func (d *decoder) read() error {
	if len(d.data) < 2 || d.data[0] != 0xff || d.data[1] != soi {
		return errors.New("it doesn't begin as one")
	}
	d.pos = 2
	for {
		marker, err := d.marker()
		if err != nil {
			return err
		}
		switch {
		case marker == eoi:
			return d.finish()
		case marker == tem || marker >= rst0 && marker <= rst7: // alone
			continue
		case marker == soi:
			return errors.New("it begins twice")
		}
		segment, err := d.segment()
		if err != nil {
			return err
		}
		switch {
		case marker == dqt:
			err = d.readQuants(segment)
		case marker == dht:
			err = d.readCodes(segment)
		case marker == dri:
			if len(segment) != 2 {
				return errShort
			}
			d.interval = int(segment[0])<<8 | int(segment[1])
		case marker == app0:
			d.jfif = d.jfif || len(segment) >= 14 && string(segment[:5]) == "JFIF\x00"
		case marker == app14:
			if len(segment) >= 12 && string(segment[:5]) == "Adobe" {
				d.transform = int(segment[11])
			}
		case marker >= sof0 && marker <= sof2:
			d.progressive = marker == sof2
			err = d.readFrame(segment)
		case marker > sof2 && marker < soi && marker != jpg && marker != dac:
			return fmt.Errorf("%w: process %d", ErrUnsupported, marker-sof0)
		case marker == sos:
			err = d.scan(segment)
		case marker < app0 && marker != dac:
			return fmt.Errorf("marker %02x", marker)
		}
		if err != nil {
			return err
		}
	}
}

var (
	errShort     = errors.New("a segment isn't of its length")
	errTruncated = errors.New("it ends early")
)

// marker finds the next marker. Like libjpeg it passes over what is between the
// segments, which includes the rest of a scan's last byte.
func (d *decoder) marker() (byte, error) {
	for ; d.pos+1 < len(d.data); d.pos++ {
		if m := d.data[d.pos+1]; d.data[d.pos] == 0xff && m != 0 && m != 0xff {
			d.pos += 2
			return m, nil
		}
	}
	return 0, errTruncated
}

func (d *decoder) segment() ([]byte, error) {
	rest := d.data[d.pos:]
	if len(rest) < 2 {
		return nil, errTruncated
	}
	n := int(rest[0])<<8 | int(rest[1])
	if n < 2 {
		return nil, errShort
	}
	if n > len(rest) {
		return nil, errTruncated
	}
	d.pos += n
	return rest[2:n], nil
}

func (d *decoder) readQuants(s []byte) error {
	for len(s) > 0 {
		wide, id := int(s[0]>>4), s[0]&15
		if s = s[1:]; wide > 1 || id > 3 || len(s) < 64<<wide {
			return errors.New("a table of quantisation is broken")
		}
		q := new(quant)
		for i := range q {
			if q[i] = int32(s[i]); wide == 1 {
				q[i] = int32(s[2*i])<<8 | int32(s[2*i+1])
			}
		}
		d.quants[id] = q // a new one: a component keeps what it began with
		s = s[64<<wide:]
	}
	return nil
}

func (d *decoder) readFrame(s []byte) error {
	switch {
	case d.components != nil:
		return errors.New("two frames")
	case len(s) < 6 || len(s) != 6+3*int(s[5]):
		return errShort
	case s[0] != 8:
		return fmt.Errorf("%w: %d bits a sample", ErrUnsupported, s[0])
	case s[5] != 1 && s[5] != 3:
		return fmt.Errorf("%w: %d components", ErrUnsupported, s[5])
	}
	d.height, d.width = int(s[1])<<8|int(s[2]), int(s[3])<<8|int(s[4])
	if d.width < 1 || d.height < 1 {
		return fmt.Errorf("its size is %dx%d", d.width, d.height)
	}
	if d.width > d.maxPixels/d.height {
		return fmt.Errorf("%w: %dx%d is more than %d", ErrTooLarge, d.width, d.height, d.maxPixels)
	}
	for s = s[6:]; len(s) > 0; s = s[3:] {
		c := &component{id: int(s[0]), h: int(s[1] >> 4), v: int(s[1] & 15), table: int(s[2])}
		if c.h < 1 || c.h > 4 || c.v < 1 || c.v > 4 || c.table > 3 {
			return errors.New("a component is broken")
		}
		if c.h > 2 || c.v > 2 {
			return fmt.Errorf("%w: sampling factors %dx%d", ErrUnsupported, c.h, c.v)
		}
		for _, other := range d.components {
			if other.id == c.id {
				return fmt.Errorf("two components %d", c.id)
			}
		}
		d.components = append(d.components, c)
		d.hmax, d.vmax = max(d.hmax, c.h), max(d.vmax, c.v)
	}
	for _, c := range d.components {
		c.width, c.height = ceil(d.width*c.h, d.hmax), ceil(d.height*c.v, d.vmax)
		c.across, c.down = ceil(c.width, 8), ceil(c.height, 8)
		wide, high := d.mcus()
		c.stride = 8 * c.h * wide
		c.samples = make([]byte, c.stride*8*c.v*high)
		if d.progressive {
			c.coefficients = make([][64]int16, len(c.samples)/64)
			for i := range c.missing {
				c.missing[i] = -1
			}
		}
	}
	return nil
}

// mcus is how many MCUs there are across and down.
func (d *decoder) mcus() (wide, high int) {
	return ceil(d.width, 8*d.hmax), ceil(d.height, 8*d.vmax)
}

func ceil(a, b int) int { return (a + b - 1) / b }

// finish checks that all has come, and makes samples of a progressive picture.
func (d *decoder) finish() error {
	if d.components == nil {
		return errTruncated
	}
	for _, c := range d.components {
		if c.quant == nil || d.progressive && c.missing[0] < 0 {
			return fmt.Errorf("component %d is missing", c.id)
		}
		// Where the first of these haven't come with all their bits, libjpeg
		// estimates them from the blocks around.
		for k := 1; d.progressive && k < 10; k++ {
			if c.missing[unzig[k]] != 0 {
				return fmt.Errorf("%w: progressive, and not all of it", ErrUnsupported)
			}
		}
		d.transformAll(c)
	}
	return nil
}

// rgb puts the components together.
func (d *decoder) rgb() []byte {
	rows := make([]*plane, len(d.components))
	for i, c := range d.components {
		rows[i] = newPlane(c.samples, c.stride, c.width, c.height, d.hmax/c.h, d.vmax/c.v)
	}
	together := convert
	if len(rows) == 3 && d.isRGB() {
		together = interleave
	}
	rgb := make([]byte, 3*d.width*d.height)
	for y := range d.height {
		out, first := rgb[3*d.width*y:][:3*d.width], rows[0].row(y)[:d.width]
		if len(rows) == 1 {
			grey(out, first)
			continue
		}
		together(out, first, rows[1].row(y), rows[2].row(y))
	}
	return rgb
}

// isRGB guesses as libjpeg does: JFIF is YCbCr, Adobe says, and so may names.
func (d *decoder) isRGB() bool {
	switch c := d.components; {
	case d.jfif:
		return false
	case d.transform >= 0:
		return d.transform == 0
	default:
		return c[0].id == 'R' && c[1].id == 'G' && c[2].id == 'B'
	}
}
