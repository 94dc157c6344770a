// Package testset makes small datasets with real media for tests: parts as the
// stages would write them, without running a stage. It imports nothing of shards,
// whose own tests import it.
package testset

import (
	"context"
	"fmt"
	"testing"
	"time"

	"micodata/dataset"
	"micodata/internal/origin"
	"micodata/internal/table"
	"micodata/storage"
)

// Row is a clip in all stages' parts.
type Row struct {
	Clip   *dataset.Clip
	Depth  *dataset.Depth
	Normal *dataset.Normal
}

// Part is what one part of all stages holds.
type Part struct {
	Sources []*dataset.Source
	Rows    []Row
}

// NewRow is a good clip of media m.
func NewRow(m *Media, key string, start float64) Row {
	ok := dataset.Outcome{Status: dataset.OK}
	return Row{
		Clip: m.Clip(key, start),
		Depth: &dataset.Depth{Key: key, Outcome: ok, Depth: table.Blob{Bytes: m.Depth, Path: key + ".depth.png"},
			Meta: &dataset.DepthMeta{Model: "ramp", WeightsSHA256: "00", Kind: "affine_invariant_depth", Min: 0, Max: 1}},
		Normal: &dataset.Normal{Key: key, Outcome: ok, Normal: table.Blob{Bytes: m.Normal, Path: key + ".normal.png"},
			Meta: &dataset.NormalMeta{Model: "waves", WeightsSHA256: "11"}},
	}
}

// WithFrames adds the maps of its frames to a row.
func WithFrames(r Row) Row {
	for i, f := range r.Clip.Frames {
		path := func(name string) string { return fmt.Sprintf("%s.%02d.%s.png", r.Clip.Key, i, name) }
		r.Depth.Frames = append(r.Depth.Frames, dataset.FrameMap{Map: table.Blob{Bytes: origin.Mark(DepthPNG(Width, Height, i), f.Image.Bytes), Path: path("depth")}})
		r.Normal.Frames = append(r.Normal.Frames, dataset.FrameMap{Map: table.Blob{Bytes: origin.Mark(NormalPNG(Width, Height, i), f.Image.Bytes), Path: path("normal")}})
	}
	return r
}

// FailedRow is a clip that failed, in all stages.
func FailedRow(key string, o dataset.Outcome) Row {
	id, _, err := dataset.SplitKey(key)
	if err != nil {
		panic("testset: " + err.Error())
	}
	skipped := dataset.Outcome{Status: dataset.Skipped, Class: o.Class, Error: "the clip has no picture"}
	return Row{
		Clip:   &dataset.Clip{Key: key, SourceID: id, Outcome: o},
		Depth:  &dataset.Depth{Key: key, Outcome: skipped},
		Normal: &dataset.Normal{Key: key, Outcome: skipped},
	}
}

// NewSource is a source that was fetched.
func NewSource(id string) *dataset.Source {
	return &dataset.Source{ID: id, URI: "/videos/" + id + ".mp4", Title: "Title of " + id, License: "CC BY 4.0",
		Outcome: dataset.Outcome{Status: dataset.OK}, SHA256: fmt.Sprintf("%064x", len(id)), Bytes: 1 << 20, Media: "/videos/" + id + ".mp4"}
}

// Dataset writes parts and freezes the settings that made them. It is the work
// of all stages before shard.
func Dataset(t testing.TB, s storage.Store, parts []Part) *dataset.Frozen {
	t.Helper()
	frozen, err := write(t.Context(), s, parts)
	if err != nil {
		t.Fatalf("testset: %v", err)
	}
	return frozen
}

func write(ctx context.Context, s storage.Store, parts []Part) (*dataset.Frozen, error) {
	f, err := dataset.LoadFrozen(ctx, s)
	if err != nil {
		return nil, err
	}
	freeze := func(stage string, settings map[string]any, upstream string) {
		if err == nil {
			_, err = f.Freeze(stage, settings, map[string]string{"ffmpeg": "test"}, upstream)
		}
	}
	freeze(dataset.StageIngest, map[string]any{"part_sources": 2}, "")
	freeze(dataset.StageExtract, map[string]any{"audio_rate": AudioRate, "frames": Frames}, dataset.StageIngest)
	freeze(dataset.StageDepth, map[string]any{"model": "ramp", "geometry": geometry(parts)}, dataset.StageExtract)
	freeze(dataset.StageNormal, map[string]any{"model": "waves", "geometry": geometry(parts)}, dataset.StageExtract)
	if err != nil {
		return nil, err
	}
	for i, p := range parts {
		var clips []*dataset.Clip
		var depths []*dataset.Depth
		var normals []*dataset.Normal
		for _, r := range p.Rows {
			clips, depths, normals = append(clips, r.Clip), append(depths, r.Depth), append(normals, r.Normal)
		}
		info := func(stage string) dataset.PartInfo {
			return dataset.PartInfo{Stage: stage, Part: i, Fingerprint: f.Stages[stage].Fingerprint, Last: i == len(parts)-1}
		}
		for _, err := range []error{
			writePart(ctx, s, dataset.SourceSchema, info(dataset.StageIngest), p.Sources),
			writePart(ctx, s, dataset.ClipSchema, info(dataset.StageExtract), clips),
			writePart(ctx, s, dataset.DepthSchema, info(dataset.StageDepth), depths),
			writePart(ctx, s, dataset.NormalSchema, info(dataset.StageNormal), normals),
			dataset.SaveCost(ctx, s, dataset.StageExtract, i, dataset.Report{Rows: len(clips), Cost: dataset.Cost{CPU: 3 * time.Second, Bytes: 1000}}),
		} {
			if err != nil {
				return nil, err
			}
		}
	}
	return f, f.Save(ctx, s)
}

// geometry is what the labels were made of.
func geometry(parts []Part) string {
	for _, p := range parts {
		for _, r := range p.Rows {
			if len(r.Depth.Frames) > 0 {
				return "frames"
			}
		}
	}
	return "image"
}

func writePart[R any](ctx context.Context, s storage.Store, schema *table.Schema[R], info dataset.PartInfo, rows []*R) error {
	w, err := dataset.CreatePart(ctx, s, schema, info)
	if err != nil {
		return err
	}
	defer w.Abort()
	for _, r := range rows {
		if err := w.Write(r); err != nil {
			return err
		}
	}
	return w.Commit(ctx)
}
