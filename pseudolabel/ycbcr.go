package pseudolabel

import "image"

// rgbOfYCbCr is what libjpeg, and so Pillow and OpenCV, makes of a JPEG's samples:
// chroma is stretched by a triangle filter ("fancy upsampling", jdsample.c) where
// image/jpeg repeats it, which is worth several levels at edges, and turned into
// RGB with the same fixed-point tables (jdcolor.c).
func rgbOfYCbCr(img *image.YCbCr) []byte {
	w, h := img.Rect.Dx(), img.Rect.Dy()
	rgb := make([]byte, 3*w*h)
	cb, cr := newChroma(img, img.Cb), newChroma(img, img.Cr)
	for y := range h {
		convert(rgb[3*w*y:][:3*w], img.Y[y*img.YStride:][:w], cb.row(y), cr.row(y))
	}
	return rgb
}

// convert turns a row of samples into RGB.
func convert(rgb, luma, cb, cr []byte) {
	const half = 1 << 15
	for x, l := range luma {
		v, b, r := int32(l), int32(cb[x])-128, int32(cr[x])-128
		rgb[3*x] = clip(v + (91881*r+half)>>16)            // 1.40200
		rgb[3*x+1] = clip(v + (-22554*b-46802*r+half)>>16) // 0.34414, 0.71414
		rgb[3*x+2] = clip(v + (116130*b+half)>>16)         // 1.77200
	}
}

func clip(v int32) byte { return byte(min(max(v, 0), 255)) }

// chroma gives the rows of a plane of chroma at the picture's size.
type chroma struct {
	plane  []byte
	stride int
	w, h   int // of the plane
	across int // pixels that share a sample
	down   int
	fancy  bool
	sums   []int32 // of one row, before it is stretched
	out    []byte
}

func newChroma(img *image.YCbCr, plane []byte) *chroma {
	c := &chroma{plane: plane, stride: img.CStride, across: 1, down: 1}
	switch img.SubsampleRatio {
	case image.YCbCrSubsampleRatio422:
		c.across = 2
	case image.YCbCrSubsampleRatio420:
		c.across, c.down = 2, 2
	case image.YCbCrSubsampleRatio440:
		c.down = 2
	case image.YCbCrSubsampleRatio411:
		c.across = 4
	case image.YCbCrSubsampleRatio410:
		c.across, c.down = 4, 2
	}
	w, h := img.Rect.Dx(), img.Rect.Dy()
	c.w, c.h = (w+c.across-1)/c.across, (h+c.down-1)/c.down
	// libjpeg has the filter for factors of 2, and where it has room.
	c.fancy = c.across <= 2 && (c.across == 1 || c.w > 2)
	c.sums, c.out = make([]int32, c.w), make([]byte, c.across*c.w)
	return c
}

// row stretches row y of the picture. The result is good until the next call.
func (c *chroma) row(y int) []byte {
	near := c.plane[y/c.down*c.stride:][:c.w]
	switch {
	case c.across == 1 && c.down == 1:
		return near
	case !c.fancy:
		for x := range c.out {
			c.out[x] = near[x/c.across]
		}
		return c.out
	case c.down == 1:
		c.stretch(near)
		return c.out
	}
	// Of two rows the nearer counts three times; beyond the border it counts alone.
	far := min(max(y/2-1+y%2*2, 0), c.h-1)
	other := c.plane[far*c.stride:][:c.w]
	for x, v := range near {
		c.sums[x] = 3*int32(v) + int32(other[x])
	}
	if c.across == 1 {
		for x, v := range c.sums {
			c.out[x] = byte((v + 1 + int32(y%2)) >> 2)
		}
		return c.out
	}
	c.stretchSums()
	return c.out
}

// stretch doubles a row of samples: 3/4 and 1/4 of the two nearest, rounded down
// and up in turn.
func (c *chroma) stretch(in []byte) {
	last := len(in) - 1
	for x, v := range in {
		before, after := 3*int32(v)+int32(in[max(x-1, 0)])+1, 3*int32(v)+int32(in[min(x+1, last)])+2
		c.out[2*x], c.out[2*x+1] = byte(before>>2), byte(after>>2)
	}
}

// stretchSums doubles a row of sums, which are four times as large.
func (c *chroma) stretchSums() {
	last := len(c.sums) - 1
	for x, v := range c.sums {
		before, after := 3*v+c.sums[max(x-1, 0)]+8, 3*v+c.sums[min(x+1, last)]+7
		c.out[2*x], c.out[2*x+1] = byte(before>>4), byte(after>>4)
	}
}
