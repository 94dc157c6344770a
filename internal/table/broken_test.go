package table

import (
	"bytes"
	"io"
	"testing"
)

// Every truncation is an error; none panics.
func TestTruncated(t *testing.T) {
	data := write(t, WriterOptions{RowGroupBytes: 9000}, append(rows()[:4], rows()[10:]...))
	for n := 0; n < len(data); n += 397 {
		if _, err := rowSchema.NewReader(bytes.NewReader(data[:n]), ReaderOptions{}); err == nil {
			t.Fatalf("the first %d of %d bytes were taken for a file", n, len(data))
		}
	}
}

// Files whose footer is whole but does not fit the pages.
func TestBrokenPages(t *testing.T) {
	data := write(t, WriterOptions{RowGroupBytes: 9000}, append(rows()[:4], rows()[10:]...))
	for i := 4; i < len(data)-9000; i += 173 {
		broken := bytes.Clone(data)
		broken[i] ^= 0x55
		r, err := rowSchema.NewReader(bytes.NewReader(broken), ReaderOptions{})
		if err != nil {
			continue
		}
		_, _ = readAllRows(r) // a flipped value may go unseen; a panic may not
	}
}

func TestWrongType(t *testing.T) {
	type other struct {
		Name int64
		Flag bool
	}
	s := NewSchema(Value("name", func(o *other) *int64 { return &o.Name }), Value("flag", func(o *other) *bool { return &o.Flag }))
	var buf bytes.Buffer
	w := s.NewWriter(&buf, WriterOptions{})
	if err := w.Write(&other{Name: 1}); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	for _, columns := range [][]string{{"name"}, {"i32"}, nil} {
		if _, err := rowSchema.NewReader(bytes.NewReader(buf.Bytes()), ReaderOptions{Columns: columns}); err == nil {
			t.Errorf("columns %v were read from a file of another schema", columns)
		}
	}
}

// FuzzReader: any bytes give rows or an error.
func FuzzReader(f *testing.F) {
	data := write(f, WriterOptions{RowGroupBytes: 9000}, rows()[:8])
	f.Add(data)
	f.Add(data[:len(data)/2])
	f.Add(append([]byte("PAR1"), data[len(data)-2000:]...))
	f.Add([]byte("PAR1\x00\x00\x00\x00PAR1"))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := rowSchema.NewReader(bytes.NewReader(data), ReaderOptions{})
		if err != nil {
			return
		}
		if _, err := r.Blobs(); err == nil && r.Rows() > 0 && len(data) == 0 {
			t.Error("blobs in nothing")
		}
		for {
			if _, err := r.Next(); err == io.EOF {
				return
			} else if err != nil {
				return
			}
		}
	})
}

// FuzzPlaces: any text gives places inside the file or an error.
func FuzzPlaces(f *testing.F) {
	r := open(f, write(f, WriterOptions{}, rows()[:8]))
	f.Add(r.Metadata(metaBlobs), int64(8), r.footer.size)
	f.Add("", int64(0), int64(0))
	f.Add("////////////", int64(1), int64(1<<40))
	f.Fuzz(func(t *testing.T, text string, rows, size int64) {
		places, err := decodePlaces(rowSchema.leaves, text, rows, size)
		if err != nil {
			return
		}
		for _, p := range places {
			if p.Row < 0 || p.Row >= rows || p.Offset < 0 || p.Size < 0 || p.Offset+p.Size > size {
				t.Errorf("%+v in a file of %d rows and %d bytes", p, rows, size)
			}
		}
	})
}
