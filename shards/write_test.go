package shards

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"micodata/dataset"
	"micodata/internal/table"
	"micodata/shards/testset"
	"micodata/storage"
)

func newEnv(t testing.TB, p []testset.Part) Env {
	t.Helper()
	data := testset.Local(t)
	env := Env{Dataset: data, Out: testset.Local(t), Settings: DefaultSettings(), Version: "test",
		Frozen: testset.Dataset(t, data, p), Labels: []string{dataset.StageDepth, dataset.StageNormal},
		Models: []Model{{Name: "ramp", Task: "depth", WeightsSHA256: "00"}, {Name: "waves", Task: "normal", WeightsSHA256: "11"}}}
	env.Splits = Splits{Train: 1}
	return env
}

func write(t testing.TB, env Env) Result {
	t.Helper()
	r, err := Write(t.Context(), env)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func tuples(t testing.TB, s storage.Store) (rows []*Tuple, m *Manifest) {
	t.Helper()
	m, err := ReadManifest(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	for _, shard := range m.Shards {
		rows = append(rows, testset.ReadTable(t, s, NewTupleSchema(m.AudioRate), shard.Name)...)
	}
	return rows, m
}

func keys(rows []*Tuple) string {
	var keys []string
	for _, r := range rows {
		keys = append(keys, r.Key)
	}
	return strings.Join(keys, " ")
}

func TestWrite(t *testing.T) {
	p := testset.Parts(t)
	env := newEnv(t, p)
	result := write(t, env)
	rows, m := tuples(t, env.Out)
	if want := "a.00000 a.00002 b.00000 b.00001 c.00000 c.00001"; keys(rows) != want {
		t.Fatalf("tuples %s, want %s", keys(rows), want)
	}
	if result.Tuples != 6 || result.Shards != 1 || m.Tuples != 6 || m.Sources != 3 || m.Seconds != 12 || m.Splits[Train] != 6 {
		t.Errorf("%+v, %+v", result, m)
	}
	first, want := rows[0], p[0].Rows[0]
	if !bytes.Equal(first.Video.Bytes, want.Clip.Video.Bytes) || !bytes.Equal(first.Depth.Bytes, want.Depth.Depth.Bytes) ||
		!bytes.Equal(first.Normal.Bytes, want.Normal.Normal.Bytes) || !bytes.Equal(first.Frames[7].Image.Bytes, want.Clip.Frames[7].Image.Bytes) {
		t.Error("blobs are not those of the parts")
	}
	if first.Text != "hello a.00000" || first.Duration != 2 || first.ClipID != "clip of a.00000" || first.DepthMeta.Model != "ramp" || len(first.Status) != 0 {
		t.Errorf("first tuple: text %q, duration %v, status %v", first.Text, first.Duration, first.Status)
	}
	if s := rows[3].Status; rows[3].Depth.Bytes != nil || len(s) != 1 || s[0] != (dataset.StageError{Stage: "label/depth", Class: dataset.Labeler, Error: "NaN"}) {
		t.Errorf("without depth: %v", s)
	}
	if rows[4].Audio.Bytes != nil || rows[4].Text != "from elsewhere" || len(rows[4].Captions) != 3 {
		t.Errorf("without sound: text %q of %v", rows[4].Text, rows[4].Captions)
	}
	if c := m.Counts[dataset.StageIngest]; c.OK != 3 || c.Classes[dataset.Network] != 1 {
		t.Errorf("ingest: %+v", c)
	}
	if c := m.Counts[dataset.StageExtract]; c.Rows != 7 || c.Skipped != 1 || c.Classes[dataset.TooShort] != 1 {
		t.Errorf("extract: %+v", c)
	}
	if m.Missing["label/depth"][dataset.Labeler] != 1 || m.Cost[dataset.StageExtract].CPUSeconds != 6 {
		t.Errorf("missing %v, cost %v", m.Missing, m.Cost)
	}
}

// A frame without a map is a null that status names; what is counted is tuples.
func TestFrameMaps(t *testing.T) {
	p := testset.PartsWithLostMaps(t)
	env := newEnv(t, p)
	write(t, env)
	rows, m := tuples(t, env.Out)
	for i, r := range []testset.Row{p[0].Rows[0], p[0].Rows[2], p[1].Rows[0], p[1].Rows[1]} {
		for k, f := range rows[i].Frames {
			if !bytes.Equal(f.Depth.Bytes, r.Depth.Frames[k].Map.Bytes) || !bytes.Equal(f.Normal.Bytes, r.Normal.Frames[k].Map.Bytes) || f.Normal.Bytes == nil {
				t.Errorf("%s: the maps of frame %d are not those of the parts", rows[i].Key, k)
			}
		}
	}
	want := []dataset.StageError{{Stage: "label/frames.depth", Class: dataset.Labeler, Error: "frames[1]: NaN"}, {Stage: "label/frames.depth", Class: dataset.Labeler, Error: "frames[6]: NaN"}}
	if got := rows[1]; got.Frames[6].Depth.Bytes != nil || got.Depth.Bytes == nil || !slices.Equal(got.Status, want) {
		t.Errorf("status %v, want %v", got.Status, want)
	}
	if m.Missing["label/frames.depth"][dataset.Labeler] != 1 || m.Missing["label/depth"][dataset.Labeler] != 1 {
		t.Errorf("missing: %v", m.Missing)
	}
	if card := string(testset.Files(t, env.Out)[CardName]); !strings.Contains(card, "with their times and with `depth` and `normal` as above") {
		t.Error("the card does not tell of the frames' maps")
	}
}

// The index points at every blob's bytes.
func TestIndex(t *testing.T) {
	env := newEnv(t, testset.PartsWithFrames(t))
	env.RowGroupBytes = 400 << 10
	write(t, env)
	rows, m := tuples(t, env.Out)
	if len(m.Shards[0].RowGroups) < 2 {
		t.Errorf("row groups %v: too few for this test", m.Shards[0].RowGroups)
	}
	i := 0
	err := ReadIndex(t.Context(), env.Out, func(x *IndexRow) error {
		want := rows[i]
		i++
		if x.Key != want.Key || x.Row != int64(i-1) || x.Text != want.Text || x.Shard != m.Shards[0].Name {
			return fmt.Errorf("index row %d is %+v", i-1, x)
		}
		places := map[*Place]table.Blob{&x.Image: want.Image, &x.Video: want.Video, &x.Audio: want.Audio, &x.Depth: want.Depth, &x.Normal: want.Normal}
		for k := range want.Frames {
			places[&x.Frames[k].Image] = want.Frames[k].Image
			places[&x.Frames[k].Depth] = want.Frames[k].Depth
			places[&x.Frames[k].Normal] = want.Frames[k].Normal
		}
		for p, b := range places {
			got, err := ReadBlob(t.Context(), env.Out, x.Shard, *p)
			if err != nil || !bytes.Equal(got, b.Bytes) || (got == nil) != (b.Bytes == nil) {
				return fmt.Errorf("%s %s: %d bytes, want %d: %w", x.Key, b.Path, len(got), len(b.Bytes), err)
			}
		}
		return nil
	})
	if err != nil || i != 6 {
		t.Fatalf("%d rows: %v", i, err)
	}
}

// The same parts give the same bytes, with any number of workers.
func TestSameBytes(t *testing.T) {
	env := newEnv(t, testset.Parts(t))
	env.ShardBytes = 1 << 20
	write(t, env)
	again := env
	again.Out, again.Workers = testset.Local(t), 1
	write(t, again)
	want, got := testset.Files(t, env.Out), testset.Files(t, again.Out)
	if len(want) < 6 || len(want) != len(got) {
		t.Fatalf("%d and %d files", len(want), len(got))
	}
	for name := range want {
		if !bytes.Equal(want[name], got[name]) {
			t.Errorf("%s differs", name)
		}
	}
}

func TestNoTuples(t *testing.T) {
	lost := testset.NewSource("lost")
	lost.Outcome = dataset.Outcome{Status: dataset.Failed, Class: dataset.NotFound, Error: "404"}
	env := newEnv(t, []testset.Part{{Sources: []*dataset.Source{lost}, Rows: []testset.Row{testset.FailedRow("lost.00000", lost.Outcome)}}})
	_, err := Write(t.Context(), env)
	if !errors.Is(err, ErrNoTuples) || !strings.Contains(err.Error(), "1 not_found") {
		t.Errorf("err = %v", err)
	}
	if f := testset.Files(t, env.Out); len(f) != 0 {
		t.Errorf("%d files were written", len(f))
	}
}

// What is required is there, and the limit is of the first tuples.
func TestWriteRequireAndLimit(t *testing.T) {
	env := newEnv(t, testset.Parts(t))
	write(t, env)
	all, _ := tuples(t, env.Out)
	for _, modality := range Requirable() {
		has := func(x *Tuple) bool {
			switch modality {
			case "text":
				return x.Text != ""
			case "subtitles":
				return len(x.Subtitles) > 0
			}
			return x.blob(table.BlobPlace{Column: modality}).Bytes != nil
		}
		want := slices.DeleteFunc(slices.Clone(all), func(x *Tuple) bool { return !has(x) })
		env.Require, env.Out = []string{modality}, testset.Local(t)
		if len(want) == 0 {
			if _, err := Write(t.Context(), env); !errors.Is(err, ErrNoTuples) {
				t.Errorf("%s: %v", modality, err)
			}
			continue
		}
		write(t, env)
		if got, _ := tuples(t, env.Out); keys(got) != keys(want) {
			t.Errorf("with %s: %s, want %s", modality, keys(got), keys(want))
		}
	}
	env.Require, env.Limit, env.Out = nil, 2, testset.Local(t)
	write(t, env)
	if got, m := tuples(t, env.Out); keys(got) != keys(all[:2]) || m.Counts[StageShard].Skipped != int64(len(all)-2) {
		t.Errorf("two of %s: %s", keys(all), keys(got))
	}
	env.Require = []string{"smell"}
	if _, err := Write(t.Context(), env); err == nil || !strings.Contains(err.Error(), "smell") {
		t.Errorf("err = %v", err)
	}
}

// A takedown rewrites the shards that had the tuples and no others, and lasts.
func TestWriteExclude(t *testing.T) {
	env := manyShards(t)
	write(t, env)
	all, before := tuples(t, env.Out)
	if len(before.Shards) < 3 {
		t.Fatalf("%d shards: too few for this test", len(before.Shards))
	}
	gone := all[1].Key
	stamp := func(m *Manifest) map[string]string {
		sums := map[string]string{}
		for _, s := range m.Shards {
			sums[s.Name] = s.SHA256
		}
		return sums
	}
	env.Exclude = []string{gone, "not there"}
	write(t, env)
	rest, after := tuples(t, env.Out)
	if want := slices.DeleteFunc(slices.Clone(all), func(x *Tuple) bool { return x.Key == gone }); keys(rest) != keys(want) {
		t.Errorf("left %s, want %s", keys(rest), keys(want))
	}
	if after.Counts[StageShard].Skipped != before.Counts[StageShard].Skipped+1 || len(after.Shards) != len(before.Shards) {
		t.Errorf("counts %+v, %d shards", after.Counts[StageShard], len(after.Shards))
	}
	changed := 0
	was, is := stamp(before), stamp(after)
	for name := range was {
		if is[name] != was[name] {
			changed++
		}
	}
	if changed != 1 {
		t.Errorf("%d of %d shards changed", changed, len(was))
	}
	// It lasts, without the list and with another one.
	env.Exclude = []string{all[8].Key}
	write(t, env)
	env.Exclude = nil
	write(t, env)
	left := slices.DeleteFunc(slices.Clone(all), func(x *Tuple) bool { return x.Key == gone || x.Key == all[8].Key })
	if got, _ := tuples(t, env.Out); keys(got) != keys(left) {
		t.Errorf("later: %s, want %s", keys(got), keys(left))
	}
	said := ""
	for name, data := range testset.Files(t, env.Out) {
		if strings.HasPrefix(name, ExcludedFolder+"/") {
			said += string(data)
		}
	}
	if strings.Contains(said, gone) || strings.Count(said, "\n") != 3 {
		t.Errorf("%s says %q", ExcludedFolder, said)
	}
}

// What a takedown did is told, and that it did nothing above all.
func TestWriteExcludeTells(t *testing.T) {
	env := manyShards(t)
	env.Exclude = []string{dataset.Key("a", 3), "b", dataset.Key("a", 99)}
	r := write(t, env)
	if r.Excluded != 1 || !slices.Equal(r.Unknown, env.Exclude[1:]) {
		t.Errorf("%d taken out, %q unknown", r.Excluded, r.Unknown)
	}
	if again := write(t, env); again.Excluded != 1 || !slices.Equal(again.Unknown, env.Exclude[1:]) {
		t.Errorf("again: %d taken out, %q unknown", again.Excluded, again.Unknown)
	}
}

// A takedown that is refused changes nothing: it is neither done nor noted.
func TestWriteExcludeRefused(t *testing.T) {
	env := manyShards(t)
	write(t, env)
	before := testset.Files(t, env.Out)
	env.Limit, env.Exclude = 1000, []string{"a"}
	var other *OtherSetError
	if _, err := Write(t.Context(), env); !errors.As(err, &other) || !strings.Contains(err.Error(), "limit: the set has null, asked for 1000") {
		t.Fatalf("err = %v", err)
	}
	if after := testset.Files(t, env.Out); !maps.EqualFunc(after, before, bytes.Equal) {
		t.Errorf("files are %q now", slices.Sorted(maps.Keys(after)))
	}
}

// With the last tuple goes all that was made of it.
func TestWriteExcludeAll(t *testing.T) {
	env := manyShards(t)
	write(t, env)
	env.Exclude = []string{"a"}
	for range 2 {
		_, err := Write(t.Context(), env)
		if !errors.Is(err, ErrNoTuples) || !strings.Contains(err.Error(), "--exclude left out 9") {
			t.Fatalf("err = %v", err)
		}
		for name := range testset.Files(t, env.Out) {
			if !strings.HasPrefix(name, ExcludedFolder+"/") && name != BegunName {
				t.Errorf("%s is there still", name)
			}
		}
	}
	if was, err := Existing(t.Context(), env.Out); err != nil || was.Settings.ShardBytes != env.ShardBytes {
		t.Errorf("what the set was made with is %+v, %v", was, err)
	}
}

// A takedown reads the shards that it changes and no others, also after a kill.
func TestWriteExcludeReadsLittle(t *testing.T) {
	env := manyShards(t)
	write(t, env)
	_, m := tuples(t, env.Out)
	reads := &bytesRead{Store: env.Out, of: map[string]*readCounter{}}
	env.Out = &killing{reads, 5} // the list, the mark and a shard's beginning
	env.Exclude = []string{dataset.Key("a", 8)}
	if _, err := Write(t.Context(), env); !errors.Is(err, errKilled) {
		t.Fatalf("err = %v", err)
	}
	env.Out = reads
	write(t, env)
	for _, s := range m.Shards[:len(m.Shards)-1] {
		if n := reads.of[s.Name].bytes.Load(); n > s.Bytes/2 {
			t.Errorf("%d bytes were read of %s, which has %d", n, s.Name, s.Bytes)
		}
	}
}

// bytesRead counts the bytes that are read of each object.
type bytesRead struct {
	storage.Store
	mu sync.Mutex
	of map[string]*readCounter
}

func (b *bytesRead) Open(ctx context.Context, name string) (storage.Object, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.of[name] == nil {
		b.of[name] = &readCounter{Store: b.Store}
	}
	return b.of[name].Open(ctx, name)
}

// A takedown that is killed goes on, in whichever way it is run again: with what the
// set was made with, as the version that made it.
func TestWriteExcludeKilled(t *testing.T) {
	env := manyShards(t)
	env.Where = "start < 15"
	write(t, env)
	env.Version, env.Exclude = "next", []string{dataset.Key("a", 7)}
	whole := env
	whole.Out = testset.Local(t)
	for name, data := range testset.Files(t, env.Out) {
		if err := storage.WriteAll(t.Context(), whole.Out, name, storage.Exclusive, data); err != nil {
			t.Fatal(err)
		}
	}
	write(t, whole)
	want := testset.Files(t, whole.Out)
	out := env.Out
	env.Out = &killing{out, 5}
	if _, err := Write(t.Context(), env); !errors.Is(err, errKilled) {
		t.Fatalf("err = %v", err)
	}
	was, err := Existing(t.Context(), out)
	if err != nil || was.Settings.Where != env.Where || was.Micodata != "test" || was.TakenDownBy != "next" || len(was.Stages) != 4 {
		t.Fatalf("the set was made with %+v, %v", was, err)
	}
	env.Out = out
	write(t, env)
	if got := testset.Files(t, out); !maps.EqualFunc(got, want, bytes.Equal) {
		t.Errorf("files are %q", slices.Sorted(maps.Keys(got)))
	}
}

// What has no tuple now may have one later: it is taken down all the same.
func TestWriteExcludeAhead(t *testing.T) {
	p := testset.Parts(t)[:1]
	env := newEnv(t, p)
	write(t, env)
	env.Exclude = []string{"a.00001"} // too short so far
	if r := write(t, env); len(r.Unknown) != 1 {
		t.Errorf("unknown: %q", r.Unknown)
	}
	env.Exclude, env.Dataset = nil, testset.Local(t)
	p[0].Rows[1] = testset.NewRow(testset.Make(t, 2, 0), "a.00001", 2)
	env.Frozen = testset.Dataset(t, env.Dataset, p)
	write(t, env)
	if rows, _ := tuples(t, env.Out); keys(rows) != "a.00000 a.00002" {
		t.Errorf("tuples %s", keys(rows))
	}
}

// An upgrade neither makes a finished set another one nor keeps a takedown from it.
func TestWriteExcludeFromAnEarlierVersionsSet(t *testing.T) {
	env := manyShards(t)
	write(t, env)
	before := testset.Files(t, env.Out)
	env.Version = "next"
	write(t, env)
	if after := testset.Files(t, env.Out); !maps.EqualFunc(after, before, bytes.Equal) {
		t.Error("the next version changed a finished set")
	}
	env.Exclude = []string{dataset.Key("a", 8)}
	write(t, env)
	_, m := tuples(t, env.Out)
	if m.Tuples != 8 || m.Micodata != "test" || m.TakenDownBy != "next" || !bytes.Equal(before[m.Shards[0].Name], testset.Files(t, env.Out)[m.Shards[0].Name]) {
		t.Errorf("%d tuples, by %s and %q", m.Tuples, m.Micodata, m.TakenDownBy)
	}
}

// A source takes all its clips along.
func TestWriteExcludeSource(t *testing.T) {
	env := newEnv(t, testset.Parts(t))
	env.Exclude = []string{"c"}
	write(t, env)
	rows, _ := tuples(t, env.Out)
	if got := keys(rows); got == "" || strings.Contains(got, "c.") {
		t.Errorf("tuples %s", got)
	}
	env.Exclude = []string{"a", "b"}
	if _, err := Write(t.Context(), env); !errors.Is(err, ErrNoTuples) {
		t.Errorf("nothing is left: %v", err)
	}
}

// What is left out is null and costs nothing.
func TestWriteColumns(t *testing.T) {
	env := newEnv(t, testset.Parts(t))
	whole := write(t, env).Bytes
	all, _ := tuples(t, env.Out)
	for _, without := range [][]string{{"image"}, {"video", "frames"}, {"audio", "depth", "normal"}} {
		env.Out = testset.Local(t)
		env.Columns = slices.DeleteFunc(Modalities(), func(m string) bool { return slices.Contains(without, m) })
		if r := write(t, env); r.Tuples != 6 || r.Bytes >= whole {
			t.Errorf("without %s: %d tuples, %d of %d bytes", without, r.Tuples, r.Bytes, whole)
		}
		rows, _ := tuples(t, env.Out)
		for i, x := range rows {
			for _, modality := range ownBlobs {
				was, blob := all[i].blob(table.BlobPlace{Column: modality}), x.blob(table.BlobPlace{Column: modality})
				if want := was.Bytes != nil && !slices.Contains(without, modality); want != (blob.Bytes != nil) {
					t.Errorf("without %s, %s: %s is there: %v", without, x.Key, modality, !want)
				}
			}
			if slices.Contains(without, "frames") != (len(x.Frames) == 0) || slices.Contains(without, "depth") && x.DepthMeta != nil {
				t.Errorf("without %s, %s has %d frames and depth of %v", without, x.Key, len(x.Frames), x.DepthMeta)
			}
		}
	}
	env.Columns = []string{"smell"}
	if _, err := Write(t.Context(), env); err == nil || !strings.Contains(err.Error(), "smell") {
		t.Errorf("err = %v", err)
	}
}
