package shards

import (
	"bytes"
	"cmp"
	"context"
	"reflect"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"micodata/shards/testset"
	"micodata/storage"
)

// A shuffled set has the same tuples, blob for blob, in the order of their hashes.
func TestShuffle(t *testing.T) {
	env := newEnv(t, testset.Parts(t))
	env.Splits = Splits{Train: 1}
	write(t, env)
	plain, _ := tuples(t, env.Out)
	env.Shuffle, env.RowGroupBytes, env.ShardBytes = 7, 300<<10, 1<<20
	env.Out = testset.Local(t)
	if r := write(t, env); r.Tuples != int64(len(plain)) || r.Shards < 2 {
		t.Errorf("%+v", r)
	}
	mixed, _ := tuples(t, env.Out)
	if keys(mixed) == keys(plain) {
		t.Error("the order is that of the sources")
	}
	want := slices.SortedFunc(slices.Values(plain), func(a, b *Tuple) int { return cmp.Compare(orderHash(7, a.Key), orderHash(7, b.Key)) })
	for i := range want {
		if !reflect.DeepEqual(mixed[i], want[i]) {
			t.Errorf("tuple %d is %s, want %s, whole", i, mixed[i].Key, want[i].Key)
		}
	}
	again := env
	again.Out, again.Workers = testset.Local(t), 1
	write(t, again)
	first, second := testset.Files(t, env.Out), testset.Files(t, again.Out)
	for name := range first {
		if !bytes.Equal(first[name], second[name]) {
			t.Errorf("%s differs at a second time", name)
		}
	}
	other := env
	other.Out, other.Shuffle = testset.Local(t), 8
	write(t, other)
	if got, _ := tuples(t, other.Out); keys(got) == keys(mixed) {
		t.Error("another seed gave the same order")
	}
	few := env
	few.Out, few.Limit = testset.Local(t), 3
	write(t, few)
	if got, m := tuples(t, few.Out); keys(got) != keys(want[:3]) || m.Counts[StageShard].Skipped != int64(len(plain)-3) {
		t.Errorf("three: %s, want %s", keys(got), keys(want[:3]))
	}
	less := env
	less.Exclude, less.Columns = []string{want[1].Key}, []string{"image", "depth"}
	less.Out = testset.Local(t)
	write(t, less)
	got, _ := tuples(t, less.Out)
	if rest := slices.Delete(slices.Clone(want), 1, 2); keys(got) != keys(rest) {
		t.Errorf("without one: %s", keys(got))
	}
}

// A set is shuffled without reading more than it writes, but for the parts' footers
// and scalar columns.
func TestShuffleReadsBlobsOnce(t *testing.T) {
	env := manyShards(t)
	read := &readCounter{Store: env.Dataset}
	env.Dataset = read
	env.Shuffle = 3
	r := write(t, env)
	if most := r.Bytes * 5 / 4; read.bytes.Load() > most {
		t.Errorf("%d bytes were read to write %d", read.bytes.Load(), r.Bytes)
	}
}

// Of a shuffled set no part is opened again for a tuple: about a request a blob, with
// those of its frames as one.
func TestShuffleRequests(t *testing.T) {
	env := newEnv(t, manyParts(t, 6))
	data := countRequests(env.Dataset)
	data.late = 20 * time.Millisecond
	env.Dataset = data
	env.Shuffle, env.Workers, env.RowGroupBytes = 7, 1, 300<<10
	p, err := makePlan(t.Context(), &env, 6, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	data.opens, data.parts = map[string]int{}, 0
	if _, err := env.writeShards(t.Context(), p, &claim{}); err != nil {
		t.Fatal(err)
	}
	total := 0
	for _, n := range data.opens { // each is a range here
		total += n
	}
	if most := 5 * int(p.tuples); p.tuples != 12 || total > most || data.parts < 4 || len(data.stats) > 0 {
		t.Errorf("%d requests and %v for %d tuples, %d at once; want %d at most", total, data.stats, p.tuples, data.parts, most)
	}
}

// A limit is of the first tuples of the order, whatever their splits.
func TestShuffleLimit(t *testing.T) {
	env := newEnv(t, manyParts(t, 8))
	env.Splits, env.Shuffle = Splits{Train: 0.5, Validation: 0.25, Test: 0.25}, 7
	write(t, env)
	all, m := tuples(t, env.Out)
	if len(m.Splits) < 3 {
		t.Fatalf("splits %v: too few for this test", m.Splits)
	}
	slices.SortFunc(all, func(a, b *Tuple) int { return cmp.Compare(orderHash(7, a.Key), orderHash(7, b.Key)) })
	for _, limit := range []int{1, 8, len(all), len(all) + 1} {
		env.Limit, env.Out = int64(limit), testset.Local(t)
		write(t, env)
		got, m := tuples(t, env.Out)
		slices.SortFunc(got, func(a, b *Tuple) int { return cmp.Compare(orderHash(7, a.Key), orderHash(7, b.Key)) })
		want := all[:min(limit, len(all))]
		if keys(got) != keys(want) || m.Counts[StageShard].Skipped != int64(len(all)-len(want)) {
			t.Errorf("limit %d: %s, want %s", limit, keys(got), keys(want))
		}
	}
}

type readCounter struct {
	storage.Store
	bytes atomic.Int64
}

func (c *readCounter) Open(ctx context.Context, name string) (storage.Object, error) {
	o, err := c.Store.Open(ctx, name)
	return &countedObject{o, c}, err
}

func (c *readCounter) ReadRange(ctx context.Context, name string, off, size int64) ([]byte, error) {
	data, err := c.Store.ReadRange(ctx, name, off, size)
	c.bytes.Add(int64(len(data)))
	return data, err
}

type countedObject struct {
	storage.Object
	c *readCounter
}

func (o *countedObject) ReadAt(p []byte, off int64) (int, error) {
	n, err := o.Object.ReadAt(p, off)
	o.c.bytes.Add(int64(n))
	return n, err
}

// The order holds however many files it takes to sort it.
func TestSorter(t *testing.T) {
	s := &sorter{dir: t.TempDir()}
	defer s.close()
	var want []shuffled
	for i := range 5000 {
		x := shuffled{hash: orderHash(1, string(rune(i%1000))), ref: ref{uint32(i / 100), uint32(i % 100)}, bytes: uint32(i), gone: i%7 == 0,
			note: note{1 << 40 * int64(i), uint32(i + 1)}, source: uint32(i + 2)}
		want = append(want, x)
		if err := s.add(x); err != nil {
			t.Fatal(err)
		}
	}
	slices.SortFunc(want, shuffled.compare)
	var got []shuffled
	if err := s.each(func(x shuffled) error { got = append(got, x); return nil }); err != nil || !slices.Equal(got, want) {
		t.Errorf("%d of %d, %v", len(got), len(want), err)
	}
}
