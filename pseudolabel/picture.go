package pseudolabel

import (
	"bytes"
	"fmt"
	"image"
	"image/jpeg"
	"math"

	"github.com/disintegration/imaging"

	"micodata/dataset"
	"micodata/gpu"
	"micodata/pseudolabel/card"
)

// pictureSize reads a picture's header and refuses what is too large to decode.
func pictureSize(p *Picture, maxPixels int) (image.Point, error) {
	cfg, err := jpeg.DecodeConfig(bytes.NewReader(p.JPEG))
	if err != nil {
		return image.Point{}, dataset.Fail(dataset.Corrupt, "picture %s: %w", p.Key, err)
	}
	if cfg.Width < 1 || cfg.Height < 1 {
		return image.Point{}, dataset.Fail(dataset.Corrupt, "picture %s: its size is %dx%d", p.Key, cfg.Width, cfg.Height)
	}
	if cfg.Width*cfg.Height > maxPixels { // both sides have 16 bits
		return image.Point{}, dataset.Fail(dataset.TooLarge, "picture %s: %dx%d is more than %d pixels", p.Key, cfg.Width, cfg.Height, maxPixels)
	}
	return image.Pt(cfg.Width, cfg.Height), nil
}

func decode(p *Picture) (image.Image, error) {
	img, err := jpeg.Decode(bytes.NewReader(p.JPEG))
	if err != nil {
		return nil, dataset.Fail(dataset.Corrupt, "picture %s: %w", p.Key, err)
	}
	return img, nil
}

func labelerError(p *Picture, err error) error {
	return dataset.Fail(dataset.Labeler, "picture %s: %w", p.Key, err)
}

// maxAspect is how long a picture may be in the network, in short sides: a
// strip of 16x16000 pixels must not become a tensor of 160x160000. A longer one
// is squashed to it; cinema's widest is 2.76.
const maxAspect = 8

// networkSize applies [card.SquashToMultiple]. Halves round to even, as in the
// Python that the models are trained and exported with.
func networkSize(size image.Point, r card.Resize) image.Point {
	scale := float64(r.ShortSide) / float64(min(size.X, size.Y))
	side := func(pixels int) int {
		long := min(float64(pixels)*scale, maxAspect*float64(r.ShortSide))
		return max(1, int(math.RoundToEven(long/float64(r.MultipleOf)))) * r.MultipleOf
	}
	return image.Pt(side(size.X), side(size.Y))
}

// normaliser turns 8-bit values into a network's input.
type normaliser [3][256]float32

func newNormaliser(in *card.Input) (n normaliser) {
	for c := range n {
		for v := range n[c] {
			n[c][v] = float32((float64(v)/255 - in.Mean[c]) / in.Std[c])
		}
	}
	return n
}

// fill resizes a picture to the network's size and writes it as [3,H,W]. The
// filter is the triangle, widened when it shrinks: Pillow's BILINEAR to within
// one level of 255.
func (n *normaliser) fill(dst []float32, img image.Image, size image.Point) {
	small := imaging.Resize(img, size.X, size.Y, imaging.Linear)
	plane := size.X * size.Y
	for y := range size.Y {
		row := small.Pix[y*small.Stride:][:4*size.X]
		for x := range size.X {
			at := y*size.X + x
			dst[at] = n[0][row[4*x]]
			dst[plane+at] = n[1][row[4*x+1]]
			dst[2*plane+at] = n[2][row[4*x+2]]
		}
	}
}

// field is maps of one picture as the network gave them: channels of w x h.
type field struct {
	channels [][]float32
	w, h     int
}

// fieldOf cuts the i-th of n pictures out of an output [n,channels,H,W], or
// [n,H,W] for one channel.
func fieldOf(t gpu.Tensor, i, n, channels int) (field, error) {
	rank := len(t.Shape)
	good := (rank == 4 && t.Shape[1] == int64(channels)) || (rank == 3 && channels == 1)
	if !good || t.Shape[0] != int64(n) || len(t.Data) == 0 {
		return field{}, fmt.Errorf("the network gave %v for %d pictures of %d channels", t.Shape, n, channels)
	}
	f := field{h: int(t.Shape[rank-2]), w: int(t.Shape[rank-1])}
	plane := f.w * f.h
	for c := range channels {
		f.channels = append(f.channels, t.Data[(i*channels+c)*plane:][:plane])
	}
	return f, nil
}

// finite tells whether no value is NaN or infinite.
func (f field) finite() bool {
	for _, channel := range f.channels {
		for _, v := range channel {
			if v-v != 0 {
				return false
			}
		}
	}
	return true
}
