package table

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// Every value is found where it is first, also where statistics leave out what is
// too long for them, and bytes above ASCII sort as such.
func TestFind(t *testing.T) {
	names := []string{"", "a", "b.00001", "b.00002", "é", "\xff", "\xff\xff", strings.Repeat("long", 2000), "long", strings.Repeat("z", 5000), "日本"}
	for i := range 500 {
		names = append(names, fmt.Sprintf("id%03d", i))
	}
	for seed := range uint64(3) {
		if seed > 0 { // else nearly sorted
			rand.New(rand.NewPCG(seed, 0)).Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
		}
		var many []*row
		first := map[string]int64{}
		for i, n := range append(names, names[:40]...) {
			many = append(many, &row{Name: n, I64: int64(i)})
			if _, ok := first[n]; !ok {
				first[n] = int64(i)
			}
		}
		data := write(t, WriterOptions{RowGroupBytes: 3000}, many)
		r := open(t, data, "i64")
		for n, want := range first {
			if got, err := r.Find("name", n); err != nil || got != want {
				t.Errorf("%.20q is in row %d, want %d: %v", n, got, want, err)
			}
		}
		for _, n := range []string{"id", "id999", "aa", "\xff\xff\xff", strings.Repeat("long", 2001), strings.Repeat("z", 4999)} {
			if got, err := r.Find("name", n); err != nil || got != -1 {
				t.Errorf("%.20q is in row %d: %v", n, got, err)
			}
		}
		if x, err := r.Next(); err != nil || x.I64 != 0 {
			t.Errorf("the next row is %+v, %v", x, err)
		}
	}
	r := open(t, write(t, WriterOptions{}, rows()))
	for _, column := range []string{"nosuch", "i64", "elems.list.element.note"} {
		if row, err := r.Find(column, "a"); err == nil {
			t.Errorf("%s: row %d", column, row)
		}
	}
	if row, err := r.Find("meta.model", "m"); err != nil || row != 1 { // after a null
		t.Errorf("row %d, %v", row, err)
	}
}

// counted counts what is read of a file.
type counted struct {
	*bytes.Reader
	bytes int64
}

func (c *counted) ReadAt(p []byte, at int64) (int, error) {
	n, err := c.Reader.ReadAt(p, at)
	c.bytes += int64(n)
	return n, err
}

// Of a sorted column one row group is read, and of no other column anything.
func TestFindReadsLittle(t *testing.T) {
	var many []*row
	for i := range 1000 {
		many = append(many, &row{Name: fmt.Sprintf("id%04d", i), Video: blob(1000, 'v')})
	}
	file := &counted{Reader: bytes.NewReader(write(t, WriterOptions{RowGroupBytes: 50_000}, many))}
	r, err := rowSchema.NewReader(file, ReaderOptions{})
	if err != nil || len(r.RowGroups()) < 20 {
		t.Fatalf("%d row groups, %v", len(r.RowGroups()), err)
	}
	file.bytes = 0
	if row, err := r.Find("name", "id0777"); err != nil || row != 777 {
		t.Errorf("row %d, %v", row, err)
	}
	if c, _ := r.footer.RowGroup(0).ColumnChunk(0); file.bytes > 2*c.TotalCompressedSize() {
		t.Errorf("%d bytes were read, a row group's names are %d", file.bytes, c.TotalCompressedSize())
	}
}
