package pseudolabel

import (
	"context"
	"errors"
	"fmt"

	"micodata/dataset"
	"micodata/gpu"
	"micodata/pseudolabel/card"
	"micodata/pseudolabel/geowizard"
)

// wizard is GeoWizard as an [estimator].
type wizard struct {
	*geowizard.Estimator
	pools []*gpu.Pool
}

// What GeoWizard's maps mean is the same for all its weights.
var (
	wizardDepth  = &card.DepthOutput{Convention: card.NearSmall, Kind: dataset.AffineInvariantDepth}
	wizardNormal = &card.NormalOutput{Axes: card.GeoWizard, Range: []float64{-1, 1}}
)

func (w *wizard) estimate(ctx context.Context, s *slot, p *picture) (depth, normal field, err error) {
	maps, err := w.Estimate(ctx, p.rgb, p.size.X, p.size.Y, p.key, func(work func() error) error { return s.outside(ctx, work) })
	if errors.Is(err, geowizard.ErrNotFinite) {
		err = &pictureError{class: dataset.Labeler, err: err}
	}
	if err != nil {
		return depth, normal, err
	}
	plane := maps.Width * maps.Height
	depth = field{channels: [][]float32{maps.Depth}, w: maps.Width, h: maps.Height}
	normal = field{channels: [][]float32{maps.Normal[:plane], maps.Normal[plane : 2*plane], maps.Normal[2*plane:]}, w: maps.Width, h: maps.Height}
	return depth, normal, nil
}

func (w *wizard) capacity() int { return capacity(w.pools) }
func (w *wizard) close() error  { return closeAll(w.pools) }

// capacity is how many pictures keep the devices busy, whichever pool they are in.
func capacity(pools []*gpu.Pool) int {
	n := 0
	for _, p := range pools {
		n = max(n, p.Capacity())
	}
	return n
}

func closeAll(pools []*gpu.Pool) error {
	var errs []error
	for _, p := range pools {
		errs = append(errs, p.Close())
	}
	return errors.Join(errs...)
}

// wizard loads GeoWizard's networks.
func (l *loader) wizard(ctx context.Context, s geowizard.Settings) (_ *wizard, err error) {
	w, c := &wizard{}, l.card.GeoWizard
	defer func() {
		if err != nil {
			err = errors.Join(err, w.close())
		}
	}()
	faces := c.Faces()
	load := func(file string, outputs ...string) (*gpu.Pool, error) {
		p, err := l.pool(ctx, file, outputs, faces[file])
		if err == nil {
			w.pools = append(w.pools, p)
			if wrong := checkInputs(file, p.Inputs(), faces[file]); wrong != nil {
				err = l.card.Wrong(wrong)
			}
		}
		return p, err
	}
	var n geowizard.Networks
	if n.Encoder, err = load(c.Encoder, "latent"); err != nil {
		return nil, err
	}
	if n.UNet, err = load(c.UNet, "prediction"); err != nil {
		return nil, err
	}
	if n.Decoder, err = load(c.Decoder, "depth", "normal"); err != nil {
		return nil, err
	}
	if c.ImageEncoder != "" {
		if n.ImageEncoder, err = load(c.ImageEncoder, "context"); err != nil {
			return nil, err
		}
	}
	w.Estimator, err = geowizard.New(*c, n, s)
	return w, err
}

// checkInputs compares what a network wants with the shapes that it will be
// given, so that a network of something else is an error at opening.
func checkInputs(file string, have []gpu.IO, want map[string][]int64) error {
	seen := map[string]gpu.IO{}
	for _, in := range have {
		seen[in.Name] = in
	}
	for name, shape := range want {
		in, ok := seen[name]
		if !ok {
			return fmt.Errorf("%s has no input %q", file, name)
		}
		delete(seen, name)
		kind := "float32"
		if len(shape) == 0 {
			kind = "int64"
		}
		fits := in.Type == kind && len(in.Shape) == 1+len(shape)
		for i := 0; fits && i < len(shape); i++ {
			fits = in.Shape[1+i] == -1 || shape[i] == -1 || in.Shape[1+i] == shape[i]
		}
		if !fits {
			want := face(gpu.IO{Name: name, Type: kind, Shape: append([]int64{-1}, shape...)})
			return fmt.Errorf("%s has %s; for pictures of the first bucket it must take %s", file, face(in), want)
		}
	}
	for name := range seen {
		return fmt.Errorf("%s has an input %q, which no GeoWizard has", file, name)
	}
	return nil
}
