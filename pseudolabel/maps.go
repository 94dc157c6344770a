package pseudolabel

import (
	"encoding/binary"
	"image"
	"math"

	"micodata/pseudolabel/card"
)

// extremes are the least and the largest value of a map.
func (s *scaled) extremes() (lo, hi float32) {
	row := make([]float32, s.width)
	s.row(0, row)
	lo, hi = row[0], row[0]
	for y := range s.height {
		s.row(y, row)
		for _, v := range row {
			lo, hi = min(lo, v), max(hi, v)
		}
	}
	return lo, hi
}

// depthMap stores a depth: near is the value at pixel 0, far that at 65535. Where
// they are the same all is 0.
func depthMap(s *scaled, near, far float32) ([]byte, error) {
	scale := 0.
	if near != far {
		scale = 65535 / (float64(far) - float64(near))
	}
	w, err := newPNG(s.width, s.height, gray16)
	if err != nil {
		return nil, err
	}
	row := make([]float32, s.width)
	raw := make([]byte, 2*s.width)
	for y := range s.height {
		s.row(y, row)
		for x, v := range row {
			level := (float64(v)-float64(near))*scale + .5
			binary.BigEndian.PutUint16(raw[2*x:], uint16(min(max(level, 0), 65535)))
		}
		if err := w.writeRow(raw); err != nil {
			return nil, err
		}
	}
	return w.finish()
}

// flips are the signs that turn a camera frame into x right, y down, z forward.
func flips(axes string) [3]float64 {
	switch axes {
	case card.OpenGL:
		return [3]float64{1, -1, -1}
	case card.GeoWizard:
		return [3]float64{-1, -1, -1}
	default:
		return [3]float64{1, 1, 1}
	}
}

// normalMap stretches normals to the picture's size, brings them to unit length
// and to the contract's frame, and stores them as (n+1)/2*255.
func normalMap(f field, d *card.NormalOutput, size image.Point) ([]byte, error) {
	// n = 2(v-lo)/span - 1, in the contract's frame.
	var factor, offset [3]float64
	lo, span := d.Range[0], d.Range[1]-d.Range[0]
	for c, sign := range flips(d.Axes) {
		factor[c], offset[c] = sign*2/span, sign*(-2*lo/span-1)
	}
	var channels [3]*scaled
	var rows [3][]float32
	for c := range channels {
		channels[c] = newScaled(f.channels[c], f.w, f.h, size.X, size.Y)
		rows[c] = make([]float32, size.X)
	}
	w, err := newPNG(size.X, size.Y, rgb8)
	if err != nil {
		return nil, err
	}
	raw := make([]byte, 3*size.X)
	for y := range size.Y {
		for c := range channels {
			channels[c].row(y, rows[c])
		}
		for i, x := range rows[0] {
			nx, ny, nz := float64(x)*factor[0]+offset[0], float64(rows[1][i])*factor[1]+offset[1], float64(rows[2][i])*factor[2]+offset[2]
			// The length in the open: most vectors face the camera as they are.
			scale := 1 / math.Sqrt(nx*nx+ny*ny+nz*nz)
			if nz*scale <= grazing && scale < 1/shortest {
				nx, ny, nz = nx*scale, ny*scale, nz*scale
			} else {
				n := facing([3]float64{nx, ny, nz})
				nx, ny, nz = n[0], n[1], n[2]
			}
			px := raw[3*i:][:3]
			px[0], px[1], px[2] = byte(nx*127.5+128), byte(ny*127.5+128), byte(nz*127.5+128) // (n+1)/2*255, rounded
		}
		if err := w.writeRow(raw); err != nil {
			return nil, err
		}
	}
	return w.finish()
}

// grazing is the z of a surface seen edge-on: the smallest that is still
// negative once it is stored in 8 bits.
const grazing = -1. / 255

// shortest is the length from which on a vector has a direction.
const shortest = 1e-6

// facing gives the unit vector of n with z < 0. What is seen faces the camera,
// so a z of 0 or more comes from blending across an edge and is set to grazing.
// No direction at all becomes (0, 0, -1).
func facing(n [3]float64) [3]float64 {
	n, ok := unit(n)
	if !ok {
		return [3]float64{0, 0, -1}
	}
	if n[2] > grazing {
		n[2] = grazing
		n, _ = unit(n)
	}
	return n
}

func unit(n [3]float64) (_ [3]float64, ok bool) {
	length := math.Sqrt(n[0]*n[0] + n[1]*n[1] + n[2]*n[2])
	if length <= shortest {
		return n, false
	}
	scale := 1 / length
	return [3]float64{n[0] * scale, n[1] * scale, n[2] * scale}, true
}
