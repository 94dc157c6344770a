package shards

import (
	"context"
	"fmt"
	"math"
	"strings"
	"testing"

	"micodata/dataset"
	"micodata/internal/ffmpeg"
	"micodata/internal/table"
	"micodata/shards/testset"
	"micodata/storage"
)

func tools(t testing.TB) ffmpeg.Tools {
	t.Helper()
	found, err := ffmpeg.Find(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func verify(t testing.TB, out storage.Store) VerifyReport {
	t.Helper()
	r, err := Verify(t.Context(), VerifyEnv{Out: out, Tools: tools(t), Sample: 1, TempDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestVerifyGood(t *testing.T) {
	env := newEnv(t, testset.Parts(t))
	env.ShardBytes, env.RowGroupBytes = 1<<20, 300<<10
	write(t, env)
	r := verify(t, env.Out)
	for _, p := range r.Problems {
		t.Error(p)
	}
	if r.Tuples != 6 || r.Sampled != 6 || r.Shards < 2 {
		t.Errorf("%+v", r)
	}
	// Without a share, one tuple of each shard is decoded.
	r, err := Verify(t.Context(), VerifyEnv{Out: env.Out, Tools: tools(t)})
	if err != nil || len(r.Problems) > 0 || r.Sampled != int64(r.Shards) {
		t.Errorf("%+v, %v", r, err)
	}
}

// rewrite replaces the only shard of a set by one with other rows, and the index
// and manifest by those that fit it: what is wrong then is in the tuples alone.
func rewrite(t *testing.T, s storage.Store, change func([]*Tuple) []*Tuple) {
	t.Helper()
	rows, m := tuples(t, s)
	if len(m.Shards) != 1 {
		t.Fatalf("%d shards, want 1", len(m.Shards))
	}
	name := m.Shards[0].Name
	if err := replaceShard(t.Context(), s, m, change(rows)); err != nil {
		t.Fatalf("rewrite %s: %v", name, err)
	}
}

func replaceShard(ctx context.Context, s storage.Store, m *Manifest, rows []*Tuple) error {
	object, err := s.Create(ctx, m.Shards[0].Name, storage.Replace)
	if err != nil {
		return err
	}
	defer object.Abort()
	schema := NewTupleSchema(m.AudioRate)
	plan := m.Shards[0].Plan
	w := schema.NewWriter(object, table.WriterOptions{RowGroupBytes: m.Settings.RowGroupBytes, Metadata: []table.KeyValue{{Key: dataset.MetaFingerprint, Value: m.Fingerprint}, {Key: MetaPlan, Value: plan}}})
	for _, r := range rows {
		if err := w.Write(r); err != nil {
			return err
		}
	}
	if err := w.Close(); err != nil {
		return err
	}
	if err := object.Commit(ctx); err != nil {
		return err
	}
	p := &shardPlan{Split: Train, Total: 1, Rows: int64(len(rows)), Digest: plan}
	if m.Shards[0], err = describeShard(ctx, s, schema, p, ""); err != nil {
		return err
	}
	var n tally
	if err := writeIndex(ctx, s, m, func(x *IndexRow) { n.add(Train, &x.Tuple) }); err != nil {
		return err
	}
	m.Tuples, m.Bytes, m.Splits, m.Sources, m.Seconds, m.Missing = n.tuples, m.Shards[0].Bytes, n.splits, n.sources.count(), n.seconds, n.missing
	return m.save(ctx, s)
}

// corruption is what verify must find in a tuple.
type corruption struct {
	name, promise string // none if it is in order
	change        func(t *testing.T, r *Tuple)
}

// setImage puts another key frame into a tuple, with its measures.
func setImage(r *Tuple, data []byte) {
	r.Image.Bytes, r.PHash = data, testset.PHash(data)
	r.Sharpness, r.Brightness = testset.Measure(data)
}

// corruptions are of tuples with maps of their key frames. The tuple i shows media
// i%2.
var corruptions = []corruption{
	{"none", "", func(*testing.T, *Tuple) {}},
	{"none", "", func(*testing.T, *Tuple) {}},
	{"audio of another row", "audio sync", func(t *testing.T, r *Tuple) { r.Audio.Bytes = testset.Make(t, 1, 0).Audio }},
	{"audio of another row", "audio sync", func(t *testing.T, r *Tuple) { r.Audio.Bytes = testset.Make(t, 0, 0).Audio }},
	{"video a frame late", "image", func(t *testing.T, r *Tuple) { r.Video.Bytes = testset.Make(t, 0, 1).Video }},
	{"video a frame early", "frames", func(t *testing.T, r *Tuple) { r.Video.Bytes = testset.Make(t, 1, -1).Video }},
	{"key frame's neighbour", "image", func(t *testing.T, r *Tuple) {
		setImage(r, testset.Make(t, 0, 1).Neighbour)
	}},
	{"key frame of another clip", "image", func(t *testing.T, r *Tuple) {
		setImage(r, testset.Make(t, 0, 0).Image)
	}},
	{"key frame at another time", "image", func(_ *testing.T, r *Tuple) { r.ImageTime += 0.04 }},
	{"time of no frame", "image", func(_ *testing.T, r *Tuple) { r.ImageTime += 0.02 }},
	{"frames in disorder", "frames", func(_ *testing.T, r *Tuple) { r.Frames[3], r.Frames[4] = r.Frames[4], r.Frames[3] }},
	{"a frame fewer", "frames", func(_ *testing.T, r *Tuple) { r.Frames = r.Frames[:7] }},
	{"truncated JPEG", "image", func(_ *testing.T, r *Tuple) { r.Image.Bytes = r.Image.Bytes[:len(r.Image.Bytes)*2/3] }},
	{"truncated video", "video", func(_ *testing.T, r *Tuple) { r.Video.Bytes = r.Video.Bytes[:len(r.Video.Bytes)*2/3] }},
	{"truncated audio", "video or audio", func(_ *testing.T, r *Tuple) { r.Audio.Bytes = r.Audio.Bytes[:len(r.Audio.Bytes)/2] }},
	{"depth of another size", "depth", func(_ *testing.T, r *Tuple) { r.Depth.Bytes = testset.DepthPNG(testset.Width/2, testset.Height/2, 0) }},
	{"8-bit depth", "depth", func(_ *testing.T, r *Tuple) { r.Depth.Bytes = gray8(testset.Width, testset.Height) }},
	{"half of the depth's range", "depth", func(_ *testing.T, r *Tuple) { r.Depth.Bytes = halfRange(testset.Width, testset.Height) }},
	{"normals of half length", "normal", func(_ *testing.T, r *Tuple) { r.Normal.Bytes = normals(0, 0, -0.5) }},
	{"normals that look away", "normal", func(_ *testing.T, r *Tuple) { r.Normal.Bytes = normals(0, 0, 1) }},
	{"sharpness of another", "sharpness", func(_ *testing.T, r *Tuple) { r.Sharpness *= 1.01 }},
	{"frame count", "frame_count", func(_ *testing.T, r *Tuple) { r.FrameCount++ }},
	{"width", "width and height", func(_ *testing.T, r *Tuple) { r.Width -= 2 }},
	{"sound lost", "audio", func(_ *testing.T, r *Tuple) { r.Audio = table.Blob{} }},
	{"span", "span", func(_ *testing.T, r *Tuple) { r.End += 0.5 }},
	{"cue outside", "subtitles", func(_ *testing.T, r *Tuple) { r.Subtitles[0].End = 2.5 }},
	{"lost without a word", "depth", func(_ *testing.T, r *Tuple) { r.Depth = table.Blob{} }},
	{"picture named for another tuple", "image: its path is", func(_ *testing.T, r *Tuple) { r.Image.Path = "a.00099.jpg" }},
	{"gray key frame", "image: does not show the clip's frame", func(t *testing.T, r *Tuple) { setImage(r, gray(testset.Width, testset.Height)) }},
	{"gray frames", "frames: does not show the clip's frame", func(t *testing.T, r *Tuple) {
		for i := range r.Frames {
			r.Frames[i].Image.Bytes = gray(testset.Width, testset.Height)
		}
	}},
	{"path of another kind", "frames: its path is", func(_ *testing.T, r *Tuple) { r.Frames[1].Image.Path = r.Frames[2].Image.Path }},
	{"hash of another picture", "phash", func(_ *testing.T, r *Tuple) { r.PHash ^= 7 }},
	{"motion", "motion: is 1.5", func(_ *testing.T, r *Tuple) { r.Motion = 1.5 }},
	{"silence", "silence: is NaN", func(_ *testing.T, r *Tuple) { r.Silence = math.NaN() }},
	{"offset of sound", "audio_offset_ms", func(_ *testing.T, r *Tuple) { r.AudioOffsetMS = -1e9 }},
	{"caption of no kind", "captions: caption 2 is of the kind \"rumour\"", func(_ *testing.T, r *Tuple) {
		r.Captions = append(r.Captions, Caption{Text: "x", Kind: "rumour"})
	}},
	{"no text, without a word", "text: is empty", func(_ *testing.T, r *Tuple) { r.Text, r.Captions = "", nil }},
	{"depth of no range", "depth: depth_meta is from 1 to 0", func(_ *testing.T, r *Tuple) { r.DepthMeta.Min, r.DepthMeta.Max = 1, 0 }},
	{"inverse depth of no range", "depth: depth_meta is from 0 to 1", func(_ *testing.T, r *Tuple) {
		r.DepthMeta.Kind, r.DepthMeta.Min, r.DepthMeta.Max = dataset.InverseDepth, 0, 1
	}},
	{"depth of one value", "depth: its maps are from 0 to 65535, and depth_meta from 1 to 1", func(_ *testing.T, r *Tuple) { r.DepthMeta.Min, r.DepthMeta.Max = 1, 1 }},
	{"depth by another model", "depth: depth_meta names the model", func(_ *testing.T, r *Tuple) { r.DepthMeta.Model = "dpt" }},
	{"normals by other weights", "normal: normal_meta names the model", func(_ *testing.T, r *Tuple) { r.NormalMeta.WeightsSHA256 = "00" }},
	{"depth of no kind", "depth: depth_meta.kind", func(_ *testing.T, r *Tuple) { r.DepthMeta.Kind = "depth" }},
	{"key of another source", "key", func(_ *testing.T, r *Tuple) { r.SourceID = "b" }},
}

// frameCorruptions are the same of tuples whose frames have maps.
var frameCorruptions = []corruption{
	{"none", "", func(*testing.T, *Tuple) {}},
	{"the key frame's depth within the range of all", "", func(_ *testing.T, r *Tuple) { r.Depth.Bytes = halfRange(testset.Width, testset.Height) }},
	{"depth of another size", "depth: a.00002.03.depth.png: is (160,90), the picture (320,180)", func(_ *testing.T, r *Tuple) {
		r.Frames[3].Depth.Bytes = testset.DepthPNG(testset.Width/2, testset.Height/2, 0)
	}},
	{"normals of another size", "normal: a.00003.00.normal.png", func(_ *testing.T, r *Tuple) {
		r.Frames[0].Normal.Bytes = testset.NormalPNG(testset.Width, testset.Height-2, 0)
	}},
	{"depth in 8 bits", "depth", func(_ *testing.T, r *Tuple) { r.Frames[7].Depth.Bytes = gray8(testset.Width, testset.Height) }},
	{"depth for normals", "normal", func(_ *testing.T, r *Tuple) { r.Frames[7].Normal.Bytes = r.Depth.Bytes }},
	{"normals that look away", "normal", func(_ *testing.T, r *Tuple) { r.Frames[1].Normal.Bytes = normals(0, 0, 1) }},
	{"normals too short", "normal", func(_ *testing.T, r *Tuple) { r.Frames[1].Normal.Bytes = normals(0, 0, -.5) }},
	{"the range of none of them", "depth: its maps are from 0 to", func(_ *testing.T, r *Tuple) {
		r.Depth.Bytes = halfRange(testset.Width, testset.Height)
		for i := range r.Frames {
			r.Frames[i].Depth.Bytes = r.Depth.Bytes
		}
	}},
	{"lost without a word", "depth: of frame 2 is null", func(_ *testing.T, r *Tuple) { r.Frames[2].Depth = table.Blob{} }},
	{"another frame named", "normal: of frame 2 is null", func(_ *testing.T, r *Tuple) {
		r.Frames[2].Normal = table.Blob{}
		r.Status = append(r.Status, dataset.FrameError(dataset.StageNormal, 3, dataset.Fail(dataset.Labeler, "NaN")))
	}},
	{"a frame's loss does not excuse the key frame's", "depth: is null", func(_ *testing.T, r *Tuple) {
		r.Depth, r.Frames[2].Depth = table.Blob{}, table.Blob{}
		r.Status = append(r.Status, dataset.FrameError(dataset.StageDepth, 2, dataset.Fail(dataset.Labeler, "NaN")))
	}},
	{"maps of no model", "depth and normal", func(_ *testing.T, r *Tuple) {
		r.Depth, r.DepthMeta = table.Blob{}, nil
		r.Status = append(r.Status, dataset.StageError{Stage: dataset.StageDepth, Class: dataset.Labeler, Error: "NaN"})
	}},
}

func TestVerifyFindsCorruptMedia(t *testing.T) {
	findsCorruptions(t, corruptions, func(r testset.Row) testset.Row { return r })
}

func TestVerifyFindsCorruptFrameMaps(t *testing.T) {
	findsCorruptions(t, frameCorruptions, testset.WithFrames)
}

// findsCorruptions checks that each corruption is found in the tuple that has it,
// and nothing in the others.
func findsCorruptions(t *testing.T, corruptions []corruption, row func(testset.Row) testset.Row) {
	t.Helper()
	part := testset.Part{Sources: []*dataset.Source{testset.NewSource("a")}}
	for i := range corruptions {
		part.Rows = append(part.Rows, row(testset.NewRow(testset.Make(t, i%2, 0), dataset.Key("a", i), float64(2*i))))
	}
	env := newEnv(t, []testset.Part{part})
	write(t, env)
	rewrite(t, env.Out, func(rows []*Tuple) []*Tuple {
		for i, c := range corruptions {
			c.change(t, rows[i])
		}
		return rows
	})
	found := make([][]string, len(corruptions))
	for _, p := range verify(t, env.Out).Problems {
		if p.Row < 0 {
			t.Fatal(p)
		}
		found[p.Row] = append(found[p.Row], p.String())
	}
	for i, c := range corruptions {
		said := strings.Join(found[i], "\n")
		if c.promise == "" && said != "" || !strings.Contains(said, "): "+c.promise) && c.promise != "" {
			t.Errorf("%s: want a problem of %q, found:\n%s", c.name, c.promise, said)
		}
	}
}

// recount changes the manifest.
func recount(t *testing.T, s storage.Store, change func(*Manifest)) {
	t.Helper()
	m, err := ReadManifest(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	change(m)
	if err := m.save(t.Context(), s); err != nil {
		t.Fatal(err)
	}
}

func TestVerifyFindsCorruptSets(t *testing.T) {
	name := "data/train-00000-of-00001.parquet"
	flip := func(t *testing.T, s storage.Store, object string, at func([]byte) int) {
		data := testset.Files(t, s)[object]
		data[at(data)] ^= 1
		if err := storage.WriteAll(t.Context(), s, object, storage.Replace, data); err != nil {
			t.Fatal(err)
		}
	}
	env := newEnv(t, testset.Parts(t)[:1])
	write(t, env)
	good := testset.Files(t, env.Out)
	middle := func(b []byte) int { return len(b) / 2 }
	for _, c := range []struct {
		name, want string
		change     func(*testing.T, storage.Store)
	}{
		{"repeated key", "unique keys: the key is also in", func(t *testing.T, s storage.Store) {
			rewrite(t, s, func(r []*Tuple) []*Tuple { return append(r, r[0]) })
		}},
		{"dropped row", "2 clips became tuples, and there are 1", func(t *testing.T, s storage.Store) {
			rewrite(t, s, func(r []*Tuple) []*Tuple { return r[1:] })
		}},
		{"dropped row that is said to be left out", "1 clips were left out, and of 0 it is said why", func(t *testing.T, s storage.Store) {
			rewrite(t, s, func(r []*Tuple) []*Tuple { return r[1:] })
			recount(t, s, func(m *Manifest) {
				c := m.Counts[StageShard]
				c.OK, c.Skipped, c.Classes = c.OK-1, 1, map[dataset.Class]int64{dataset.Policy: 1}
				m.Counts[StageShard] = c
			})
		}},
		{"left out by no setting", "1 clips were left out by where, which is not asked for", func(t *testing.T, s storage.Store) {
			recount(t, s, func(m *Manifest) { m.LeftOut = map[string]int64{"where": 1} })
		}},
		{"dropped row that is said to have failed", "is not that of its shards and counts", func(t *testing.T, s storage.Store) {
			rewrite(t, s, func(r []*Tuple) []*Tuple { return r[1:] })
			recount(t, s, func(m *Manifest) {
				for _, stage := range []string{dataset.StageExtract, StageShard, dataset.StageDepth, dataset.StageNormal} {
					c := m.Counts[stage]
					c.Rows, c.OK = c.Rows-1, c.OK-1
					m.Counts[stage] = c
				}
			})
		}},
		{"row of an index without a shard", "has a row of no shard", func(t *testing.T, s storage.Store) {
			_, m := tuples(t, s)
			rewrite(t, s, func(r []*Tuple) []*Tuple { return append(r, r[0]) })
			_, longer := tuples(t, s)
			index := testset.Files(t, s)[IndexName]
			rewrite(t, s, func(r []*Tuple) []*Tuple { return r[:m.Tuples] })
			if err := storage.WriteAll(t.Context(), s, IndexName, storage.Replace, index); err != nil {
				t.Fatal(err)
			}
			recount(t, s, func(m *Manifest) { m.Index = longer.Index })
		}},
		{"stages left out", "stages has no extract", func(t *testing.T, s storage.Store) {
			recount(t, s, func(m *Manifest) { m.Stages = nil })
		}},
		{"not what was asked for", "where: motion > 0.9 is not true of it", func(t *testing.T, s storage.Store) {
			recount(t, s, func(m *Manifest) { m.Settings.Where = "motion > 0.9" })
		}},
		{"not what was required", "require: it has no audio", func(t *testing.T, s storage.Store) {
			rewrite(t, s, func(r []*Tuple) []*Tuple { r[0].Audio = table.Blob{}; return r })
			recount(t, s, func(m *Manifest) { m.Settings.Require = []string{"audio"} })
		}},
		{"another limit", "fingerprint", func(t *testing.T, s storage.Store) {
			recount(t, s, func(m *Manifest) { m.Settings.Limit = 1000 })
		}},
		{"sources miscounted", "says 2 sources", func(t *testing.T, s storage.Store) { recount(t, s, func(m *Manifest) { m.Sources++ }) }},
		{"seconds miscounted", "sources and ", func(t *testing.T, s storage.Store) { recount(t, s, func(m *Manifest) { m.Seconds++ }) }},
		{"losses miscounted", "are missing", func(t *testing.T, s storage.Store) {
			recount(t, s, func(m *Manifest) { m.Missing = map[string]map[dataset.Class]int64{"text": {dataset.NotFound: 1}} })
		}},
		{"split without tuples", "says splits of", func(t *testing.T, s storage.Store) { recount(t, s, func(m *Manifest) { m.Splits[Test] = 1 }) }},
		{"preview gone", PreviewName + ": manifest: the file is missing", func(t *testing.T, s storage.Store) {
			if err := s.Delete(t.Context(), PreviewName); err != nil {
				t.Fatal(err)
			}
		}},
		{"flipped byte of a shard", name + ": checksum: sha256", func(t *testing.T, s storage.Store) { flip(t, s, name, middle) }},
		{"flipped byte of the index", IndexName + ": checksum: sha256", func(t *testing.T, s storage.Store) { flip(t, s, IndexName, middle) }},
		{"shard gone", name + ": manifest: the file is missing", func(t *testing.T, s storage.Store) {
			if err := s.Delete(t.Context(), name); err != nil {
				t.Fatal(err)
			}
		}},
		{"a file too many", "in the folder, but not in the manifest", func(t *testing.T, s storage.Store) {
			if err := storage.WriteAll(t.Context(), s, "data/train-00001-of-00001.parquet", storage.Replace, []byte("x")); err != nil {
				t.Fatal(err)
			}
		}},
		{"index of another order", "index: " + IndexName + " has another row", func(t *testing.T, s storage.Store) {
			_, m := tuples(t, s)
			rewrite(t, s, func(r []*Tuple) []*Tuple { r[0], r[1] = r[1], r[0]; return r })
			_, swapped := tuples(t, s)
			rewrite(t, s, func(r []*Tuple) []*Tuple { r[0], r[1] = r[1], r[0]; return r })
			// The index of the swapped rows, and the shard of the others.
			_, good := tuples(t, s)
			rewrite(t, s, func(r []*Tuple) []*Tuple { r[0], r[1] = r[1], r[0]; return r })
			index := testset.Files(t, s)[IndexName]
			rewrite(t, s, func(r []*Tuple) []*Tuple { r[0], r[1] = r[1], r[0]; return r })
			good.Index = swapped.Index
			if m.Index.Rows != good.Index.Rows {
				t.Fatal("rows were lost")
			}
			if err := storage.WriteAll(t.Context(), s, IndexName, storage.Replace, index); err != nil {
				t.Fatal(err)
			}
			if err := good.save(t.Context(), s); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			out := testset.Local(t)
			for name, data := range good {
				if err := storage.WriteAll(t.Context(), out, name, storage.Exclusive, data); err != nil {
					t.Fatal(err)
				}
			}
			c.change(t, out)
			r, err := Verify(t.Context(), VerifyEnv{Out: out, Tools: tools(t)})
			if err != nil {
				t.Fatal(err)
			}
			said := fmt.Sprint(r.Problems)
			if !strings.Contains(said, c.want) {
				t.Errorf("found %s, want %q", said, c.want)
			}
		})
	}
}

func TestVerifyUnfinished(t *testing.T) {
	env := newEnv(t, testset.Parts(t))
	write(t, env)
	if err := env.Out.Delete(t.Context(), ManifestName); err != nil {
		t.Fatal(err)
	}
	if _, err := Verify(t.Context(), VerifyEnv{Out: env.Out, Tools: tools(t)}); err == nil || !strings.Contains(err.Error(), "not finished") {
		t.Errorf("err = %v", err)
	}
}

// A set with a source in the wrong split.
func TestVerifySplits(t *testing.T) {
	env := newEnv(t, testset.Parts(t))
	env.Splits = Splits{Train: 0.5, Validation: 0.25, Test: 0.25}
	write(t, env)
	rows, m := tuples(t, env.Out)
	if len(m.Splits) < 2 {
		t.Fatalf("splits %v: too few for this test", m.Splits)
	}
	if r := verify(t, env.Out); len(r.Problems) > 0 {
		t.Error(r.Problems)
	}
	where := map[string]string{}
	err := ReadIndex(t.Context(), env.Out, func(x *IndexRow) error {
		split, _, _ := strings.Cut(strings.TrimPrefix(x.Shard, "data/"), "-")
		if old, ok := where[x.SourceID]; ok && old != split {
			return fmt.Errorf("source %s is in %s and %s", x.SourceID, old, split)
		}
		where[x.SourceID] = split
		return nil
	})
	if err != nil || len(where) != 3 || len(rows) != 6 {
		t.Errorf("%v, %v", where, err)
	}
	v := &verifier{manifest: m}
	if v.split(Shard{Split: Validation}, "a") && v.split(Shard{Split: Test}, "a") {
		t.Error("a source belongs to two splits")
	}
}
