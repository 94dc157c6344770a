package table

import (
	"bytes"
	"encoding/base64"
	"errors"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/ipc"
	"github.com/apache/arrow/go/v15/parquet"
	"github.com/apache/arrow/go/v15/parquet/schema"
)

// The footer's Arrow schema has the features in its own metadata, where pyarrow and
// datasets look for them, and media as they know them: an optional struct of
// optional bytes and path, in this order, and nothing of 64-bit offsets.
func TestFooterSchemas(t *testing.T) {
	r := open(t, write(t, WriterOptions{}, rows()))
	encoded, err := base64.StdEncoding.DecodeString(r.Metadata("ARROW:schema"))
	if err != nil {
		t.Fatal(err)
	}
	stream, err := ipc.NewReader(bytes.NewReader(encoded))
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Release()
	if md := stream.Schema().Metadata(); md.Len() != 1 || md.Keys()[0] != "huggingface" || md.Values()[0] != rowSchema.Features() {
		t.Errorf("the Arrow schema's metadata is %v", md)
	}
	const media = "struct<bytes: binary, path: utf8>"
	want := map[string]string{"name": "utf8", "video": media, "meta": "struct<model: utf8, min: float32>",
		"elems": "list<item: struct<time: float64, image: " + media + ", note: utf8>, nullable>"}
	for name, want := range want {
		fields, _ := stream.Schema().FieldsByName(name)
		if len(fields) != 1 || !allOptional(fields[0]) || fields[0].Type.String() != want {
			t.Errorf("%s is %v, want %s", name, fields, want)
		}
	}

	root := r.FileMetaData().Schema.Root()
	video := root.Field(root.FieldIndexByName("video")).(*schema.GroupNode)
	if video.RepetitionType() != parquet.Repetitions.Optional || video.NumFields() != 2 {
		t.Fatalf("video is %v", video)
	}
	for i, name := range []string{"bytes", "path"} {
		f := video.Field(i).(*schema.PrimitiveNode)
		_, isString := f.LogicalType().(schema.StringLogicalType)
		if f.Name() != name || f.RepetitionType() != parquet.Repetitions.Optional || f.PhysicalType() != parquet.Types.ByteArray || isString != (name == "path") {
			t.Errorf("field %d of video is %v", i, f)
		}
	}
}

// allOptional tells whether a field and those within it may be null.
func allOptional(f arrow.Field) bool {
	if !f.Nullable {
		return false
	}
	if n, ok := f.Type.(arrow.NestedType); ok {
		for _, f := range n.Fields() {
			if !allOptional(f) {
				return false
			}
		}
	}
	return true
}

// A row that would bring a column near readers' 32-bit offsets is refused, whatever
// the row groups' cap is.
func TestRowTooLarge(t *testing.T) {
	b := Blob{Bytes: make([]byte, MaxBlobBytes)} // of which nothing is copied
	large := &row{Elems: make([]elem, maxRowBytes/MaxBlobBytes+1)}
	for i := range large.Elems {
		large.Elems[i].Image = b
	}
	var out bytes.Buffer
	w := rowSchema.NewWriter(&out, WriterOptions{RowGroupBytes: 1 << 40})
	var tooLarge *TooLargeError
	if err := w.Write(large); !errors.As(err, &tooLarge) || tooLarge.Bytes <= maxRowBytes {
		t.Errorf("err = %v", err)
	}
}
