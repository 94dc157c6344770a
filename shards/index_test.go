package shards

import (
	"math"
	"strings"
	"testing"
	"time"

	"micodata/internal/table"
	"micodata/shards/testset"
	"micodata/storage"
)

// The index is read from several shards at once, each of which is opened once, and is
// the same as of one after the other.
func TestIndexRequests(t *testing.T) {
	env := manyShards(t)
	write(t, env)
	_, m := tuples(t, env.Out)
	want := testset.Files(t, env.Out)[IndexName]
	out := countRequests(env.Out)
	out.late = 10 * time.Millisecond
	sum := m.Index
	if err := writeIndex(t.Context(), out, m, func(*IndexRow) {}); err != nil {
		t.Fatal(err)
	}
	if len(out.opens) != len(m.Shards) || out.parts < 2 {
		t.Errorf("%d of %d shards opened, %d at once", len(out.opens), len(m.Shards), out.parts)
	}
	for name, n := range out.opens {
		if n != 1 || !strings.HasPrefix(name, "data/") {
			t.Errorf("%s is opened %d times", name, n)
		}
	}
	if got := testset.Files(t, env.Out)[IndexName]; string(got) != string(want) || m.Index != sum {
		t.Errorf("another index: %+v, want %+v", m.Index, sum)
	}
}

// Places that a damaged file gives are errors, whatever they are.
func TestReadBlobsOfDamagedPlaces(t *testing.T) {
	s := testset.Local(t)
	if err := storage.WriteAll(t.Context(), s, "x", storage.Replace, make([]byte, 5000)); err != nil {
		t.Fatal(err)
	}
	for _, places := range [][]table.BlobPlace{
		{{Offset: 0, Size: 1000}, {Offset: 10, Size: 10}}, // one in another
		{{Offset: -1, Size: 1}},
		{{Offset: 1, Size: -1}},
		{{Offset: math.MaxInt64, Size: 1}},
		{{Offset: 0, Size: table.MaxBlobBytes + 1}},
		{{Offset: 4999, Size: 2}},
	} {
		if _, err := readBlobs(t.Context(), s, "x", places); err == nil {
			t.Errorf("%+v are read", places)
		}
	}
}
