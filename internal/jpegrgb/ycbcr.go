package jpegrgb

import "image"

// FromYCbCr makes RGB of what image/jpeg decoded of a kind that [Decode] doesn't,
// in the way that libjpeg would.
func FromYCbCr(img *image.YCbCr) []byte {
	across, down := 1, 1
	switch img.SubsampleRatio {
	case image.YCbCrSubsampleRatio422:
		across = 2
	case image.YCbCrSubsampleRatio420:
		across, down = 2, 2
	case image.YCbCrSubsampleRatio440:
		down = 2
	case image.YCbCrSubsampleRatio411:
		across = 4
	case image.YCbCrSubsampleRatio410:
		across, down = 4, 2
	}
	w, h := img.Rect.Dx(), img.Rect.Dy()
	cb := newPlane(img.Cb, img.CStride, ceil(w, across), ceil(h, down), across, down)
	cr := newPlane(img.Cr, img.CStride, ceil(w, across), ceil(h, down), across, down)
	rgb := make([]byte, 3*w*h)
	for y := range h {
		convert(rgb[3*w*y:][:3*w], img.Y[y*img.YStride:][:w], cb.row(y), cr.row(y))
	}
	return rgb
}

// convert turns a row of samples into RGB with the same fixed-point arithmetic as
// libjpeg's tables.
func convert(rgb, luma, cb, cr []byte) {
	const half = 1 << 15
	cb, cr = cb[:len(luma)], cr[:len(luma)]
	for x, l := range luma {
		v, b, r := int32(l), int32(cb[x])-128, int32(cr[x])-128
		out := (*[3]byte)(rgb)
		out[0] = clip(v + (91881*r+half)>>16)          // 1.40200
		out[1] = clip(v + (-22554*b-46802*r+half)>>16) // 0.34414, 0.71414
		out[2] = clip(v + (116130*b+half)>>16)         // 1.77200
		rgb = rgb[3:]
	}
}

// interleave puts a row of components that are red, green and blue together.
func interleave(rgb, r, g, b []byte) {
	for x := range len(rgb) / 3 {
		rgb[3*x], rgb[3*x+1], rgb[3*x+2] = r[x], g[x], b[x]
	}
}

func grey(rgb, luma []byte) {
	for x := range len(rgb) / 3 {
		rgb[3*x], rgb[3*x+1], rgb[3*x+2] = luma[x], luma[x], luma[x]
	}
}

func clip(v int32) byte {
	if uint32(v) > 255 {
		return byte(^v >> 31) // 0 or 255, and seldom
	}
	return byte(v)
}

// plane gives the rows of a plane of samples at the picture's size: libjpeg
// stretches one that is smaller by a triangle filter ("fancy upsampling"), where
// image/jpeg repeats samples, which is worth several levels at edges.
type plane struct {
	samples []byte
	stride  int
	w, h    int // of the plane
	across  int // pixels that share a sample
	down    int
	fancy   bool
	sums    []int32 // of one row, before it is stretched
	out     []byte
}

func newPlane(samples []byte, stride, w, h, across, down int) *plane {
	p := &plane{samples: samples, stride: stride, w: w, h: h, across: across, down: down}
	// libjpeg has the filter for factors of 2, and where it has room.
	p.fancy = across <= 2 && (across == 1 || w > 2)
	p.sums, p.out = make([]int32, w), make([]byte, across*w)
	return p
}

// row stretches row y of the picture. The result is good until the next call.
func (p *plane) row(y int) []byte {
	near := p.samples[y/p.down*p.stride:][:p.w]
	switch {
	case p.across == 1 && p.down == 1:
		return near
	case !p.fancy:
		for x := range p.out {
			p.out[x] = near[x/p.across]
		}
		return p.out
	case p.down == 1:
		for x, v := range near {
			p.sums[x] = int32(v)
		}
		p.double(1, 2, 2)
		return p.out
	}
	// Of two rows the nearer counts three times; beyond the border it counts alone.
	far := min(max(y/2-1+y%2*2, 0), p.h-1)
	other := p.samples[far*p.stride:][:p.w]
	for x, v := range near {
		p.sums[x] = 3*int32(v) + int32(other[x])
	}
	if p.across == 1 {
		for x, v := range p.sums {
			p.out[x] = byte((v + 1 + int32(y%2)) >> 2)
		}
		return p.out
	}
	p.double(8, 7, 4)
	return p.out
}

// double makes two samples of each sum: 3/4 of it and 1/4 of the neighbour on that
// side; left and right are added to round, down and up in turn.
func (p *plane) double(left, right int32, shift uint) {
	out := p.out
	before, v := p.sums[0], p.sums[0]
	for _, after := range p.sums[1:] {
		pair := (*[2]byte)(out)
		pair[0], pair[1] = byte((3*v+before+left)>>(shift&31)), byte((3*v+after+right)>>(shift&31))
		before, v, out = v, after, out[2:]
	}
	out[0], out[1] = byte((3*v+before+left)>>shift), byte((4*v+right)>>shift)
}
