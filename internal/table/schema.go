package table

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"sync"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/ipc"
	"github.com/apache/arrow/go/v15/parquet"
	"github.com/apache/arrow/go/v15/parquet/compress"
	"github.com/apache/arrow/go/v15/parquet/metadata"
	"github.com/apache/arrow/go/v15/parquet/pqarrow"
	"github.com/apache/arrow/go/v15/parquet/schema"
)

// createdBy stands in every footer in place of the library's own version, which
// would change a file's bytes with each upgrade; what made a file is recorded
// in its fingerprint.
const createdBy = "micodata"

// Schema is the columns of rows of type R, in file order.
type Schema[R any] struct {
	columns []Column[R]
	leaves  []leaf
	arrow   *arrow.Schema
	parquet *schema.Schema
	props   *parquet.WriterProperties
	encoded string    // the Arrow schema, serialized, for the footer
	spare   sync.Pool // of *[]*buffer, one a leaf: see borrow
}

// NewSchema joins columns into a schema. Two columns of one name panic: a
// schema is written down, never computed from input.
func NewSchema[R any](columns ...Column[R]) *Schema[R] {
	s := &Schema[R]{columns: columns}
	features := make(fieldFeatures, len(columns))
	fields := make([]arrow.Field, len(columns))
	seen := map[string]bool{}
	for i, c := range columns {
		fields[i] = c.field
		if seen[c.field.Name] {
			panic("table: two columns named " + c.field.Name)
		}
		seen[c.field.Name] = true
		features[i] = fieldFeature{c.field.Name, c.feature}
		s.leaves = append(s.leaves, c.leaves...)
	}
	info, err := json.Marshal(map[string]any{"info": map[string]any{"features": features}})
	if err != nil {
		panic(fmt.Sprintf("table: features: %v", err))
	}
	md := arrow.NewMetadata([]string{"huggingface"}, []string{string(info)})
	s.arrow = arrow.NewSchema(fields, &md)

	opts := []parquet.WriterProperty{
		parquet.WithCreatedBy(createdBy),
		parquet.WithCompression(compress.Codecs.Zstd),
		parquet.WithDictionaryDefault(false),
		parquet.WithDataPageVersion(parquet.DataPageV1), // a list of blobs may span pages only in V1
	}
	for _, l := range s.leaves {
		if l.isBlob {
			opts = append(opts,
				parquet.WithCompressionFor(l.path, compress.Codecs.Uncompressed),
				parquet.WithStatsFor(l.path, false))
		}
	}
	s.props = parquet.NewWriterProperties(opts...)
	sc, err := pqarrow.ToParquet(s.arrow, s.props, pqarrow.DefaultWriterProps())
	if err != nil {
		panic(fmt.Sprintf("table: schema: %v", err))
	}
	s.parquet = sc
	if sc.NumColumns() != len(s.leaves) {
		panic(fmt.Sprintf("table: %d leaves declared, the file has %d", len(s.leaves), sc.NumColumns()))
	}
	for i, l := range s.leaves {
		if got := sc.Column(i).Path(); got != l.path {
			panic(fmt.Sprintf("table: leaf %d is %s in the file, %s here", i, got, l.path))
		}
	}
	var buf bytes.Buffer
	w := ipc.NewWriter(&buf, ipc.WithSchema(s.arrow))
	if err := w.Close(); err != nil {
		panic(fmt.Sprintf("table: serialize schema: %v", err))
	}
	s.encoded = base64.StdEncoding.EncodeToString(buf.Bytes())
	return s
}

// Columns lists the names of the top-level columns.
func (s *Schema[R]) Columns() []string {
	names := make([]string, len(s.columns))
	for i, c := range s.columns {
		names[i] = c.field.Name
	}
	return names
}

// Blobs tells which top-level columns hold media, at any depth.
func (s *Schema[R]) Blobs() map[string]bool {
	m := map[string]bool{}
	for _, c := range s.columns {
		for _, l := range c.leaves {
			if l.isBlob {
				m[c.field.Name] = true
			}
		}
	}
	return m
}

// keyValues is the footer's metadata: the caller's, then the features and the
// Arrow schema, so that readers that keep only one of the two find them.
func (s *Schema[R]) keyValues(extra []KeyValue) metadata.KeyValueMetadata {
	kv := metadata.NewKeyValueMetadata()
	for _, e := range extra {
		_ = kv.Append(e.Key, e.Value) // always nil
	}
	_ = kv.Append("huggingface", s.arrow.Metadata().Values()[0])
	_ = kv.Append("ARROW:schema", s.encoded)
	return kv
}

// LeafInfo describes a physical column of a file.
type LeafInfo struct {
	Path string // dotted, as Parquet names it
	Blob bool
}

// Leaves lists the physical columns in file order.
func (s *Schema[R]) Leaves() []LeafInfo {
	out := make([]LeafInfo, len(s.leaves))
	for i, l := range s.leaves {
		out[i] = LeafInfo{Path: l.path, Blob: l.isBlob}
	}
	return out
}

// Features is what the key "huggingface" of the footer says.
func (s *Schema[R]) Features() string { return s.arrow.Metadata().Values()[0] }
