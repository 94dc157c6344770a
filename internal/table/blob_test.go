package table

import (
	"bytes"
	"testing"
)

// Every blob can be read by its place alone, and a bit that flips is seen.
func TestCutBlob(t *testing.T) {
	want := rows()
	file := write(t, WriterOptions{RowGroupBytes: 1 << 20}, want)
	r, err := rowSchema.NewReader(bytes.NewReader(file), ReaderOptions{})
	if err != nil {
		t.Fatal(err)
	}
	places, err := r.Blobs()
	if err != nil || len(places) < 40 {
		t.Fatalf("%d places, %v", len(places), err)
	}
	for _, p := range places {
		near := bytes.Clone(file[max(0, p.Offset-BlobMargin) : p.Offset+p.Size])
		blob := want[p.Row].Video.Bytes
		if p.Column != "video.bytes" {
			blob = want[p.Row].Elems[p.Elem].Image.Bytes
		}
		if got, err := CutBlob(near, p.Size); err != nil || !bytes.Equal(got, blob) {
			t.Errorf("%+v: %d bytes, want %d (%v)", p, len(got), len(blob), err)
		}
		if p.Size > 0 {
			near[len(near)-1-int(p.Size/2)] ^= 4
			if _, err := CutBlob(near, p.Size); err == nil {
				t.Errorf("%+v: a flipped bit was not seen", p)
			}
		}
	}
	for _, size := range []int64{-1, 0, 5, 100} {
		if _, err := CutBlob([]byte("too short"), size); err == nil {
			t.Errorf("%d bytes of nothing", size)
		}
	}
}

// Without blobs a row has all else, and its media their paths.
func TestReadWithoutBlobs(t *testing.T) {
	want := rows()
	file := write(t, WriterOptions{}, want)
	r, err := rowSchema.NewReader(bytes.NewReader(file), ReaderOptions{NoBlobs: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range want {
		got, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		if got.Name != x.Name || got.Video.Bytes != nil || got.Video.Path != x.Video.Path || len(got.Elems) != len(x.Elems) {
			t.Errorf("%s came back as %+v", x.Name, got)
		}
		for i, e := range x.Elems {
			if g := got.Elems[i]; g.Time != e.Time || g.Note != e.Note || g.Image.Path != e.Image.Path || g.Image.Bytes != nil {
				t.Errorf("%s: element %d came back as %+v", x.Name, i, g)
			}
		}
	}
}
