package table

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/apache/arrow/go/v15/parquet"
	"github.com/apache/arrow/go/v15/parquet/compress"
	"github.com/apache/arrow/go/v15/parquet/pqarrow"
)

// foreign is a file that this package's writer did not make: one column x.
func foreign(t testing.TB, typ arrow.DataType, json string, props ...parquet.WriterProperty) []byte {
	t.Helper()
	schema := arrow.NewSchema([]arrow.Field{{Name: "x", Type: typ, Nullable: true}}, nil)
	rec, _, err := array.RecordFromJSON(memory.DefaultAllocator, schema, strings.NewReader(json))
	if err != nil {
		t.Fatal(err)
	}
	defer rec.Release()
	tab := array.NewTableFromRecords(schema, []arrow.Record{rec})
	defer tab.Release()
	var buf bytes.Buffer
	if err := pqarrow.WriteTable(tab, &buf, 1000, parquet.NewWriterProperties(props...), pqarrow.DefaultWriterProps()); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// entries are those of a file's first leaf in all row groups.
func entries(data []byte) ([]Entry, error) {
	f, err := OpenFile(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	var all []Entry
	for g := range f.RowGroups() {
		l, err := f.Leaf(g, 0)
		if err != nil {
			return all, err
		}
		for {
			e, err := l.Next()
			if err == io.EOF {
				break
			}
			if err != nil {
				return all, err
			}
			if b, ok := e.Value.([]byte); ok {
				e.Value = string(b)
			}
			all = append(all, e)
		}
	}
	return all, nil
}

func TestFileEncodings(t *testing.T) {
	// Numbers up and down, far and near, and words with much in common; with
	// nulls, in two row groups and several pages.
	number := func(i int) int64 { return int64(i%700)*int64(i%3-1)*1000 + int64(i%7) }
	for _, c := range []struct {
		name string
		typ  arrow.DataType
		json func(i int) string
		want func(i int) any
		enc  []parquet.Encoding
	}{
		{"int64", arrow.PrimitiveTypes.Int64, func(i int) string { return fmt.Sprint(number(i)) }, func(i int) any { return number(i) }, []parquet.Encoding{parquet.Encodings.Plain, parquet.Encodings.DeltaBinaryPacked}},
		{"int32", arrow.PrimitiveTypes.Int32, func(i int) string { return fmt.Sprint(number(i)) }, func(i int) any { return int32(number(i)) }, []parquet.Encoding{parquet.Encodings.Plain, parquet.Encodings.DeltaBinaryPacked}},
		{"extremes", arrow.PrimitiveTypes.Int64, func(i int) string { return fmt.Sprintf(`"%d"`, int64(math.MaxInt64)*int64(1-2*(i%2))) }, func(i int) any { return int64(math.MaxInt64) * int64(1-2*(i%2)) }, []parquet.Encoding{parquet.Encodings.DeltaBinaryPacked}},
		{"float", arrow.PrimitiveTypes.Float32, func(i int) string { return fmt.Sprint(i) }, func(i int) any { return float32(i) }, []parquet.Encoding{parquet.Encodings.Plain}},
		{"double", arrow.PrimitiveTypes.Float64, func(i int) string { return fmt.Sprint(i) }, func(i int) any { return float64(i) }, []parquet.Encoding{parquet.Encodings.Plain}},
		{"bool", arrow.FixedWidthTypes.Boolean, func(i int) string { return fmt.Sprint(i%5 == 0) }, func(i int) any { return i%5 == 0 }, []parquet.Encoding{parquet.Encodings.Plain, parquet.Encodings.RLE}},
		{"string", arrow.BinaryTypes.String, func(i int) string { return fmt.Sprintf(`"https://host/%d.mp4"`, i%900) }, func(i int) any { return fmt.Sprintf("https://host/%d.mp4", i%900) }, []parquet.Encoding{parquet.Encodings.Plain, parquet.Encodings.DeltaLengthByteArray, parquet.Encodings.DeltaByteArray}},
		{"fixed", &arrow.FixedSizeBinaryType{ByteWidth: 3}, func(i int) string { return `"eHl6"` }, func(i int) any { return "xyz" }, []parquet.Encoding{parquet.Encodings.Plain}},
	} {
		var list []string
		var want []Entry
		for i := range 1500 {
			if i%11 == 3 {
				list, want = append(list, `{"x":null}`), append(want, Entry{})
				continue
			}
			list, want = append(list, `{"x":`+c.json(i)+`}`), append(want, Entry{Def: 1, Value: c.want(i)})
		}
		json := "[" + strings.Join(list, ",") + "]"
		for _, version := range []parquet.DataPageVersion{parquet.DataPageV1, parquet.DataPageV2} {
			for n, enc := range append(c.enc, parquet.Encodings.PlainDict) {
				codec := []compress.Compression{compress.Codecs.Uncompressed, compress.Codecs.Snappy, compress.Codecs.Zstd, compress.Codecs.Gzip}[n%4]
				props := []parquet.WriterProperty{parquet.WithDataPageVersion(version), parquet.WithDataPageSize(1500), parquet.WithBatchSize(100), parquet.WithCompression(codec)}
				if enc == parquet.Encodings.DeltaByteArray {
					props = append(props, parquet.WithDataPageSize(1<<20)) // the library's second page goes on from its first
				}
				if enc != parquet.Encodings.PlainDict {
					props = append(props, parquet.WithDictionaryDefault(false), parquet.WithEncoding(enc))
				}
				t.Run(fmt.Sprint(c.name, " ", enc, " ", version), func(t *testing.T) {
					got, err := entries(foreign(t, c.typ, json, props...))
					if err != nil || len(got) != len(want) {
						t.Fatalf("%d entries, %v", len(got), err)
					}
					for i := range want {
						if got[i] != want[i] {
							t.Fatalf("entry %d is %+v, want %+v", i, got[i], want[i])
						}
					}
				})
			}
		}
	}
}

func TestFileLevels(t *testing.T) {
	data := foreign(t, arrow.ListOf(arrow.ListOf(arrow.PrimitiveTypes.Int32)), `[{"x":[[1,2],[],null,[null]]},{"x":null},{"x":[]},{"x":[[3]]}]`)
	got, err := entries(data)
	v := func(i int32) any { return i }
	want := []Entry{{0, 5, v(1)}, {2, 5, v(2)}, {1, 3, nil}, {1, 2, nil}, {1, 4, nil}, {0, 0, nil}, {0, 1, nil}, {0, 5, v(3)}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v", got, err)
	}
}

// What the decoders are given comes from broken files.
func TestBrokenValues(t *testing.T) {
	for name, data := range map[string]string{
		"empty": "", "no blocks": "\x80\x01\x04\x05\x02", "no miniblocks": "\x80\x01\x00\x05\x02", "uneven": "\x80\x01\x03\x05\x02",
		"huge block": "\x80\x80\x80\x80\x08\x01\x05\x02", "wide": "\x80\x01\x01\x05\x02\x02\x41", "cut": "\x80\x01\x01\x05\x02\x02\x08abc",
	} {
		d, err := newDeltas([]byte(data))
		for n := 0; err == nil && n < 10; n++ {
			if _, ok := d.next(); !ok {
				err = errValues
			}
		}
		if !errors.Is(err, errValues) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, data := range map[string]string{"empty": "", "no index": "\x03", "too wide": "\x21\x02\x00\x00\x00\x00\x00", "beyond": "\x08\x02\x02", "cut": "\x08\x02", "endless head": "\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"} {
		if v, err := newIndexed([]any{"a", "b"}, []byte(data)).next(); !errors.Is(err, errValues) {
			t.Errorf("index %s: %v, %v", name, v, err)
		}
	}
}

// FuzzFile: any bytes give entries or an error.
func FuzzFile(f *testing.F) {
	words := `[{"x":["ab","abc"]},{"x":null},{"x":[]},{"x":["b",null]}]`
	for _, enc := range []parquet.Encoding{parquet.Encodings.Plain, parquet.Encodings.DeltaByteArray, parquet.Encodings.DeltaLengthByteArray} {
		f.Add(foreign(f, arrow.ListOf(arrow.BinaryTypes.String), words, parquet.WithDictionaryDefault(false), parquet.WithEncoding(enc), parquet.WithDataPageVersion(parquet.DataPageV2)))
	}
	f.Add(foreign(f, arrow.ListOf(arrow.BinaryTypes.String), words))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := OpenFile(bytes.NewReader(data))
		if err != nil {
			return
		}
		for g := range r.RowGroups() {
			for c := range r.Schema().NumColumns() {
				l, err := r.Leaf(g, c)
				if err != nil {
					return
				}
				for n := 0; n < 1e6; n++ { // a page of a few bytes may say a thousand million nulls
					e, err := l.Next()
					if err != nil {
						break
					}
					if full := e.Def == l.column.MaxDefinitionLevel(); full != (e.Value != nil) {
						t.Fatalf("entry %+v", e)
					}
				}
			}
		}
	})
}
