package shards

import (
	"bytes"
	"cmp"
	"context"
	"reflect"
	"slices"
	"sync/atomic"
	"testing"

	"micodata/storage"
)

// A shuffled set has the same tuples, blob for blob, in the order of their hashes.
func TestShuffle(t *testing.T) {
	env := newEnv(t, parts(t))
	env.Splits = Splits{Train: 1}
	write(t, env)
	plain, _ := tuples(t, env.Out)
	env.Shuffle, env.RowGroupBytes, env.ShardBytes = 7, 300<<10, 1<<20
	env.Out = local(t)
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
	for _, p := range verify(t, env.Out).Problems {
		t.Error(p)
	}
	again := env
	again.Out, again.Workers = local(t), 1
	write(t, again)
	first, second := files(t, env.Out), files(t, again.Out)
	for name := range first {
		if !bytes.Equal(first[name], second[name]) {
			t.Errorf("%s differs at a second time", name)
		}
	}
	other := env
	other.Out, other.Shuffle = local(t), 8
	write(t, other)
	if got, _ := tuples(t, other.Out); keys(got) == keys(mixed) {
		t.Error("another seed gave the same order")
	}
	few := env
	few.Out, few.Limit = local(t), 3
	write(t, few)
	if got, m := tuples(t, few.Out); keys(got) != keys(want[:3]) || m.Counts[StageShard].Skipped != int64(len(plain)-3) {
		t.Errorf("three: %s, want %s", keys(got), keys(want[:3]))
	}
	less := env
	less.Exclude, less.Columns = []string{want[1].Key}, []string{"image", "depth"}
	less.Out = local(t)
	write(t, less)
	got, _ := tuples(t, less.Out)
	if rest := slices.Delete(slices.Clone(want), 1, 2); keys(got) != keys(rest) {
		t.Errorf("without one: %s", keys(got))
	}
	for _, p := range verify(t, less.Out).Problems {
		t.Error(p)
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

type readCounter struct {
	storage.Store
	bytes atomic.Int64
}

func (c *readCounter) Open(ctx context.Context, name string) (storage.Object, error) {
	o, err := c.Store.Open(ctx, name)
	return &countedObject{o, c}, err
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
		x := shuffled{hash: orderHash(1, string(rune(i%1000))), bytes: int64(i), ref: ref{uint32(i / 100), uint32(i % 100)}, gone: i%7 == 0}
		want = append(want, x)
		if err := s.add(x); err != nil {
			t.Fatal(err)
		}
	}
	slices.SortFunc(want, func(x, y shuffled) int {
		return cmp.Or(cmp.Compare(x.hash, y.hash), cmp.Compare(x.part, y.part), cmp.Compare(x.row, y.row))
	})
	var got []shuffled
	if err := s.each(func(x shuffled) error { got = append(got, x); return nil }); err != nil || !slices.Equal(got, want) {
		t.Errorf("%d of %d, %v", len(got), len(want), err)
	}
}
