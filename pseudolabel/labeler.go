package pseudolabel

import (
	"context"
	"errors"
	"fmt"
	"math"

	"golang.org/x/sync/errgroup"

	"micodata/dataset"
	"micodata/gpu"
	"micodata/internal/origin"
	"micodata/pseudolabel/card"
)

// arithmetic numbers this package's own share in the maps' bytes; raise it with
// any change to them.
const arithmetic = 3

// labeler is a [Geometer]: what all models have in common around what each
// estimates.
type labeler struct {
	model       estimator
	info        ModelInfo
	fingerprint string
	depth       *card.DepthOutput  // nil: not estimated
	normal      *card.NormalOutput // nil: not estimated
	maxPixels   int
	demoSide    int // of the square that DemoCrop asks for; 0: whole pictures
	inFlight    int
	onGPU       bool
	acquire     func(ctx context.Context) (release func(), err error)
}

// estimator is a model.
type estimator interface {
	// estimate gives the maps of one picture at the model's own size: depth of one
	// channel, normals of three, either without channels if it is not estimated. The
	// values and axes are the network's. It runs in a CPU slot, and leaves it while
	// a GPU works. It is called from several goroutines.
	estimate(ctx context.Context, s *slot, p *picture) (depth, normal field, err error)
	capacity() int // pictures that keep the devices busy
	close() error
}

// slot is a CPU slot that the work on one picture holds.
type slot struct {
	acquire func(ctx context.Context) (release func(), err error)
	release func()
	onGPU   bool
}

// outside runs what waits for a GPU without the slot; on the CPU the work is this
// slot's.
func (s *slot) outside(ctx context.Context, work func() error) error {
	if !s.onGPU {
		return work()
	}
	s.release()
	s.release = func() {}
	if err := work(); err != nil {
		return err
	}
	return s.enter(ctx)
}

func (s *slot) enter(ctx context.Context) (err error) {
	release, err := s.acquire(ctx)
	if err == nil {
		s.release = release
	}
	return err
}

func (l *labeler) Model() ModelInfo    { return l.info }
func (l *labeler) Fingerprint() string { return l.fingerprint }
func (l *labeler) InFlight() int       { return l.inFlight }
func (l *labeler) Close() error        { return l.model.close() }

// raw is the depth of a picture, kept until the range of the clip is known; lo and
// hi are its extremes.
type raw struct {
	depth  *scaled
	lo, hi float32
}

// Label implements [Geometer].
func (l *labeler) Label(ctx context.Context, pictures []Picture) ([]Geometry, error) {
	maps, depths := make([]Geometry, len(pictures)), make([]raw, len(pictures))
	each := func(work func(ctx context.Context, s *slot, i int) error) error {
		g, ctx := errgroup.WithContext(ctx)
		for i := range pictures {
			g.Go(func() error {
				s := &slot{acquire: l.acquire, onGPU: l.onGPU}
				if err := s.enter(ctx); err != nil {
					return err
				}
				defer func() { s.release() }()
				return work(ctx, s, i)
			})
		}
		return g.Wait()
	}
	err := each(func(ctx context.Context, s *slot, i int) (err error) {
		maps[i].Normal, depths[i], err = l.picture(ctx, s, &pictures[i])
		return l.blame(&pictures[i], &maps[i], err)
	})
	if err == nil && l.depth != nil {
		near, far := l.ends(maps, depths)
		err = each(func(_ context.Context, _ *slot, i int) (err error) {
			if m := &maps[i]; m.Err == nil {
				m.DepthMin, m.DepthMax = near, far
				if m.Depth, err = depthMap(depths[i].depth, near, far); err == nil {
					m.Depth = origin.Mark(m.Depth, pictures[i].Data)
				}
			}
			return err
		})
	}
	if err != nil {
		return nil, fmt.Errorf("label with %s: %w", l.info.Name, err)
	}
	return maps, nil
}

// blame notes an error that is the picture's own; any other it returns.
func (l *labeler) blame(p *Picture, maps *Geometry, err error) error {
	var own *pictureError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &own):
		*maps = Geometry{Err: own.item(p)}
		return nil
	case (errors.Is(err, gpu.ErrDeviceLost) || errors.Is(err, gpu.ErrOutOfMemory)) && !errors.Is(err, gpu.ErrNoDevice):
		*maps = Geometry{Err: (&pictureError{class: dataset.Labeler, err: err}).item(p)}
		return nil
	}
	return err
}

// picture estimates the maps of a picture; its normals are stored, its depth waits
// for the others of the clip.
func (l *labeler) picture(ctx context.Context, s *slot, p *Picture) (normals []byte, d raw, err error) {
	pic, err := decode(p, l.maxPixels)
	if err != nil {
		return nil, d, err
	}
	if l.demoSide > 0 {
		if max(pic.size.X, pic.size.Y) > maxAspect*min(pic.size.X, pic.size.Y) {
			return nil, d, &pictureError{dataset.TooLarge, fmt.Errorf("%dx%d is too long to crop a square from", pic.size.X, pic.size.Y)}
		}
		pic = pic.demoCrop(l.demoSide)
	}
	depth, normal, err := l.model.estimate(ctx, s, pic)
	if err != nil {
		return nil, d, err
	}
	if l.depth != nil {
		if err := depth.check(1); err != nil {
			return nil, d, err
		}
		depth.clamp(l.depth.Clamp)
		d.depth = newScaled(depth.channels[0], depth.w, depth.h, pic.size.X, pic.size.Y)
		d.lo, d.hi = d.depth.extremes()
		if span := d.hi - d.lo; span-span != 0 { // clamping and resizing may leave what is finite
			return nil, d, &pictureError{dataset.Labeler, fmt.Errorf("its depth, from %v to %v, does not fit 32 bits", d.lo, d.hi)}
		}
	}
	if l.normal != nil {
		if err := normal.check(3); err != nil {
			return nil, d, err
		}
		normal.clamp(l.normal.Clamp)
		if normals, err = normalMap(normal, l.normal, pic.size); err == nil {
			normals = origin.Mark(normals, p.Data)
		}
	}
	return normals, d, err
}

// ends are the nearest and the farthest depth of a clip's pictures.
func (l *labeler) ends(maps []Geometry, depths []raw) (near, far float32) {
	lo, hi := float32(math.Inf(1)), float32(math.Inf(-1))
	for i, d := range depths {
		if maps[i].Err == nil {
			lo, hi = min(lo, d.lo), max(hi, d.hi)
		}
	}
	if l.depth.Convention == card.NearLarge {
		return hi, lo
	}
	return lo, hi
}
