package shards

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"strings"
	"testing"

	"micodata/dataset"
	"micodata/shards/testset"
	"micodata/storage"
)

var errKilled = errors.New("killed")

// killing fails every write after a number of them, as a kill would.
type killing struct {
	storage.Store
	left int
}

func (k *killing) Create(ctx context.Context, name string, mode storage.Mode) (storage.Writer, error) {
	if k.left--; k.left < 0 {
		return nil, errKilled
	}
	w, err := k.Store.Create(ctx, name, mode)
	return &killedWriter{w, k}, err
}

type killedWriter struct {
	storage.Writer
	k *killing
}

func (w *killedWriter) Commit(ctx context.Context) error {
	if w.k.left--; w.k.left < 0 {
		return errors.Join(errKilled, w.Abort())
	}
	return w.Writer.Commit(ctx)
}

// manyShards is a set of at least three shards.
func manyShards(t *testing.T) Env {
	t.Helper()
	part := testset.Part{Sources: []*dataset.Source{testset.NewSource("a")}}
	for i := range 9 {
		part.Rows = append(part.Rows, testset.NewRow(testset.Make(t, i%2, 0), dataset.Key("a", i), float64(2*i)))
	}
	env := newEnv(t, []testset.Part{part})
	env.ShardBytes, env.Workers = 1<<20, 1
	return env
}

// However often a run is killed and wherever, the set has the same bytes, and a
// set that is not finished has no manifest.
func TestResume(t *testing.T) {
	env := manyShards(t)
	if r := write(t, env); r.Shards < 3 {
		t.Fatalf("%d shards: too few for this test", r.Shards)
	}
	want := files(t, env.Out)
	out := local(t)
	killed := 0
	for left := 0; ; left++ {
		env.Out = &killing{out, left}
		_, err := Write(t.Context(), env)
		if err == nil {
			break
		}
		if !errors.Is(err, errKilled) {
			t.Fatal(err)
		}
		killed++
		if _, err := ReadManifest(t.Context(), out); !errors.Is(err, fs.ErrNotExist) {
			t.Fatalf("after %d writes there is a manifest: %v", left, err)
		}
	}
	got := files(t, out)
	if killed < 4 || len(got) != len(want) {
		t.Errorf("killed %d times; %d files, want %d", killed, len(got), len(want))
	}
	for name := range want {
		if !bytes.Equal(got[name], want[name]) {
			t.Errorf("%s differs", name)
		}
	}
}

// A shard that is whole is kept, a broken one and those of another plan are not.
func TestKeepsWholeShards(t *testing.T) {
	env := manyShards(t)
	write(t, env)
	want := files(t, env.Out)
	_, m := tuples(t, env.Out)
	first, second, third := m.Shards[0].Name, m.Shards[1].Name, m.Shards[2].Name
	put := func(name string, data []byte) {
		if err := storage.WriteAll(t.Context(), env.Out, name, storage.Replace, data); err != nil {
			t.Fatal(err)
		}
	}
	if err := env.Out.Delete(t.Context(), ManifestName); err != nil {
		t.Fatal(err)
	}
	put(second, want[second][:1000])
	flipped := bytes.Clone(want[third])
	flipped[len(flipped)/2] ^= 1 // in a blob
	put(third, flipped)
	put("data/train-00000-of-00099.parquet", want[first])
	put("data/notes.txt", []byte("the user's own"))
	created := &counting{Store: env.Out, names: map[string]int{}}
	env.Out = created
	write(t, env)
	if created.names[first] != 0 || created.names[second] != 1 || created.names[third] != 1 {
		t.Errorf("writes: %v", created.names)
	}
	got := files(t, env.Out)
	if _, left := got["data/train-00000-of-00099.parquet"]; left || string(got["data/notes.txt"]) != "the user's own" {
		t.Error("a leftover stayed, or a file of the user's did not")
	}
	for name := range want {
		if !bytes.Equal(got[name], want[name]) {
			t.Errorf("%s differs", name)
		}
	}
	// A finished set is left as it is.
	created.names = map[string]int{}
	if r := write(t, env); r.Tuples != 9 || len(created.names) != 0 {
		t.Errorf("%+v, writes %v", r, created.names)
	}
}

type counting struct {
	storage.Store
	names map[string]int
}

func (c *counting) Create(ctx context.Context, name string, mode storage.Mode) (storage.Writer, error) {
	c.names[name]++
	return c.Store.Create(ctx, name, mode)
}

func TestOtherSet(t *testing.T) {
	env := newEnv(t, parts(t)[:1])
	write(t, env)
	env.RowGroupBytes /= 2
	_, err := Write(t.Context(), env)
	var other *OtherSetError
	if !errors.As(err, &other) || !strings.Contains(err.Error(), "new folder") {
		t.Errorf("err = %v", err)
	}
}

// A part that was made again, as retry does, makes another set of the same
// settings: the old one is taken down before its shards change.
func TestChangedParts(t *testing.T) {
	p := parts(t)[:1]
	env := newEnv(t, p)
	write(t, env)
	env.Dataset = local(t)
	p[0].Rows[1] = testset.NewRow(testset.Make(t, 2, 0), "a.00001", 2)
	env.Frozen = testset.Dataset(t, env.Dataset, p)
	write(t, env)
	rows, _ := tuples(t, env.Out)
	if got := keys(rows); got != "a.00000 a.00001 a.00002" {
		t.Errorf("tuples %s", got)
	}
	if r := verify(t, env.Out); len(r.Problems) > 0 {
		t.Error(r.Problems)
	}
}
