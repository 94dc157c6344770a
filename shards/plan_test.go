package shards

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"micodata/dataset"
	"micodata/shards/testset"
	"micodata/storage"
)

// requests counts what an object store would be asked, but for the reads of an open
// object, and answers late.
type requests struct {
	storage.Store
	late time.Duration

	mu             sync.Mutex
	opens, stats   map[string]int
	pending, parts int // opens of parts that wait, and the most of them
}

func countRequests(s storage.Store) *requests {
	return &requests{Store: s, opens: map[string]int{}, stats: map[string]int{}}
}

func (r *requests) Open(ctx context.Context, name string) (storage.Object, error) {
	r.ask(name)
	return r.Store.Open(ctx, name)
}

func (r *requests) ReadRange(ctx context.Context, name string, off, size int64) ([]byte, error) {
	r.ask(name)
	return r.Store.ReadRange(ctx, name, off, size)
}

func (r *requests) ask(name string) {
	r.mu.Lock()
	r.opens[name]++
	r.pending++
	r.parts = max(r.parts, r.pending)
	r.mu.Unlock()
	time.Sleep(r.late)
	r.mu.Lock()
	r.pending--
	r.mu.Unlock()
}

func (r *requests) Stat(ctx context.Context, name string) (storage.Info, error) {
	r.mu.Lock()
	r.stats[name]++
	r.mu.Unlock()
	return r.Store.Stat(ctx, name)
}

// manyParts are parts of a source and two clips each.
func manyParts(t *testing.T, n int) (parts []testset.Part) {
	t.Helper()
	for i := range n {
		id := fmt.Sprintf("s%02d", i)
		src := testset.NewSource(id)
		src.License = "CC-BY"
		p := testset.Part{Sources: []*dataset.Source{src}}
		for k := range 2 {
			p.Rows = append(p.Rows, testset.NewRow(testset.Make(t, k, 0), dataset.Key(id, k), float64(2*k)))
		}
		parts = append(parts, p)
	}
	return parts
}

// Planning opens each file of a part once, asks for no sizes, and several parts wait
// for their answers together.
func TestPlanRequests(t *testing.T) {
	env := newEnv(t, manyParts(t, 6))
	data := countRequests(env.Dataset)
	data.late = 10 * time.Millisecond
	env.Dataset = data
	p, err := makePlan(t.Context(), &env, 6, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	if len(data.opens) != 4*6 || len(data.stats) != 0 || data.parts < 4 {
		t.Errorf("%d files opened, %d asked for their sizes, %d at once", len(data.opens), len(data.stats), data.parts)
	}
	for name, n := range data.opens {
		if n != 1 {
			t.Errorf("%s is opened %d times", name, n)
		}
	}
}

// A part that was made again is another one, be its size the same: here by a licence
// that was wrong, between others, so that not even a column's least and greatest
// value tell.
func TestChangedPartOfTheSameSize(t *testing.T) {
	p := testset.Parts(t)[1:]
	for i, license := range []string{"CC-AA", "CC-ZZ"} {
		p[0].Sources[i].License = license
	}
	wrong := testset.NewSource("between")
	wrong.License = "CC-BY"
	p[0].Sources = append(p[0].Sources, wrong)
	p[0].Rows = append(p[0].Rows, testset.NewRow(testset.Make(t, 0, 0), "between.00000", 0))
	env := newEnv(t, p)
	write(t, env)
	size := func() int64 {
		info, err := env.Dataset.Stat(t.Context(), dataset.PartName(dataset.StageIngest, 0))
		if err != nil {
			t.Fatal(err)
		}
		return info.Size
	}
	before := size()
	wrong.License = "CC-NC"
	env.Dataset = testset.Local(t)
	env.Frozen = testset.Dataset(t, env.Dataset, p)
	if size() != before {
		t.Fatalf("%d bytes, %d before: no test", size(), before)
	}
	write(t, env)
	rows, _ := tuples(t, env.Out)
	if last := rows[len(rows)-1]; last.Key != "between.00000" || last.License != "CC-NC" {
		t.Errorf("the licence of %s is %s still", last.Key, last.License)
	}
}

// A part that was made again changes the shards that have rows of it, and no others.
func TestChangedPartOfShuffled(t *testing.T) {
	made := manyParts(t, 6)
	env := newEnv(t, made)
	env.Shuffle, env.ShardBytes = 7, 1<<20
	before, err := makePlan(t.Context(), &env, 6, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer before.close()
	made[2].Sources[0].License = "CC-NC"
	env.Dataset = testset.Local(t)
	env.Frozen = testset.Dataset(t, env.Dataset, made)
	after, err := makePlan(t.Context(), &env, 6, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer after.close()
	if len(before.shards) < 3 || len(before.shards) != len(after.shards) || before.digest == after.digest {
		t.Fatalf("%d and %d shards; digests %s, %s", len(before.shards), len(after.shards), before.digest, after.digest)
	}
	for i, s := range after.shards {
		rows, err := s.list.rows()
		if err != nil {
			t.Fatal(err)
		}
		of := false
		for _, r := range rows {
			data := make([]byte, r.size)
			if _, err := after.noted.tuples.ReadAt(data, r.at); err != nil {
				t.Fatal(err)
			}
			part, _, _, err := after.noted.decode(data)
			if err != nil {
				t.Fatal(err)
			}
			of = of || part == 2
		}
		if changed := s.Digest != before.shards[i].Digest; changed != of {
			t.Errorf("%s: changed %v, has rows of the part %v", s.name(), changed, of)
		}
	}
}

// A source is counted once, whatever the order, and only if it has a tuple.
func TestSourcesAreCounted(t *testing.T) {
	env := newEnv(t, manyParts(t, 5))
	env.Splits = Splits{Train: 0.6, Validation: 0.2, Test: 0.2}
	for _, shuffle := range []int64{0, 7} {
		for _, limit := range []int64{0, 4} {
			env.Shuffle, env.Limit, env.Out = shuffle, limit, testset.Local(t)
			env.Exclude = []string{"s01"}
			write(t, env)
			rows, m := tuples(t, env.Out)
			want := map[string]bool{}
			for _, r := range rows {
				want[r.SourceID] = true
			}
			if m.Sources != int64(len(want)) || len(rows) == 0 {
				t.Errorf("shuffle %d, limit %d: %d sources of %s", shuffle, limit, m.Sources, keys(rows))
			}
		}
	}
}

// An account that nobody can read costs the set nothing.
func TestBrokenAccount(t *testing.T) {
	env := newEnv(t, testset.Parts(t))
	if err := storage.WriteAll(t.Context(), env.Dataset, dataset.CostName(dataset.StageExtract, 0), storage.Replace, []byte("no account")); err != nil {
		t.Fatal(err)
	}
	write(t, env)
	if _, m := tuples(t, env.Out); m.Cost[dataset.StageExtract].CPUSeconds != 3 {
		t.Errorf("cost %v", m.Cost)
	}
}
