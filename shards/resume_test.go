package shards

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"maps"
	"slices"
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
	want := testset.Files(t, env.Out)
	out := testset.Local(t)
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
	got := testset.Files(t, out)
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
	want := testset.Files(t, env.Out)
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
	put(BegunName, []byte("{}"))
	created := &counting{Store: env.Out, names: map[string]int{}}
	env.Out = created
	write(t, env)
	if created.names[first] != 0 || created.names[second] != 1 || created.names[third] != 1 {
		t.Errorf("writes: %v", created.names)
	}
	got := testset.Files(t, env.Out)
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
	env := newEnv(t, testset.Parts(t)[:1])
	write(t, env)
	before := testset.Files(t, env.Out)
	elsewhere := testset.NewSource("z")
	elsewhere.URI = "elsewhere.mp4"
	for says, change := range map[string]func(*Env){
		"row_group_bytes: the set has 134217728, asked for 67108864": func(e *Env) { e.RowGroupBytes /= 2 },
		`where: the set has "", asked for "duration > 100"`:          func(e *Env) { e.Where = "duration > 100" }, // of no tuple
		"the set has label/normal":                                   func(e *Env) { e.Labels = e.Labels[:1] },
		"of another dataset": func(e *Env) {
			e.Dataset = testset.Local(t)
			e.Frozen = testset.Dataset(t, e.Dataset, []testset.Part{{Sources: []*dataset.Source{elsewhere}, Rows: testset.Parts(t)[0].Rows[:1]}})
		},
	} {
		asked := env
		change(&asked)
		_, err := Write(t.Context(), asked)
		var other *OtherSetError
		if !errors.As(err, &other) || !strings.Contains(err.Error(), says) {
			t.Errorf("err = %v, want %s", err, says)
		}
		if after := testset.Files(t, env.Out); !maps.EqualFunc(after, before, bytes.Equal) {
			t.Fatalf("%s: files are %q now", says, slices.Sorted(maps.Keys(after)))
		}
	}
	// The order in which a choice is spelled is none.
	env.Out = testset.Local(t)
	env.Columns, env.Require = []string{"image", "video"}, []string{"text", "image"}
	write(t, env)
	env.Columns, env.Require = []string{"video", "image", "image"}, []string{"image", "text"}
	write(t, env)
}

// Files of a set's names that micodata did not write are nobody's to remove.
func TestForeignFiles(t *testing.T) {
	env := newEnv(t, testset.Parts(t)[:1])
	for _, name := range []string{"data/mine.parquet", "README.md", "stats.json", "index.parquet", "assets/preview.jpg"} {
		env.Out = testset.Local(t)
		if err := storage.WriteAll(t.Context(), env.Out, name, storage.Exclusive, []byte("precious")); err != nil {
			t.Fatal(err)
		}
		var foreign *ForeignError
		if _, err := Write(t.Context(), env); !errors.As(err, &foreign) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: err = %v", name, err)
		}
		if got := testset.Files(t, env.Out); len(got) != 1 || string(got[name]) != "precious" {
			t.Errorf("%s: files are %q now", name, slices.Sorted(maps.Keys(got)))
		}
	}
	// Others are in nobody's way, and what is put beside a set's stays.
	env.Out = testset.Local(t)
	for _, name := range []string{"notes.txt", "LICENSE"} {
		if err := storage.WriteAll(t.Context(), env.Out, name, storage.Exclusive, []byte("precious")); err != nil {
			t.Fatal(err)
		}
	}
	write(t, env)
	for _, name := range []string{"data/mine.parquet", "data/train-mine.parquet"} {
		if err := storage.WriteAll(t.Context(), env.Out, name, storage.Exclusive, []byte("precious")); err != nil {
			t.Fatal(err)
		}
	}
	env.Exclude = []string{"a.00000"}
	write(t, env)
	got := testset.Files(t, env.Out)
	for _, name := range []string{"notes.txt", "LICENSE", "data/mine.parquet", "data/train-mine.parquet"} {
		if string(got[name]) != "precious" {
			t.Errorf("%s is gone", name)
		}
	}
}

// A shard that can't be read just now is not a broken one.
func TestOutageRemovesNothing(t *testing.T) {
	env := manyShards(t)
	write(t, env)
	want := testset.Files(t, env.Out)
	if err := env.Out.Delete(t.Context(), ManifestName); err != nil {
		t.Fatal(err)
	}
	if err := writeJSON(t.Context(), env.Out, BegunName, &Manifest{}); err != nil {
		t.Fatal(err)
	}
	out := env.Out
	env.Out = testset.Unreadable{Store: out, Prefix: "data/"}
	if _, err := Write(t.Context(), env); !errors.Is(err, testset.ErrSlowDown) {
		t.Fatalf("err = %v", err)
	}
	got := testset.Files(t, out)
	for name := range want {
		if strings.HasPrefix(name, "data/") && !bytes.Equal(got[name], want[name]) {
			t.Errorf("%s is gone", name)
		}
	}
}

