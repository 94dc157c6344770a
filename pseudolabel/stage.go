package pseudolabel

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"

	"micodata/dataset"
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
	// PicturesInFlight is from how many pictures on no further clip joins a call, in
	// which all are held in memory with their maps. Default 32: enough to fill batches
	// and workers, some 100 MB at 720p.
	PicturesInFlight int
}

// Run labels the clips of a part: it reads extract part `part` and commits
// label/depth and label/normal part `part`, with the same rows in the same
// order. A clip without a key frame has a row without a map of it. What another
// run has committed meanwhile stays.
func Run(ctx context.Context, env Env, part int) (dataset.Report, error) {
	if env.PicturesInFlight <= 0 {
		env.PicturesInFlight = 32
	}
	columns := []string{"key", "status", "error_class", "image"}
	if env.Frames {
		columns = append(columns, "frames")
	}
	clips, err := dataset.OpenPart(ctx, env.Store, dataset.ClipSchema, dataset.StageExtract, part, columns...)
	if err != nil {
		return dataset.Report{}, err
	}
	defer clips.Close()
	out, err := env.create(ctx, part)
	if err != nil {
		return dataset.Report{}, err
	}
	defer out.abort()
	for {
		batch, err := readClips(clips, env.PicturesInFlight)
		if err != nil {
			return dataset.Report{}, err
		}
		if len(batch) == 0 {
			break
		}
		if err := env.label(ctx, batch, out); err != nil {
			return dataset.Report{}, err
		}
	}
	return out.report, out.commit(ctx)
}

// readClips reads the clips of one call.
func readClips(r *dataset.PartReader[dataset.Clip], n int) ([]*dataset.Clip, error) {
	var clips []*dataset.Clip
	for pictures := 0; pictures < n; {
		c, err := r.Next()
		if errors.Is(err, io.EOF) {
			return clips, nil
		}
		if err != nil {
			return nil, err
		}
		clips = append(clips, c)
		pictures += 1 + len(c.Frames)
	}
	return clips, nil
}

// label makes the rows of some clips.
func (env Env) label(ctx context.Context, clips []*dataset.Clip, out *output) error {
	pictures := make([][]Picture, len(clips))
	places := make([][]int, len(clips))
	for i, c := range clips {
		pictures[i], places[i] = picturesOf(c)
	}
	labelled, err := env.Model.Label(ctx, pictures)
	if err != nil {
		return err
	}
	for i, c := range clips {
		maps := make([]Geometry, len(places[i]))
		for k, at := range places[i] {
			if at < 0 {
				maps[k].Err = noPicture(c, k)
				continue
			}
			maps[k] = labelled[i][at]
		}
		if err := out.write(c, maps, env.Model.Model()); err != nil {
			return err
		}
	}
	return nil
}

// picturesOf lists a clip's pictures, each once: a still scene and a clip of few
// frames repeat theirs. Places are those of the key frame and of the frames in the
// list, -1 for one that is missing.
func picturesOf(c *dataset.Clip) (list []Picture, places []int) {
	add := func(p Picture) {
		at := slices.IndexFunc(list, func(q Picture) bool { return bytes.Equal(p.JPEG, q.JPEG) })
		if at < 0 && p.JPEG != nil {
			at = len(list)
			list = append(list, p)
		}
		places = append(places, at)
	}
	add(Picture{Key: c.Key, JPEG: c.Image.Bytes})
	for _, f := range c.Frames {
		add(Picture{Key: f.Image.Path, JPEG: f.Image.Bytes})
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
