package table

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"reflect"
	"testing"

	"github.com/apache/arrow/go/v15/parquet"
	"github.com/apache/arrow/go/v15/parquet/compress"
	"github.com/apache/arrow/go/v15/parquet/file"
	"github.com/apache/arrow/go/v15/parquet/metadata"
)

type elem struct {
	Time  float64
	Image Blob
	Note  string
}

type meta struct {
	Model string
	Min   float32
}

type row struct {
	Name  string
	Flag  bool
	I32   int32
	I64   int64
	F32   float32
	F64   float64
	Maybe *int64
	Video Blob
	Elems []elem
	Meta  *meta
}

var rowSchema = NewSchema(
	Value("name", func(r *row) *string { return &r.Name }),
	Value("flag", func(r *row) *bool { return &r.Flag }),
	Value("i32", func(r *row) *int32 { return &r.I32 }),
	Value("i64", func(r *row) *int64 { return &r.I64 }),
	Value("f32", func(r *row) *float32 { return &r.F32 }),
	Value("f64", func(r *row) *float64 { return &r.F64 }),
	Optional("maybe", func(r *row) **int64 { return &r.Maybe }),
	Media("video", VideoFeature, func(r *row) *Blob { return &r.Video }),
	List("elems", func(r *row) *[]elem { return &r.Elems },
		Value("time", func(e *elem) *float64 { return &e.Time }),
		Media("image", ImageFeature, func(e *elem) *Blob { return &e.Image }),
		Value("note", func(e *elem) *string { return &e.Note })),
	Struct("meta", func(r *row) **meta { return &r.Meta },
		Value("model", func(m *meta) *string { return &m.Model }),
		Value("min", func(m *meta) *float32 { return &m.Min })),
)

func blob(n int, c byte) Blob {
	return Blob{Bytes: bytes.Repeat([]byte{c}, n), Path: fmt.Sprintf("%c%d.bin", c, n)}
}

// rows has every kind of value, null and absence.
func rows() []*row {
	nine := int64(-9)
	out := []*row{
		{},
		{Name: "a", Flag: true, I32: -1, I64: 1 << 40, F32: 1.5, F64: -2.25, Maybe: &nine, Video: blob(5000, 'v'),
			Elems: []elem{{1, blob(10, 'x'), "one"}, {2, Blob{}, ""}, {3, blob(20, 'y'), "three"}}, Meta: &meta{"m", 0.5}},
		{Name: "b", Elems: []elem{{Time: 9}}, Meta: &meta{}},
		{Name: "c", Video: Blob{Bytes: []byte{}, Path: "empty.bin"}},
		{Name: "large", Video: blob(3<<20, 'l')}, // more than the library's page size
		{Name: "d", Elems: []elem{{4, blob(1, 'z'), "only"}}},
	}
	for i := range 40 {
		out = append(out, &row{Name: fmt.Sprint("n", i), I64: int64(i), Video: blob(1000+i, byte('A'+i%26)), Elems: make([]elem, i%4)})
	}
	return out
}

