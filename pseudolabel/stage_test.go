package pseudolabel

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/color"
	"reflect"
	"slices"
	"sync"
	"testing"

	"micodata/dataset"
	"micodata/internal/origin"
	"micodata/internal/table"
	"micodata/storage"
)

// counting notes how many pictures each clip has labelled.
type counting struct {
	Geometer
	mu    sync.Mutex
	calls []int
}

func (c *counting) Label(ctx context.Context, pictures []Picture) ([]Geometry, error) {
	c.mu.Lock()
	c.calls = append(c.calls, len(pictures))
	c.mu.Unlock()
	return c.Geometer.Label(ctx, pictures)
}

// extracted writes an extract part of four clips: one that moves, one whose three
// frames are one picture, one that failed, and one of whose frames one is broken.
func extracted(t *testing.T) storage.Store {
	t.Helper()
	grey := func(v int) []byte {
		return jpegOf(t, 96, 64, func(x, _ int) color.Color { return color.Gray{uint8(v + x/3)} })
	}
	clip := func(n int, frames ...[]byte) *dataset.Clip {
		c := &dataset.Clip{Key: dataset.Key("a", n), SourceID: "a", Outcome: dataset.Outcome{Status: dataset.OK}}
		c.Image = table.Blob{Bytes: ramp(t, 128, 96), Path: c.Key + ".jpg"}
		for i, f := range frames {
			c.Frames = append(c.Frames, dataset.Frame{Time: float64(i), Image: table.Blob{Bytes: f, Path: fmt.Sprintf("%s.%02d.jpg", c.Key, i)}})
		}
		return c
	}
	lost := &dataset.Clip{Key: dataset.Key("a", 2), SourceID: "a", Outcome: dataset.Outcome{Status: dataset.Skipped, Class: dataset.TooShort, Error: "0.4 s"}}
	s, err := storage.NewLocal(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	w, err := dataset.CreatePart(t.Context(), s, dataset.ClipSchema, dataset.PartInfo{Stage: dataset.StageExtract, Fingerprint: "e"})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []*dataset.Clip{clip(0, grey(0), grey(90), grey(180)), clip(1, grey(40), grey(40), grey(40)), lost, clip(3, grey(0), grey(90)[:300], grey(180))} {
		if err := w.Write(c); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

// rows reads part 0 of a stage, and its bytes.
func rows[R any](t *testing.T, s storage.Store, schema *table.Schema[R], stage string) (all []*R, file []byte) {
	t.Helper()
	if _, err := dataset.ReadPart(t.Context(), s, schema, stage, 0, func(r *R) error {
		all = append(all, r)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	file, err := storage.ReadAll(t.Context(), s, dataset.PartName(stage, 0), 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	return all, file
}

func TestRunOfFrames(t *testing.T) {
	model := open(t, Options{Model: "colours"})
	run := func(inFlight int) (depth []*dataset.Depth, normal []*dataset.Normal, files [2][]byte, calls []int) {
		s := extracted(t)
		c := &counting{Geometer: model}
		report, err := Run(t.Context(), Env{Store: s, Model: c, DepthFingerprint: "d", NormalFingerprint: "n", Frames: true, PicturesInFlight: inFlight}, 0)
		if err != nil || report.OK != 3 || report.Skipped != 1 || report.Classes[dataset.TooShort] != 1 {
			t.Fatalf("%+v, %v", report, err)
		}
		depth, files[0] = rows(t, s, dataset.DepthSchema, dataset.StageDepth)
		normal, files[1] = rows(t, s, dataset.NormalSchema, dataset.StageNormal)
		slices.Sort(c.calls)
		return depth, normal, files, c.calls
	}
	depth, normal, files, calls := run(0)
	pictures, _ := rows(t, extracted(t), dataset.ClipSchema, dataset.StageExtract)
	if !slices.Equal(calls, []int{0, 2, 4, 4}) {
		t.Errorf("pictures labelled %v: want each picture of a clip once", calls)
	}
	for i, d := range depth {
		n := normal[i]
		if d.Key != dataset.Key("a", i) || n.Key != d.Key || len(d.Frames) != len(n.Frames) {
			t.Fatalf("row %d: %s with %d maps of frames, %s with %d", i, d.Key, len(d.Frames), n.Key, len(n.Frames))
		}
		if i == 2 {
			if d.Status != dataset.Skipped || d.Meta != nil || len(d.Frames) != 0 || len(d.Errors) != 0 {
				t.Errorf("a clip that failed: %+v", d)
			}
			continue
		}
		checkOrigins(t, pictures[i], d, n)
		// The key frame's ramp is the nearest and the farthest: depth is 2 + 3 red.
		if d.Status != dataset.OK || len(d.Frames) != 3 || d.Meta.Min > 2.1 || d.Meta.Max < 4.9 || d.Meta.Kind != "affine_invariant_depth" {
			t.Errorf("%s: %s, %d frames, %+v", d.Key, d.Status, len(d.Frames), d.Meta)
		}
		for k := range d.Frames {
			if i == 3 && k == 1 {
				continue
			}
			if size := decodeDepth(t, d.Frames[k].Map.Bytes).Rect.Size(); size != image.Pt(96, 64) {
				t.Errorf("%s: depth of frame %d is %v", d.Key, k, size)
			}
			if _, size := decodeNormal(t, n.Frames[k].Map.Bytes); size != image.Pt(96, 64) {
				t.Errorf("%s: normals of frame %d are %v", d.Key, k, size)
			}
		}
		if d.Frames[2].Map.Path != d.Key+".02.depth.png" || n.Frames[2].Map.Path != d.Key+".02.normal.png" {
			t.Errorf("paths %s, %s", d.Frames[2].Map.Path, n.Frames[2].Map.Path)
		}
	}
	// A darker frame is nearer, in its map too.
	if near, far := decodeDepth(t, depth[0].Frames[0].Map.Bytes), decodeDepth(t, depth[0].Frames[2].Map.Bytes); near.Gray16At(90, 30).Y >= far.Gray16At(5, 30).Y {
		t.Error("frames are not on one scale")
	}
	if !bytes.Equal(depth[1].Frames[0].Map.Bytes, depth[1].Frames[2].Map.Bytes) {
		t.Error("one picture has two maps")
	}
	d, n := depth[3], normal[3]
	if d.Frames[1].Map.Bytes != nil || n.Frames[1].Map.Bytes != nil || len(d.Errors) != 1 || len(n.Errors) != 1 ||
		!d.Errors[0].OfFrame(dataset.StageDepth, 1) || !n.Errors[0].OfFrame(dataset.StageNormal, 1) || d.Errors[0].Class != dataset.Corrupt {
		t.Errorf("a broken frame: %v, %v", d.Errors, n.Errors)
	}

	if _, _, again, _ := run(2); !reflect.DeepEqual(again, files) { // fewer than a clip has
		t.Error("with room for two pictures: other bytes")
	}
}

// checkOrigins checks that each map names the picture that it was made of, and that the
// key frame's are no frame's.
func checkOrigins(t *testing.T, c *dataset.Clip, d *dataset.Depth, n *dataset.Normal) {
	t.Helper()
	is := func(m, picture []byte) bool {
		of, ok := origin.Of(m)
		return ok && of == origin.Sum(picture)
	}
	if !is(d.Depth.Bytes, c.Image.Bytes) || !is(n.Normal.Bytes, c.Image.Bytes) {
		t.Errorf("%s: maps of another picture", c.Key)
	}
	for k, f := range c.Frames {
		for _, m := range [][]byte{d.Frames[k].Map.Bytes, n.Frames[k].Map.Bytes} {
			if m != nil && (!is(m, f.Image.Bytes) || is(m, c.Image.Bytes)) {
				t.Errorf("%s: frame %d has a map of another picture", c.Key, k)
			}
		}
	}
}

func TestRunOfKeyFramesOnly(t *testing.T) {
	s, c := extracted(t), &counting{Geometer: open(t, Options{Model: "colours"})}
	if _, err := Run(t.Context(), Env{Store: s, Model: c, DepthFingerprint: "d"}, 0); err != nil {
		t.Fatal(err)
	}
	depth, _ := rows(t, s, dataset.DepthSchema, dataset.StageDepth)
	for _, d := range depth {
		if len(d.Frames) != 0 || len(d.Errors) != 0 {
			t.Errorf("%s has %d maps of frames, errors %v", d.Key, len(d.Frames), d.Errors)
		}
	}
	if slices.Sort(c.calls); !slices.Equal(c.calls, []int{0, 1, 1, 1}) {
		t.Errorf("pictures labelled %v, want 3", c.calls)
	}
	if n, err := dataset.Parts(t.Context(), s, dataset.StageNormal); err != nil || len(n) != 0 {
		t.Errorf("normals that were not asked for: %v, %v", n, err)
	}
}
