package pseudolabel

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"micodata/dataset"
	"micodata/internal/table"
)

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

// write makes a clip's rows of the maps of its key frame and, after it, of its
// frames.
func (o *output) write(c *dataset.Clip, maps []Geometry, m ModelInfo) error {
	// A row without a key frame was not tried: it is skipped, not failed.
	status := dataset.Failed
	if c.Image.Bytes == nil {
		status = dataset.Skipped
	}
	outcome := dataset.OutcomeOf(status, maps[0].Err)
	o.report.Count(outcome)
	good := slices.IndexFunc(maps, func(g Geometry) bool { return g.Err == nil })
	if o.depth != nil {
		row := &dataset.Depth{Key: c.Key, Outcome: outcome, Errors: frameErrors(dataset.StageDepth, maps[1:])}
		row.Depth = table.Blob{Bytes: maps[0].Depth, Path: c.Key + ".depth.png"}
		for i, g := range maps[1:] {
			row.Frames = append(row.Frames, dataset.FrameMap{Map: table.Blob{Bytes: g.Depth, Path: fmt.Sprintf("%s.%02d.depth.png", c.Key, i)}})
		}
		if good >= 0 {
			row.Meta = &dataset.DepthMeta{Model: m.Name, WeightsSHA256: m.WeightsSHA256, Kind: m.DepthKind, Min: maps[good].DepthMin, Max: maps[good].DepthMax}
		}
		if err := o.depth.Write(row); err != nil {
			return fmt.Errorf("depth of %s: %w", c.Key, err)
		}
	}
	if o.normal != nil {
		row := &dataset.Normal{Key: c.Key, Outcome: outcome, Errors: frameErrors(dataset.StageNormal, maps[1:])}
		row.Normal = table.Blob{Bytes: maps[0].Normal, Path: c.Key + ".normal.png"}
		for i, g := range maps[1:] {
			row.Frames = append(row.Frames, dataset.FrameMap{Map: table.Blob{Bytes: g.Normal, Path: fmt.Sprintf("%s.%02d.normal.png", c.Key, i)}})
		}
		if good >= 0 {
			row.Meta = &dataset.NormalMeta{Model: m.Name, WeightsSHA256: m.WeightsSHA256}
		}
		if err := o.normal.Write(row); err != nil {
			return fmt.Errorf("normals of %s: %w", c.Key, err)
		}
	}
	return nil
}

// frameErrors names the frames whose maps are missing.
func frameErrors(stage string, maps []Geometry) (errs []dataset.StageError) {
	for i, g := range maps {
		if g.Err != nil {
			errs = append(errs, dataset.FrameError(stage, i, g.Err))
		}
	}
	return errs
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
