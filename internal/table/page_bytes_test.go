package table

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/parquet"
	"github.com/apache/arrow/go/v15/parquet/file"
)

// What is written is read, whatever the sizes: the library by itself would make one
// page of these 600 strings of 120 kB, larger than readers take.
func TestLongStrings(t *testing.T) {
	var want []*row
	for i := range 600 {
		want = append(want, &row{Name: fmt.Sprint(i, strings.Repeat("long", 30_000))})
	}
	data := write(t, WriterOptions{RowGroupBytes: 128 << 20}, want)
	if got, err := readAllRows(open(t, data)); err != nil || !reflect.DeepEqual(got, want) {
		t.Fatalf("%d rows, %v", len(got), err)
	}
}

// Rows of random sizes come back as they were, from pages of a bounded size, and
// give the same bytes again.
func TestRandomSizes(t *testing.T) {
	for seed := range uint64(9) {
		chance := rand.New(rand.NewPCG(seed, 0))
		want := randomRows(chance, []int{10, 2_000, 5_000_000}[seed%3])
		o := WriterOptions{RowGroupBytes: 1 << (16 + 5*(seed/3))}
		data := write(t, o, want)
		if again := write(t, o, want); !bytes.Equal(data, again) {
			t.Errorf("seed %d: the same rows gave other bytes", seed)
		}
		got, err := readAllRows(open(t, data))
		if err != nil || len(got) != len(want) {
			t.Fatalf("seed %d: %d of %d rows, %v", seed, len(got), len(want), err)
		}
		for i := range want {
			if !reflect.DeepEqual(got[i], want[i]) {
				t.Fatalf("seed %d: row %d of %d came back otherwise", seed, i, len(want))
			}
		}
		checkPageSizes(t, data)
	}
}

// randomRows are rows with strings and blobs of up to that many bytes, in the row and
// in its list, which may be empty, long, or full of nulls.
func randomRows(chance *rand.Rand, longest int) (out []*row) {
	size := func() int {
		switch chance.IntN(6) {
		case 0:
			return 0
		case 1:
			return chance.IntN(longest)
		}
		return chance.IntN(min(longest, 300))
	}
	budget := 2 << 20 // bytes in all, but for the last row
	for i := 0; budget > 0; i++ {
		x := &row{Name: strings.Repeat("n", size()), I64: int64(i)}
		if chance.IntN(4) == 0 {
			x.Video = blob(size(), 'v')
		}
		if chance.IntN(3) == 0 {
			x.Meta = &meta{Model: strings.Repeat("m", size()), Min: 1}
		}
		for range []int{0, 1, 3, 40}[chance.IntN(4)] {
			e := elem{Time: chance.Float64(), Note: strings.Repeat("e", size())}
			if chance.IntN(9) == 0 {
				e.Image = blob(size(), 'i')
			}
			x.Elems = append(x.Elems, e)
		}
		out = append(out, x)
		budget -= int(rowSchema.RowBytes(x))
	}
	return out
}

// checkPageSizes finds pages of several strings that are larger than they should be.
func checkPageSizes(t *testing.T, data []byte) {
	t.Helper()
	library, err := file.NewParquetReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	for g := range library.NumRowGroups() {
		for i, l := range rowSchema.leaves {
			if l.isBlob || rowSchema.parquet.Column(i).PhysicalType() != parquet.Types.ByteArray {
				continue
			}
			pages, err := library.RowGroup(g).GetColumnPageReader(i)
			if err != nil {
				t.Fatal(err)
			}
			for pages.Next() {
				if p := pages.Page(); len(p.Data()) > pageBytes && p.NumValues() > 1 {
					t.Errorf("%s: a page of %d entries and %d bytes", l.path, p.NumValues(), len(p.Data()))
				}
			}
		}
	}
}

// A row may hold more strings than a page.
func TestRowLargerThanAPage(t *testing.T) {
	want := []*row{{Name: "a"}, {Elems: make([]elem, 3)}, {Name: "c"}}
	for i := range want[1].Elems {
		want[1].Elems[i].Note = strings.Repeat("x", MaxBlobBytes)
	}
	data := write(t, WriterOptions{}, want)
	if got, err := readAllRows(open(t, data)); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%d rows, %v", len(got), err)
	}
}

// A blob is found by its place after any number of nulls.
func TestBlobAfterManyNulls(t *testing.T) {
	var many []*row
	for i := range 20_000 {
		many = append(many, &row{Elems: make([]elem, i*i%7)}) // levels that do not repeat
	}
	want := blob(1000, 'b')
	many = append(many, &row{Video: want, Elems: []elem{{Image: want}}})
	data := write(t, WriterOptions{RowGroupBytes: 1 << 30}, many)
	places, err := open(t, data).Blobs()
	if err != nil || len(places) != 2 {
		t.Fatalf("%d places, %v", len(places), err)
	}
	for _, p := range places {
		if got, err := CutBlob(data[max(0, p.Offset-BlobMargin):p.Offset+p.Size], p.Size); err != nil || !bytes.Equal(got, want.Bytes) {
			t.Errorf("%s: %d bytes, %v", p.Column, len(got), err)
		}
	}
}
