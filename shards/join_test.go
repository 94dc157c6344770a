package shards

import (
	"math"
	"slices"
	"strings"
	"testing"

	"micodata/dataset"
	"micodata/shards/testset"
)

// Parts that do not belong together are an error that says where, not a guess.
func TestMisfits(t *testing.T) {
	for _, c := range []struct {
		name, want string
		change     func(p []testset.Part)
	}{
		{"key", `label/normal/part-00000.parquet: does not fit the part it was made from: it has in row 2 the key "a.00003" where extract has "a.00002"`,
			func(p []testset.Part) { p[0].Rows[2].Normal.Key = "a.00003" }},
		{"order", `label/depth/part-00000.parquet: does not fit the part it was made from: it has in row 0 the key "a.00002"`,
			func(p []testset.Part) {
				r := p[0].Rows
				r[0].Depth, r[2].Depth = r[2].Depth, r[0].Depth
			}},
		{"frames", `label/depth/part-00000.parquet: does not fit the part it was made from: it has in row 2 (a.00002) maps of 7 frames where extract has 8`,
			func(p []testset.Part) {
				r := testset.WithFrames(p[0].Rows[2])
				r.Depth.Frames = r.Depth.Frames[:7]
			}},
		{"source", `a clip of source "z", which ingest's part has not`,
			func(p []testset.Part) { p[0].Rows[0].Clip.Key, p[0].Rows[0].Clip.SourceID = "z.00000", "z" }},
		{"key of another source", `has in row 0 the key "a.00000" for source "lost"`,
			func(p []testset.Part) { p[0].Rows[0].Clip.SourceID = "lost" }},
		{"measure", `has in row 2 (a.00002) a motion that is no finite number`,
			func(p []testset.Part) { p[0].Rows[2].Clip.Motion = math.NaN() }},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := testset.Parts(t)
			c.change(p)
			_, err := Write(t.Context(), newEnv(t, p))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("err = %v, want %s", err, c.want)
			}
		})
	}
}

func TestMissingParts(t *testing.T) {
	for _, c := range []struct{ gone, want string }{
		{dataset.PartName(dataset.StageDepth, 1), "label/depth has 1 parts, ingest 2"},
		{dataset.PartName(dataset.StageExtract, 0), "numbered up to 1: some are missing"},
		{dataset.PartName(dataset.StageIngest, 1), "extract has 2 parts, ingest 1"},
	} {
		env := newEnv(t, testset.Parts(t))
		if err := env.Dataset.Delete(t.Context(), c.gone); err != nil {
			t.Fatal(err)
		}
		if _, err := Write(t.Context(), env); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("without %s: %v, want %s", c.gone, err, c.want)
		}
	}
	env := newEnv(t, testset.Parts(t))
	st := env.Frozen.Stages[dataset.StageNormal]
	st.Fingerprint = strings.Repeat("f", 64)
	env.Frozen.Stages[dataset.StageNormal] = st
	if _, err := Write(t.Context(), env); err == nil || !strings.Contains(err.Error(), "does not belong to this dataset") {
		t.Errorf("parts of another dataset: %v", err)
	}
}

// Labels that are not asked for stay out.
func TestWithoutLabels(t *testing.T) {
	env := newEnv(t, testset.Parts(t)[:1])
	env.Labels = nil
	write(t, env)
	rows, m := tuples(t, env.Out)
	if len(rows) != 2 || rows[0].Depth.Bytes != nil || rows[0].DepthMeta != nil || len(rows[0].Status) != 0 || len(m.Stages) != 2 {
		t.Errorf("%d rows, status %v, stages %d", len(rows), rows[0].Status, len(m.Stages))
	}
}

// Of a source that is in two parts, the first keeps its clips.
func TestRepeatedSource(t *testing.T) {
	p := testset.Parts(t)
	again := testset.Part{Sources: []*dataset.Source{testset.NewSource("b"), testset.NewSource("lost")}}
	again.Rows = []testset.Row{testset.NewRow(testset.Make(t, 0, 0), "b.00000", 0), testset.NewRow(testset.Make(t, 1, 0), "lost.00000", 0)}
	env := newEnv(t, append(p, again))
	write(t, env)
	rows, m := tuples(t, env.Out)
	got := strings.Fields(keys(rows))
	if !slices.Contains(got, "lost.00000") || len(got) != 7 {
		t.Errorf("tuples %v: want b once, and lost, which failed the first time", got)
	}
	if c := m.Counts[StageShard]; c.Classes[dataset.Policy] != 1 || len(m.Notes) != 1 || !strings.Contains(m.Notes[0], "source b: part 2") {
		t.Errorf("%+v, notes %q", c, m.Notes)
	}
}

