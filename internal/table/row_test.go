package table

import (
	"bytes"
	"reflect"
	"testing"
)

// A row that is noted comes back as it was, and a cut one not at all.
func TestNotedRow(t *testing.T) {
	seven := int64(7)
	for _, want := range []*row{
		{},
		{Name: "a\xff", Flag: true, I32: -1, I64: 1 << 40, F32: 0.1, F64: 0.1, Maybe: &seven, Video: Blob{[]byte("video"), "a.mp4"},
			Elems: []elem{{1, blob(3, 1), "one"}, {Time: 2}, {3, Blob{[]byte{}, "empty"}, ""}}, Meta: &meta{"m", 2}},
	} {
		b := rowSchema.AppendRow(nil, want)
		got, err := rowSchema.DecodeRow(b)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%+v, want %+v, %v", got, want, err)
		}
		for n := range b {
			if _, err := rowSchema.DecodeRow(b[:n]); err == nil {
				t.Errorf("the first %d of %d bytes were taken", n, len(b))
			}
		}
	}
}

// Files that differ in any value, of the same size and between the least and the
// greatest, have other digests; files of the same rows have the same.
func TestDigest(t *testing.T) {
	digest := func(name string, video byte) [32]byte {
		var file bytes.Buffer
		w := rowSchema.NewWriter(&file, WriterOptions{})
		for _, n := range []string{"a", name, "z"} {
			if err := w.Write(&row{Name: n, Video: blob(5, video)}); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		r, err := rowSchema.NewReader(bytes.NewReader(file.Bytes()), ReaderOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return r.Digest()
	}
	first := digest("k", 1)
	if digest("k", 1) != first {
		t.Error("the same rows have two digests")
	}
	if digest("l", 1) == first {
		t.Error("another name does not show")
	}
	if digest("k", 2) == first {
		t.Error("another blob does not show")
	}
}