func write(t testing.TB, o WriterOptions, rows []*row) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := rowSchema.NewWriter(&buf, o)
	for _, r := range rows {
		if err := w.Write(r); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func open(t testing.TB, data []byte, columns ...string) *Reader[row] {
	t.Helper()
	r, err := rowSchema.NewReader(bytes.NewReader(data), ReaderOptions{Columns: columns})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func readAllRows(r *Reader[row]) (out []*row, err error) {
	for {
		x, err := r.Next()
		if err == io.EOF {
			return out, nil
		}
		if err != nil {
			return out, err
		}
		out = append(out, x)
	}
}

func TestRoundTrip(t *testing.T) {
	want := rows()
	want[2].Elems[0].Image = Blob{}
	for _, groupBytes := range []int64{1, 3000, 1 << 20} {
		data := write(t, WriterOptions{RowGroupBytes: groupBytes, Metadata: []KeyValue{{"k", "v"}}}, want)
		r := open(t, data)
		if r.Rows() != int64(len(want)) || r.Metadata("k") != "v" || r.Metadata("none") != "" {
			t.Fatalf("%d rows, metadata %q", r.Rows(), r.Metadata("k"))
		}
		got, err := readAllRows(r)
		if err != nil {
			t.Fatal(err)
		}
		for i := range want {
			if len(want[i].Elems) == 0 {
				want[i].Elems = nil // an empty list and none are the same to a row
			}
			if !reflect.DeepEqual(got[i], want[i]) {
				t.Errorf("row groups of %d: row %d is %+v, want %+v", groupBytes, i, got[i], want[i])
			}
		}
	}
}

func TestColumnsAndSkip(t *testing.T) {
	want := rows()
	data := write(t, WriterOptions{RowGroupBytes: 4000}, want)
	for _, skip := range []int64{0, 1, 3, 7, 20, 44} {
		r := open(t, data, "name", "elems")
		for _, first := range []int64{0, skip} {
			if err := r.Skip(first); err != nil {
				t.Fatal(err)
			}
		}
		got, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		w := want[skip]
		if got.Name != w.Name || len(got.Elems) != len(w.Elems) || got.Video.Bytes != nil || got.I64 != 0 {
			t.Errorf("after %d rows: %+v, want name and elems of %+v", skip, got, w)
		}
	}
	r := open(t, data)
	if err := r.Skip(47); err != io.EOF {
		t.Errorf("skip past the end: %v", err)
	}
	if _, err := rowSchema.NewReader(bytes.NewReader(data), ReaderOptions{Columns: []string{"nosuch"}}); err == nil {
		t.Error("an unknown column was taken")
	}
}

// The footer says where each blob's bytes are, and they are there.
func TestBlobs(t *testing.T) {
	want := rows()
	data := write(t, WriterOptions{RowGroupBytes: 4000}, want)
	places, err := open(t, data).Blobs()
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	for _, p := range places {
		seen[p.Column]++
		b := want[p.Row].Video
		if p.Column == "elems.list.element.image.bytes" {
			b = want[p.Row].Elems[p.Elem].Image
		}
		if b.Bytes == nil || !bytes.Equal(data[p.Offset:p.Offset+p.Size], b.Bytes) {
			t.Errorf("%+v: not the bytes of %q", p, b.Path)
		}
	}
	if seen["video.bytes"] != 43 || seen["elems.list.element.image.bytes"] != 3 {
		t.Errorf("places: %v", seen)
	}
	met := map[string][]int64{}
	for r, g := open(t, data), 0; g < len(r.RowGroups()); g++ {
		for range r.RowGroups()[g] {
			if _, err := r.Next(); err != nil {
				t.Fatal(err)
			}
		}
		for column := range seen {
			met[column] = append(met[column], r.BlobEnds(column)...)
		}
	}
	for _, p := range places {
		ends := met[p.Column]
		if len(ends) == 0 || ends[0] != p.Offset+p.Size {
			t.Fatalf("%+v: its page ends at %v", p, ends[:min(1, len(ends))])
		}
		met[p.Column] = ends[1:]
	}
}

// Each blob has a page of its own, plain and uncompressed.
func TestPhysicalLayout(t *testing.T) {
	data := write(t, WriterOptions{RowGroupBytes: 20000}, rows())
	r := open(t, data)
	library, err := file.NewParquetReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	if n := len(r.RowGroups()); n != 5 {
		t.Errorf("%d row groups", n)
	}
	for g := range r.RowGroups() {
		rg := r.FileMetaData().RowGroup(g)
		for i, l := range rowSchema.leaves {
			c, err := rg.ColumnChunk(i)
			if err != nil {
				t.Fatal(err)
			}
			checkChunk(t, l, c)
			if !l.isBlob {
				continue
			}
			pages, err := library.RowGroup(g).GetColumnPageReader(i)
			if err != nil {
				t.Fatal(err)
			}
			for pages.Next() {
				cr := rowSchema.parquet.Column(i)
				if n := values(pages.Page().Data(), cr.MaxRepetitionLevel() > 0); n > 1 {
					t.Errorf("%s: a page of %d blobs", l.path, n)
				}
			}
		}
	}
}

// values counts the byte arrays of a page, whose levels come first: a length
// of four bytes and the run-length encoded levels.
func values(page []byte, repeated bool) (n int) {
	skip := func() { page = page[4+binary.LittleEndian.Uint32(page):] }
	if repeated {
		skip()
	}
	skip()
	for ; len(page) > 0; n++ {
		skip()
	}
	return n
}

func checkChunk(t *testing.T, l leaf, c *metadata.ColumnChunkMetaData) {
	t.Helper()
	stats, err := c.StatsSet()
	if err != nil {
		t.Fatal(err)
	}
	want := compress.Codecs.Zstd
	if l.isBlob {
		want = compress.Codecs.Uncompressed
	}
	if c.Compression() != want || stats == l.isBlob || c.HasDictionaryPage() {
		t.Errorf("%s: %v, statistics %v, dictionary %v", l.path, c.Compression(), stats, c.HasDictionaryPage())
	}
	for _, e := range c.Encodings() {
		if e != parquet.Encodings.Plain && e != parquet.Encodings.RLE {
			t.Errorf("%s: encoding %v", l.path, e)
		}
	}
}

func TestRowGroupBytes(t *testing.T) {
	var many []*row
	for range 30 {
		many = append(many, &row{Video: blob(10_000, 'v')})
	}
	many[10].Video = blob(300_000, 'w') // alone above the cap
	data := write(t, WriterOptions{RowGroupBytes: 50_000}, many)
	r := open(t, data)
	for g := range r.RowGroups() {
		if size := r.FileMetaData().RowGroup(g).TotalByteSize(); size > 55_000 && r.RowGroups()[g] > 1 {
			t.Errorf("row group %d: %d rows of %d bytes", g, r.RowGroups()[g], size)
		}
	}
	if n := len(r.RowGroups()); n != 9 {
		t.Errorf("%d row groups, want 3 of the first ten rows, 1 and 5", n)
	}
}

// A file may have more row groups than the format's ordinals count.
func TestManyRowGroups(t *testing.T) {
	type narrow struct{ N int64 }
	s := NewSchema(Value("n", func(r *narrow) *int64 { return &r.N }))
	for _, groups := range []int{3, math.MaxInt16 + 1, math.MaxInt16 + 2} {
		var buf bytes.Buffer
		w := s.NewWriter(&buf, WriterOptions{RowGroupBytes: 1})
		for i := range groups {
			if err := w.Write(&narrow{int64(i)}); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		r, err := s.NewReader(bytes.NewReader(buf.Bytes()), ReaderOptions{})
		if err != nil || len(r.RowGroups()) != groups {
			t.Fatalf("%d row groups, %v", len(r.RowGroups()), err)
		}
		for i, g := range r.footer.RowGroups {
			if counted := groups <= math.MaxInt16+1; counted != g.IsSetOrdinal() || counted && int(g.GetOrdinal()) != i {
				t.Fatalf("row group %d of %d: ordinal %d, there %v", i, groups, g.GetOrdinal(), g.IsSetOrdinal())
			}
		}
		if err := r.Skip(int64(groups) - 1); err != nil {
			t.Fatal(err)
		}
		if x, err := r.Next(); err != nil || x.N != int64(groups-1) {
			t.Errorf("%+v, %v", x, err)
		}
	}
}

func TestSameBytes(t *testing.T) {
	a := write(t, WriterOptions{RowGroupBytes: 9000}, rows())
	if b := write(t, WriterOptions{RowGroupBytes: 9000}, rows()); !bytes.Equal(a, b) {
		t.Error("the same rows gave other bytes")
	}
}

func TestTooLarge(t *testing.T) {
	var buf bytes.Buffer
	w := rowSchema.NewWriter(&buf, WriterOptions{})
	var tooLarge *TooLargeError
	err := w.Write(&row{Name: "big", Elems: []elem{{}, {Image: Blob{Bytes: make([]byte, MaxBlobBytes+1)}}}})
	if !errors.As(err, &tooLarge) || tooLarge.Column != "elems.list.element.image.bytes" || tooLarge.Bytes != MaxBlobBytes+1 {
		t.Fatalf("err = %v", err)
	}
	// Nothing of the row was taken, and the writer goes on.
	if err := w.Write(&row{Name: "small", Video: Blob{Bytes: make([]byte, MaxBlobBytes)}}); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	got, err := readAllRows(open(t, buf.Bytes()))
	if err != nil || len(got) != 1 || got[0].Name != "small" || len(got[0].Video.Bytes) != MaxBlobBytes {
		t.Errorf("%d rows, %v", len(got), err)
	}
}

type failing struct{ left int }

var errDisk = errors.New("disk is full")

func (f *failing) Write(p []byte) (int, error) {
	if f.left -= len(p); f.left < 0 {
		return 0, errDisk
	}
	return len(p), nil
}

// A write that fails at any place is an error that says why.
func TestSinkErrors(t *testing.T) {
	whole := len(write(t, WriterOptions{RowGroupBytes: 30000}, rows()))
	for left := 0; left < whole; left += 1009 * 70 {
		w := rowSchema.NewWriter(&failing{left: left + 5}, WriterOptions{RowGroupBytes: 30000})
		for _, r := range rows() {
			if err := w.Write(r); err != nil {
				break
			}
		}
		if err := w.Close(); !errors.Is(err, errDisk) {
			t.Fatalf("after %d bytes: %v", left, err)
		}
	}
}

// datasets compares the features' type with the file's, fields in order.
func TestFeatures(t *testing.T) {
	const want = `{"info":{"features":{"name":{"_type":"Value","dtype":"string"},"flag":{"_type":"Value","dtype":"bool"},` +
		`"i32":{"_type":"Value","dtype":"int32"},"i64":{"_type":"Value","dtype":"int64"},` +
		`"f32":{"_type":"Value","dtype":"float32"},"f64":{"_type":"Value","dtype":"float64"},"maybe":{"_type":"Value","dtype":"int64"},` +
		`"video":{"_type":"Video"},"elems":{"_type":"List","feature":{"time":{"_type":"Value","dtype":"float64"},` +
		`"image":{"_type":"Image"},"note":{"_type":"Value","dtype":"string"}}},` +
		`"meta":{"model":{"_type":"Value","dtype":"string"},"min":{"_type":"Value","dtype":"float32"}}}}}`
	if got := open(t, write(t, WriterOptions{}, nil)).Metadata("huggingface"); got != want || rowSchema.Features() != want {
		t.Errorf("features are\n%s, want\n%s", got, want)
	}
}
