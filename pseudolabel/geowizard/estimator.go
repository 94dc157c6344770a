package geowizard

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"golang.org/x/sync/errgroup"

	"micodata/gpu"
)

// Estimator estimates depth and normals of pictures. It may be used from several
// goroutines at once.
type Estimator struct {
	card     Card
	networks Networks
	settings Settings
	plan     []step
}

// arithmetic numbers this package's own share in the maps; raise it with any
// change to them.
const arithmetic = 1

// Fingerprint names what shapes the maps beside the picture, its key, the card
// and the networks.
func (e *Estimator) Fingerprint() string {
	s := e.settings
	text := fmt.Sprintf("geowizard=%d steps=%d ensemble=%d domain=%s seed=%d", arithmetic, s.Steps, s.Ensemble, s.Domain, s.Seed)
	if s.Noise != nil {
		h := sha256.New()
		for _, v := range s.Noise.Data {
			h.Write(binary.LittleEndian.AppendUint32(nil, math.Float32bits(v)))
		}
		text += fmt.Sprintf(" noise=%x", h.Sum(nil)[:6])
	}
	return text
}

// New checks that all fits together. The networks stay the caller's.
func New(c Card, n Networks, s Settings) (*Estimator, error) {
	s = s.withDefaults()
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if err := n.validate(c.Version); err != nil {
		return nil, err
	}
	if err := s.Validate(); err != nil {
		return nil, err
	}
	plan, err := newPlan(c.Scheduler, s.Steps)
	if err != nil {
		return nil, err
	}
	return &Estimator{card: c, networks: n, settings: s, plan: plan}, nil
}

// Maps are what is estimated of a picture: of its whole field of view, at the
// size of the bucket.
type Maps struct {
	Width, Height int // pixels
	// Depth is [H,W], between 0 at the nearest point and 1 at the farthest, linear
	// in the distance up to scale and shift; all 0 where there is no depth.
	Depth []float32
	// Normal is [3,H,W]: x to the left, y up, z to the camera, about unit length.
	Normal []float32
}

// Estimate estimates a picture of w x h pixels of interleaved 8-bit RGB. The
// key names it: noise hangs on it, and pictures with the same key, such as the
// frames of a clip that should look alike, start from the same. What waits for the
// networks runs inside wait, the CPU's own work before and after it; nil: no
// difference. Errors: ctx's; the networks'; wait's; those that wrap [ErrNotFinite].
func (e *Estimator) Estimate(ctx context.Context, rgb []byte, w, h int, key string, wait func(work func() error) error) (*Maps, error) {
	if wait == nil {
		wait = func(work func() error) error { return work() }
	}
	maps, err := e.estimate(ctx, rgb, w, h, key, wait)
	if err != nil {
		return nil, fmt.Errorf("depth and normals of %s: %w", key, err)
	}
	return maps, nil
}

func (e *Estimator) estimate(ctx context.Context, rgb []byte, w, h int, key string, wait func(work func() error) error) (*Maps, error) {
	p, err := e.prepare(rgb, w, h)
	if err != nil {
		return nil, err
	}
	depth := make([][]float32, e.settings.Ensemble)
	normal := make([][]float32, e.settings.Ensemble)
	err = wait(func() error {
		if err := e.encode(ctx, p); err != nil {
			return err
		}
		work, ctx := errgroup.WithContext(ctx)
		for i := range depth {
			work.Go(func() (err error) {
				depth[i], normal[i], err = e.member(ctx, p, key, i)
				return err
			})
		}
		return work.Wait()
	})
	if err != nil {
		return nil, err
	}
	return &Maps{Width: p.bucket.width(), Height: p.bucket.height(), Depth: depths(depth), Normal: normals(normal)}, nil
}

// picture is what the members of an ensemble have in common.
type picture struct {
	bucket  Bucket
	image   gpu.Tensor // [1,3,H,W]
	seen    gpu.Tensor // [1,3,224,224], what CLIP is shown; V1 only
	h, w    int64      // of the latent
	latent  gpu.Tensor // [1,4,h,w]
	context gpu.Tensor // [1,1,C], V1 only
}