// Of different media under one id, in two parts, the first keeps the id; the other
// is a failure that is named.
func TestOneIDForDifferentMedia(t *testing.T) {
	p := testset.Parts(t)
	other := testset.NewSource("b")
	other.SHA256, other.URI = strings.Repeat("0", 64), "/other.mp4"
	again := testset.Part{Sources: []*dataset.Source{other}, Rows: []testset.Row{testset.NewRow(testset.Make(t, 0, 0), "b.00000", 0)}}
	env := newEnv(t, append(p, again))
	write(t, env)
	_, m := tuples(t, env.Out)
	if c := m.Counts[StageShard]; c.Failed != 1 || len(m.Notes) != 1 || !strings.Contains(m.Notes[0], "the id names different media, /other.mp4 instead of") {
		t.Errorf("%+v, notes %q", c, m.Notes)
	}
}

// A set in which no source falls to train is all train.
func TestTinySetIsTrain(t *testing.T) {
	env := newEnv(t, testset.Parts(t)[:1])
	for _, s := range []Splits{{Train: 0.001, Validation: 0.999}, {Train: 0.001, Test: 0.999}} {
		env.Splits, env.Out = s, testset.Local(t)
		write(t, env)
		if _, m := tuples(t, env.Out); m.Splits[Train] != 2 || len(m.Splits) != 1 {
			t.Errorf("%v: splits %v", s, m.Splits)
		}
	}
}

func TestShardBytes(t *testing.T) {
	env := manyShards(t)
	write(t, env)
	_, m := tuples(t, env.Out)
	for _, s := range m.Shards {
		if s.Bytes > env.ShardBytes {
			t.Errorf("%s has %d bytes", s.Name, s.Bytes)
		}
	}
	if first := m.Shards[0]; first.Bytes < env.ShardBytes/2 {
		t.Errorf("%s has %d bytes: shards are too small", first.Name, first.Bytes)
	}
}

func TestSplits(t *testing.T) {
	s := DefaultSettings().Splits
	counts := map[string]int{}
	for i := range 20000 {
		counts[s.Of(dataset.Key("source", i))]++
	}
	if counts[Train] < 19500 || counts[Test] < 150 || counts[Validation] < 150 {
		t.Errorf("splits of 20000 sources: %v", counts)
	}
	var again Splits
	if err := again.Set(s.String()); err != nil || again != s {
		t.Errorf("%v: %v", again, err)
	}
	for _, bad := range []string{"", "train", "train=x", "train=0.5", "train=1,other=0", "validation=1", "train=2,test=-1", "train=NaN"} {
		if err := again.Set(bad); err == nil || again != s {
			t.Errorf("%q was taken: %v", bad, again)
		}
	}
}

func TestText(t *testing.T) {
	src := &dataset.Source{ID: "a", Title: "a title", Texts: []dataset.Text{{Text: " alt ", Kind: "alt"}, {Text: "", Kind: "imported"}}}
	clip := &dataset.Clip{Subtitles: []dataset.Cue{{Text: "one\n two", Lang: "en"}, {Text: "one two", Lang: "en"}, {Text: "eins", Lang: "de"}, {Text: "three", Lang: "en"}}}
	got := captionsOf(clip, src)
	want := []Caption{{Text: "one two three", Kind: "subtitle", Lang: "en"}, {Text: "eins", Kind: "subtitle", Lang: "de"}, {Text: "alt", Kind: "alt"}, {Text: "a title", Kind: "title"}}
	if !slices.Equal(got, want) {
		t.Errorf("captions %+v", got)
	}
	if text := BestText(got); text != "one two three" {
		t.Errorf("text %q", text)
	}
	clip.Text = "given for this span"
	if text := BestText(captionsOf(clip, src)); text != "given for this span" {
		t.Errorf("text %q", text)
	}
	if text := BestText(captionsOf(&dataset.Clip{}, &dataset.Source{})); text != "" {
		t.Errorf("text %q of nothing", text)
	}
}
