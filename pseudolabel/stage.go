package pseudolabel

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"micodata/dataset"
	"micodata/internal/table"
	"micodata/storage"
)

// Env is what [Run] works with.
type Env struct {
	Store storage.Store
	Model Geometer
	// DepthFingerprint and NormalFingerprint are of the stages; an empty one
	// means that its maps are not asked for.
	DepthFingerprint, NormalFingerprint string
	// PicturesInFlight is how many key frames are labelled in one call, held in
	// memory with their maps. Default 32: enough to fill batches and workers, some
	// 100 MB at 720p.
	PicturesInFlight int
}

// Run labels the clips of a part: it reads extract part `part` and commits
// label/depth and label/normal part `part`, with the same rows in the same
// order. A clip without a key frame has a row without a map. What another run
// has committed meanwhile stays.
func Run(ctx context.Context, env Env, part int) (dataset.Report, error) {
	if env.PicturesInFlight <= 0 {
		env.PicturesInFlight = 32
	}
	clips, err := dataset.OpenPart(ctx, env.Store, dataset.ClipSchema, dataset.StageExtract, part, "key", "status", "error_class", "image")
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
			return dataset.Report{}, fmt.Errorf("%s: %w", env.Store.Path(dataset.PartName(dataset.StageExtract, part)), err)
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

func readClips(r *dataset.PartReader[dataset.Clip], n int) ([]*dataset.Clip, error) {
	var clips []*dataset.Clip
	for len(clips) < n {
		c, err := r.Next()
		if errors.Is(err, io.EOF) {
			return clips, nil
		}
		if err != nil {
			return nil, err
		}
		clips = append(clips, c)
	}
	return clips, nil
}

// label makes the rows of some clips.
func (env Env) label(ctx context.Context, clips []*dataset.Clip, out *output) error {
	var pictures []Picture
	for _, c := range clips {
		if c.Image.Bytes != nil {
			pictures = append(pictures, Picture{Key: c.Key, JPEG: c.Image.Bytes})
		}
	}
	maps, err := env.Model.Label(ctx, pictures)
	if err != nil {
		return err
	}
	for _, c := range clips {
		g := Geometry{Err: noPicture(c)}
		if c.Image.Bytes != nil {
			g, maps = maps[0], maps[1:]
		}
		if err := out.write(c, g, env.Model.Model()); err != nil {
			return err
		}
	}
	return nil
}

// noPicture is why a clip without a key frame has no maps.
func noPicture(c *dataset.Clip) error {
	if c.Image.Bytes != nil {
		return nil
	}
	class := c.Class
	if class == "" {
		class = dataset.Labeler
	}
	return dataset.Fail(class, "the clip has no key frame")
}

// output is the part files being written.
type output struct {
	depth  *dataset.PartWriter[dataset.Depth]
	normal *dataset.PartWriter[dataset.Normal]
	report dataset.Report
}

func (env Env) create(ctx context.Context, part int) (*output, error) {
	out := &output{}
	if env.DepthFingerprint != "" {
		w, err := dataset.CreatePart(ctx, env.Store, dataset.DepthSchema, dataset.PartInfo{Stage: dataset.StageDepth, Part: part, Fingerprint: env.DepthFingerprint})
		if err != nil {
			return nil, err
		}
		out.depth = w
	}
	if env.NormalFingerprint != "" {
		w, err := dataset.CreatePart(ctx, env.Store, dataset.NormalSchema, dataset.PartInfo{Stage: dataset.StageNormal, Part: part, Fingerprint: env.NormalFingerprint})
		if err != nil {
			return nil, errors.Join(err, out.abort())
		}
		out.normal = w
	}
	return out, nil
}

func (o *output) write(c *dataset.Clip, g Geometry, m ModelInfo) error {
	// A row without a key frame was not tried: it is skipped, not failed.
	status := dataset.Failed
	if c.Image.Bytes == nil {
		status = dataset.Skipped
	}
	outcome := dataset.OutcomeOf(status, g.Err)
	o.report.Count(outcome)
	if o.depth != nil {
		row := &dataset.Depth{Key: c.Key, Outcome: outcome}
		if g.Err == nil {
			row.Depth = table.Blob{Bytes: g.Depth, Path: c.Key + ".depth.png"}
			row.Meta = &dataset.DepthMeta{Model: m.Name, WeightsSHA256: m.WeightsSHA256, Kind: m.DepthKind, Min: g.DepthMin, Max: g.DepthMax}
		}
		if err := o.depth.Write(row); err != nil {
			return fmt.Errorf("depth of %s: %w", c.Key, err)
		}
	}
	if o.normal != nil {
		row := &dataset.Normal{Key: c.Key, Outcome: outcome}
		if g.Err == nil {
			row.Normal = table.Blob{Bytes: g.Normal, Path: c.Key + ".normal.png"}
			row.Meta = &dataset.NormalMeta{Model: m.Name, WeightsSHA256: m.WeightsSHA256}
		}
		if err := o.normal.Write(row); err != nil {
			return fmt.Errorf("normals of %s: %w", c.Key, err)
		}
	}
	return nil
}

// commit puts both files in place. A crash between the two leaves one; the next
// run makes both again, and the one that is there stays.
func (o *output) commit(ctx context.Context) error {
	if o.depth != nil {
		if err := o.depth.Commit(ctx); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	if o.normal != nil {
		if err := o.normal.Commit(ctx); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	return nil
}

func (o *output) abort() error {
	var errs []error
	if o.depth != nil {
		errs = append(errs, o.depth.Abort())
	}
	if o.normal != nil {
		errs = append(errs, o.normal.Abort())
	}
	return errors.Join(errs...)
}