// prepare brings a picture to its bucket's size.
func (e *Estimator) prepare(rgb []byte, w, h int) (*picture, error) {
	if w <= 0 || h <= 0 || len(rgb) != 3*w*h {
		return nil, fmt.Errorf("%d bytes are no picture of %d x %d RGB pixels", len(rgb), w, h)
	}
	b := nearest(e.card.Buckets, w, h)
	p := &picture{bucket: b, h: int64(b.height() / shrink), w: int64(b.width() / shrink)}
	if n := e.settings.Noise; n != nil {
		if given := n.Shape[len(n.Shape)-2:]; int64(given[0]) != p.h || int64(given[1]) != p.w {
			return nil, fmt.Errorf("the given noise is %v, and a picture of %d x %d needs [...,%d,%d]", n.Shape, w, h, p.h, p.w)
		}
	}
	p.image = gpu.Tensor{Shape: []int64{1, 3, int64(b.height()), int64(b.width())}, Data: encoderInput(rgb, w, h, b)}
	if e.card.Version == V1 {
		p.seen = gpu.Tensor{Shape: []int64{1, 3, clipSide, clipSide}, Data: clipInput(p.image.Data, b)}
	}
	return p, nil
}

// encode runs the encoders.
func (e *Estimator) encode(ctx context.Context, p *picture) error {
	work, ctx := errgroup.WithContext(ctx)
	work.Go(func() (err error) {
		p.latent, err = one(ctx, e.networks.Encoder, p.image, "latent", 1, channels, p.h, p.w)
		if err != nil {
			return fmt.Errorf("encoder: %w", err)
		}
		return nil
	})
	if e.card.Version == V1 {
		work.Go(func() (err error) {
			p.context, err = one(ctx, e.networks.ImageEncoder, p.seen, "context", 1, 1, -1)
			if err != nil {
				return fmt.Errorf("image encoder: %w", err)
			}
			return nil
		})
	}
	return work.Wait()
}

// one runs a network from an image to one output.
func one(ctx context.Context, n Network, image gpu.Tensor, output string, shape ...int64) (gpu.Tensor, error) {
	outputs, err := n.Run(ctx, map[string]gpu.Tensor{"image": image})
	if err != nil {
		return gpu.Tensor{}, err
	}
	return take(outputs, output, shape...)
}

// member estimates a picture once.
func (e *Estimator) member(ctx context.Context, p *picture, key string, i int) (depth, normal []float32, err error) {
	row := e.noise(key, i, int(channels*p.h*p.w))
	// Depth and normals start from the same noise.
	geo := gpu.Tensor{Shape: []int64{1, 2, channels, p.h, p.w}, Data: slices.Concat(row, row)}
	for _, s := range e.plan {
		if err := ctx.Err(); err != nil {
			return nil, nil, err
		}
		inputs := map[string]gpu.Tensor{
			"latent": p.latent, "geo": geo,
			"timestep": {Shape: []int64{1}, Int64: []int64{s.timestep}},
			"domain":   {Shape: []int64{1}, Int64: []int64{int64(slices.Index(domains, e.settings.Domain))}},
		}
		if e.card.Version == V1 {
			inputs["context"] = p.context
		}
		outputs, err := e.networks.UNet.Run(ctx, inputs)
		var prediction gpu.Tensor
		if err == nil {
			prediction, err = take(outputs, "prediction", geo.Shape...)
		}
		if err != nil {
			return nil, nil, fmt.Errorf("member %d: UNet at timestep %d: %w", i, s.timestep, err)
		}
		s.apply(geo.Data, prediction.Data)
	}
	outputs, err := e.networks.Decoder.Run(ctx, map[string]gpu.Tensor{"geo": geo})
	if err != nil {
		return nil, nil, fmt.Errorf("member %d: decoder: %w", i, err)
	}
	height, width := int64(p.bucket.height()), int64(p.bucket.width())
	d, err := take(outputs, "depth", 1, 1, height, width)
	if err != nil {
		return nil, nil, fmt.Errorf("member %d: decoder: %w", i, err)
	}
	n, err := take(outputs, "normal", 1, 3, height, width)
	if err != nil {
		return nil, nil, fmt.Errorf("member %d: decoder: %w", i, err)
	}
	return d.Data, n.Data, nil
}

// noise is a member's row to begin with.
func (e *Estimator) noise(key string, member, n int) []float32 {
	if given := e.settings.Noise; given != nil {
		return given.Data[member*n:][:n]
	}
	return noise(e.settings.Seed, key, member, n)
}
