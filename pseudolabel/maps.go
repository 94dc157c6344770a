package pseudolabel

import (
	"encoding/binary"
	"image"
	"math"

	"micodata/pseudolabel/card"
)

// depthRange is the least and the largest value of a depth stretched to the
// picture's size.
func depthRange(f field, size image.Point) (lo, hi float32) {
	s := newScaled(f.channels[0], f.w, f.h, size.X, size.Y)
	row := make([]float32, size.X)
	s.row(0, row)
	lo, hi = row[0], row[0]
	for y := range size.Y {
		s.row(y, row)
		for _, v := range row {
			lo, hi = min(lo, v), max(hi, v)
		}
	}
	return lo, hi
}

// depthMap stretches a depth to the picture's size and stores it: near is the
// value at pixel 0, far that at 65535. Where they are the same all is 0.
func depthMap(f field, near, far float32, size image.Point) ([]byte, error) {
	scale := 0.
	if near != far {
		scale = 65535 / (float64(far) - float64(near))
	}
	w, err := newPNG(size.X, size.Y, gray16)
	if err != nil {
		return nil, err
	}
	s := newScaled(f.channels[0], f.w, f.h, size.X, size.Y)
	row := make([]float32, size.X)
	raw := make([]byte, 2*size.X)
	for y := range size.Y {
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
func flips(axes string) [3]float32 {
	switch axes {
	case card.OpenGL:
		return [3]float32{1, -1, -1}
	case card.GeoWizard:
		return [3]float32{-1, -1, -1}
	default:
		return [3]float32{1, 1, 1}
	}
}

// normalMap stretches normals to the picture's size, brings them to unit length
// and to the contract's frame, and stores them as (n+1)/2*255.
func normalMap(f field, d *card.NormalOutput, size image.Point) ([]byte, error) {
	sign := flips(d.Axes)
	lo, span := float32(d.Range[0]), float32(d.Range[1]-d.Range[0])
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
		for x := range size.X {
			var n [3]float32
			for c := range n {
				n[c] = sign[c] * (2*(rows[c][x]-lo)/span - 1)
			}
			for c, v := range facing(n) {
				raw[3*x+c] = byte((v+1)*127.5 + .5)
			}
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

// facing gives the unit vector of n with z < 0. What is seen faces the camera,
// so a z of 0 or more comes from blending across an edge and is set to grazing.
// No direction at all becomes (0, 0, -1).
func facing(n [3]float32) [3]float32 {
	n, ok := unit(n)
	if !ok {
		return [3]float32{0, 0, -1}
	}
	if n[2] > grazing {
		n[2] = grazing
		n, _ = unit(n)
	}
	return n
}

func unit(n [3]float32) (_ [3]float32, ok bool) {
	x, y, z := float64(n[0]), float64(n[1]), float64(n[2])
	length := math.Sqrt(x*x + y*y + z*z)
	if length < 1e-6 {
		return n, false
	}
	scale := 1 / length
	return [3]float32{float32(x * scale), float32(y * scale), float32(z * scale)}, true
}
