package pseudolabel

import (
	"context"
	"image"
	"math"

	"micodata/gpu"
	"micodata/internal/resample"
	"micodata/pseudolabel/card"
)

// dense is an [estimator] of networks that take a picture and give maps of it.
type dense struct{ networks []*network }

// network is one of them.
type network struct {
	card      *card.Network
	pool      *gpu.Pool
	normalise normaliser
}

func (d *dense) estimate(ctx context.Context, s *slot, p *picture) (depth, normal field, err error) {
	inputs := make([]gpu.Tensor, len(d.networks))
	for i, n := range d.networks {
		inputs[i] = n.input(p)
	}
	p.rgb = nil // it may wait long
	outputs := make([]map[string]gpu.Tensor, len(d.networks))
	err = s.outside(ctx, func() (err error) {
		for i, n := range d.networks {
			if outputs[i], err = n.pool.Run(ctx, map[string]gpu.Tensor{n.card.Input.Name: inputs[i]}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return depth, normal, err
	}
	for i, n := range d.networks {
		if out := n.card.Outputs.Depth; out != nil {
			if depth, err = fieldOf(outputs[i][out.Name], 1); err != nil {
				return depth, normal, err
			}
		}
		if out := n.card.Outputs.Normal; out != nil {
			if normal, err = fieldOf(outputs[i][out.Name], 3); err != nil {
				return depth, normal, err
			}
		}
	}
	return depth, normal, nil
}

func (d *dense) capacity() int { return capacity(d.pools()) }
func (d *dense) close() error  { return closeAll(d.pools()) }

func (d *dense) pools() (all []*gpu.Pool) {
	for _, n := range d.networks {
		all = append(all, n.pool)
	}
	return all
}

// input makes a picture the network's input, [1,3,H,W].
func (n *network) input(p *picture) gpu.Tensor {
	r := &n.card.Input.Resize
	size := networkSize(p.size, r)
	t := gpu.Tensor{Shape: []int64{1, 3, int64(size.Y), int64(size.X)}, Data: make([]float32, 3*size.X*size.Y)}
	if r.Filter == card.CubicOpenCV {
		n.normalise.resizeFloat(t.Data, size, p)
		return t
	}
	small := make([]byte, 3*size.X*size.Y)
	resample.RGB(small, size.X, size.Y, p.rgb, p.size.X, p.size.Y, resample.Bilinear)
	n.normalise.planes(t.Data, small)
	return t
}

// maxAspect is how long a picture may be in the network, in short sides: a
// strip of 16x16000 pixels must not become a tensor of 160x160000. A longer one
// is squashed to it; cinema's widest is 2.76.
const maxAspect = 8

// networkSize is what a picture of a size is brought to. With
// [card.SquashToMultiple] halves round to even, as in the Python that the models
// are trained and exported with.
func networkSize(size image.Point, r *card.Resize) image.Point {
	if r.Mode == card.Squash {
		return image.Pt(r.Size[1], r.Size[0])
	}
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

// planes writes interleaved RGB as [3,H,W].
func (n *normaliser) planes(dst []float32, rgb []byte) {
	plane := len(dst) / 3
	r, g, b := dst[:plane], dst[plane:2*plane], dst[2*plane:]
	for i := range r {
		px := rgb[3*i:][:3]
		r[i], g[i], b[i] = n[0][px[0]], n[1][px[1]], n[2][px[2]]
	}
}

// resizeFloat normalises first and resizes then, as programs built on OpenCV do,
// without rounding: the two commute, since the filter's weights sum to 1.
func (n *normaliser) resizeFloat(dst []float32, size image.Point, p *picture) {
	whole := make([]float32, len(p.rgb))
	n.planes(whole, p.rgb)
	from, to := p.size.X*p.size.Y, size.X*size.Y
	for c := range 3 {
		resample.Float(dst[c*to:][:to], size.X, size.Y, whole[c*from:][:from], p.size.X, p.size.Y, resample.BicubicOpenCV, false)
	}
}