// Any file that someone removed is made again, and with it no other.
func TestRemovedFilesComeBack(t *testing.T) {
	env := manyShards(t)
	write(t, env)
	want := testset.Files(t, env.Out)
	for name := range want {
		if err := env.Out.Delete(t.Context(), name); err != nil {
			t.Fatal(err)
		}
		if name == ManifestName { // what is left is nobody's
			if err := writeJSON(t.Context(), env.Out, BegunName, &Manifest{}); err != nil {
				t.Fatal(err)
			}
		}
		write(t, env)
		if got := testset.Files(t, env.Out); !maps.EqualFunc(got, want, bytes.Equal) {
			t.Errorf("after %s: files are %q", name, slices.Sorted(maps.Keys(got)))
		}
	}
}

// between runs something before the n-th creation of an object.
type between struct {
	storage.Store
	n  int
	do func()
}

func (b *between) Create(ctx context.Context, name string, mode storage.Mode) (storage.Writer, error) {
	if b.n--; b.n == 0 {
		b.do()
	}
	return b.Store.Create(ctx, name, mode)
}

// Two runs that write the same set into one folder at once both end well, wherever the
// second one comes in.
func TestOneSetTwiceAtOnce(t *testing.T) {
	env := manyShards(t)
	write(t, env)
	want := testset.Files(t, env.Out)
	for _, there := range []bool{false, true} { // a set of which a file is missing
		for n, ran := 1, true; ran; n++ {
			out := testset.Local(t)
			for name, data := range want {
				if there && name != StatsName {
					if err := storage.WriteAll(t.Context(), out, name, storage.Exclusive, data); err != nil {
						t.Fatal(err)
					}
				}
			}
			other := env
			other.Out, ran = out, false
			env.Out = &between{out, n, func() {
				ran = true
				if _, err := Write(t.Context(), other); err != nil {
					t.Errorf("before write %d: the later run: %v", n, err)
				}
			}}
			if _, err := Write(t.Context(), env); err != nil {
				t.Errorf("before write %d: %v", n, err)
			}
			if got := testset.Files(t, out); !maps.EqualFunc(got, want, bytes.Equal) {
				t.Errorf("before write %d: files are %q", n, slices.Sorted(maps.Keys(got)))
			}
		}
	}
}

// Of two runs that write different sets into one folder at once, the one that began
// last may end well, and no other does.
func TestTwoSetsAtOnce(t *testing.T) {
	env := manyShards(t)
	write(t, env)
	other := env
	other.ShardBytes, other.Out = 2*env.ShardBytes, testset.Local(t)
	write(t, other)
	wantEnv, wantOther := testset.Files(t, env.Out), testset.Files(t, other.Out)
	for n := 1; ; n++ {
		out := testset.Local(t)
		other.Out = out
		ran := false
		env.Out = &between{out, n, func() {
			ran = true
			if _, err := Write(t.Context(), other); err != nil {
				t.Errorf("before write %d: the later run: %v", n, err)
			}
		}}
		_, err := Write(t.Context(), env)
		if !ran {
			if err != nil || n < 8 {
				t.Fatalf("%d writes: %v", n, err)
			}
			break
		}
		got, want := testset.Files(t, out), wantOther
		if err == nil { // it began last after all
			want = wantEnv
		}
		if !maps.EqualFunc(got, want, bytes.Equal) {
			t.Errorf("before write %d: %v: files are %q", n, err, slices.Sorted(maps.Keys(got)))
		}
	}
}

// A part that was made again, as retry does, makes another set of the same
// settings: the old one is taken down before its shards change.
func TestChangedParts(t *testing.T) {
	p := testset.Parts(t)[:1]
	env := newEnv(t, p)
	write(t, env)
	env.Dataset = testset.Local(t)
	p[0].Rows[1] = testset.NewRow(testset.Make(t, 2, 0), "a.00001", 2)
	env.Frozen = testset.Dataset(t, env.Dataset, p)
	write(t, env)
	rows, _ := tuples(t, env.Out)
	if got := keys(rows); got != "a.00000 a.00001 a.00002" {
		t.Errorf("tuples %s", got)
	}
}
