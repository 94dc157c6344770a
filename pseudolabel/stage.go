package pseudolabel

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"micodata/dataset"
	"micodata/gpu"
	"micodata/storage"
)

// Env is what [Run] works with.
type Env struct {
	Store storage.Store
	Model Geometer
	// DepthFingerprint and NormalFingerprint are of the stages; an empty one
	// means that its maps are not asked for.
	DepthFingerprint, NormalFingerprint string
	// Frames asks for maps of the clips' uniform frames beside those of their key
	// frames.
	Frames bool
	// PicturesInFlight is how many pictures are held in memory at once, with their
	// maps: some 3 MB each at 720p. A clip of more goes alone. Default: what the
	// model's devices need. Parts that run at once have as many each.
	PicturesInFlight int
}

// Run labels the clips of a part: it reads extract part `part` and commits
// label/depth and label/normal part `part`, with the same rows in the same
// order. A clip without a key frame has a row without a map of it. What another
// run has committed meanwhile stays. Several parts may run at once, and fill the
// model's batches together. Cost.GPU of the report is what GPUs spent on it, if
// the model was given a clock.
func Run(ctx context.Context, env Env, part int) (report dataset.Report, err error) {
	if env.PicturesInFlight <= 0 {
		env.PicturesInFlight = env.Model.InFlight()
	}
	columns := []string{"key", "status", "error_class", "image"}
	if env.Frames {
		columns = append(columns, "frames")
	}
	clips, err := dataset.OpenPart(ctx, env.Store, dataset.ClipSchema, dataset.StageExtract, part, columns...)
	if err != nil {
		return report, err
	}
	defer clips.Close()
	out, err := env.create(ctx, part)
	if err != nil {
		return report, err
	}
	defer out.abort()
	var meter gpu.Meter
	if err := env.label(gpu.WithMeter(ctx, &meter), clips, out); err != nil {
		return report, err
	}
	out.report.Cost.GPU = meter.Spent()
	return out.report, out.commit(ctx)
}

// labelled is a clip whose maps are made, or will be.
type labelled struct {
	clip   *dataset.Clip
	weight int64         // of the pictures that it holds
	done   chan struct{} // closed when maps is set
	maps   []Geometry    // of the key frame and, after it, of the frames
}

// label makes the rows of all clips. They are labelled at once, as far as their
// pictures may be in flight, and written in their order.
func (env Env) label(ctx context.Context, clips *dataset.PartReader[dataset.Clip], out *output) error {
	work, ctx := errgroup.WithContext(ctx)
	limit := int64(env.PicturesInFlight)
	room := semaphore.NewWeighted(limit)
	queue := make(chan *labelled, env.PicturesInFlight)
	work.Go(func() error {
		defer close(queue)
		for {
			c, err := clips.Next()
			if errors.Is(err, io.EOF) {
				return nil
			}
			if err != nil {
				return err
			}
			l := &labelled{clip: c, weight: min(limit, int64(1+len(c.Frames))), done: make(chan struct{})}
			if err := room.Acquire(ctx, l.weight); err != nil {
				return err
			}
			work.Go(func() (err error) {
				defer close(l.done)
				l.maps, err = env.clip(ctx, c)
				return err
			})
			queue <- l // it has room for all that are in flight
		}
	})
	work.Go(func() error {
		for l := range queue {
			<-l.done
			if l.maps == nil {
				return ctx.Err() // its own error is told by who made it
			}
			if err := out.write(l.clip, l.maps, env.Model.Model()); err != nil {
				return err
			}
			room.Release(l.weight)
		}
		return nil
	})
	return work.Wait()
}

// clip labels the pictures of a clip.
func (env Env) clip(ctx context.Context, c *dataset.Clip) ([]Geometry, error) {
	pictures, places := picturesOf(c)
	made, err := env.Model.Label(ctx, pictures)
	if err != nil {
		return nil, err
	}
	maps := make([]Geometry, len(places))
	for i, at := range places {
		if at < 0 {
			maps[i].Err = noPicture(c, i)
			continue
		}
		maps[i] = made[at]
	}
	return maps, nil
}

// picturesOf lists a clip's pictures, each once: a still scene and a clip of few
// frames repeat theirs. Places are those of the key frame and of the frames in the
// list, -1 for one that is missing.
func picturesOf(c *dataset.Clip) (list []Picture, places []int) {
	add := func(p Picture) {
		at := slices.IndexFunc(list, func(q Picture) bool { return bytes.Equal(p.Data, q.Data) })
		if at < 0 && p.Data != nil {
			at = len(list)
			list = append(list, p)
		}
		places = append(places, at)
	}
	add(Picture{Key: c.Key, Data: c.Image.Bytes})
	for _, f := range c.Frames {
		add(Picture{Key: f.Image.Path, Data: f.Image.Bytes})
	}
	return list, places
}

// noPicture is why the key frame (k = 0) or a frame that a clip does not have has
// no maps.
func noPicture(c *dataset.Clip, k int) error {
	class := c.Class
	if class == "" {
		class = dataset.Labeler
	}
	if k > 0 {
		return dataset.Fail(class, "the frame has no picture")
	}
	return dataset.Fail(class, "the clip has no key frame")
}
