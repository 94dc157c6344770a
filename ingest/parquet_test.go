package ingest

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/apache/arrow/go/v15/parquet"
	"github.com/apache/arrow/go/v15/parquet/pqarrow"

	"micodata/dataset"
)

// writeParquet writes rows given as JSON, groupRows to a row group.
func writeParquet(t testing.TB, path string, schema *arrow.Schema, groupRows int64, json string) string {
	t.Helper()
	rec, _, err := array.RecordFromJSON(memory.DefaultAllocator, schema, strings.NewReader(json))
	if err != nil {
		t.Fatal(err)
	}
	defer rec.Release()
	tab := array.NewTableFromRecords(schema, []arrow.Record{rec})
	defer tab.Release()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	// WriteTable closes the file.
	if err := pqarrow.WriteTable(tab, f, groupRows, parquet.NewWriterProperties(), pqarrow.NewArrowWriterProperties(pqarrow.WithStoreSchema())); err != nil {
		t.Fatal(err)
	}
	return path
}

func field(name string, t arrow.DataType) arrow.Field {
	return arrow.Field{Name: name, Type: t, Nullable: true}
}

func TestParquet(t *testing.T) {
	str, f64 := arrow.BinaryTypes.String, arrow.PrimitiveTypes.Float64
	spans := []dataset.Span{span("", 0, 1.5, ""), span("", 2, 3, "")}
	for name, c := range map[string]struct {
		clips arrow.DataType
		json  string
		want  []dataset.Span
	}{
		"list of lists":  {arrow.ListOf(arrow.ListOf(f64)), `[[0,1.5],[2,3]]`, spans},
		"float32":        {arrow.ListOf(arrow.ListOf(arrow.PrimitiveTypes.Float32)), `[[0,1.5],[2,3]]`, spans},
		"integers":       {arrow.ListOf(arrow.ListOf(arrow.PrimitiveTypes.Int64)), `[[2,3]]`, spans[1:]},
		"strings":        {arrow.ListOf(arrow.ListOf(str)), `[["0","00:00:01.5"],["0:02","3"]]`, spans},
		"text":           {str, `"[(0, 1.5), (2, 3)]"`, spans},
		"fixed size":     {arrow.ListOf(arrow.FixedSizeListOf(2, f64)), `[[0,1.5],[2,3]]`, spans},
		"structs":        {arrow.ListOf(arrow.StructOf(field("start", f64), field("end", f64), field("text", str), field("clip_id", arrow.PrimitiveTypes.Int32))), `[{"start":1,"end":2,"text":"s","clip_id":7}]`, []dataset.Span{span("7", 1, 2, "s")}},
		"hd-vila":        {arrow.ListOf(arrow.StructOf(field("clip_id", str), field("span", arrow.ListOf(str)))), `[{"clip_id":"c","span":["0:01","0:02"]}]`, []dataset.Span{span("c", 1, 2, "")}},
		"null":           {arrow.ListOf(arrow.ListOf(f64)), `null`, nil},
		"empty":          {arrow.ListOf(arrow.ListOf(f64)), `[]`, []dataset.Span{}},
		"empty text":     {str, `"[]"`, []dataset.Span{}},
		"dictionary ids": {&arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int32, ValueType: str}, `"[[2,3]]"`, spans[1:]},
	} {
		t.Run(name, func(t *testing.T) {
			schema := arrow.NewSchema([]arrow.Field{field("unused", arrow.BinaryTypes.Binary), field("url", str), field("id", arrow.PrimitiveTypes.Int64), field("clips", c.clips), field("caption", str)}, nil)
			dir := t.TempDir()
			row := `{"unused":"eA==","url":"a.mp4","id":"9007199254740993","clips":` + c.json + `,"caption":"c"}`
			// Two row groups and an absent URL.
			path := writeParquet(t, filepath.Join(dir, "l.parquet"), schema, 2, "["+row+","+row+`,{"caption":"no url"}]`)
			items := mustList(t, ListOptions{}, path)
			want := Item{ID: "9007199254740993", URI: filepath.Join(dir, "a.mp4"), Texts: alt("c"), Spans: c.want, Trusted: true}
			if len(items) != 3 || !reflect.DeepEqual(items[0], want) || !reflect.DeepEqual(items[1], want) {
				t.Errorf("\n got %+v\nwant %+v", items, want)
			}
			if e, ok := dataset.AsItem(items[2].Err); !ok || e.Class != dataset.Corrupt || !strings.Contains(e.Error(), "row 3 of "+path) {
				t.Errorf("third row: %v", items[2].Err)
			}
		})
	}
}

func TestParquetColumns(t *testing.T) {
	schema := arrow.NewSchema([]arrow.Field{field("href", arrow.BinaryTypes.String), field("n", arrow.PrimitiveTypes.Int32)}, nil)
	path := writeParquet(t, filepath.Join(t.TempDir(), "l.parquet"), schema, 10, `[{"href":"http://h/a","n":1}]`)
	if _, err := listed(t, ListOptions{}, path); err == nil || !strings.Contains(err.Error(), "href, n") {
		t.Errorf("error %v", err)
	}
	if items := mustList(t, ListOptions{URLCol: "href", IDCol: "n"}, path); len(items) != 1 || items[0].ID != "1" || items[0].URI != "http://h/a" {
		t.Errorf("%+v", items)
	}
}

// Cut or garbled at any place, a Parquet list ends in an error or in rows.
func TestDamagedParquet(t *testing.T) {
	str, f64 := arrow.BinaryTypes.String, arrow.PrimitiveTypes.Float64
	for name, c := range map[string]struct {
		clips arrow.DataType
		json  string
	}{
		"lists":   {arrow.ListOf(arrow.ListOf(f64)), `[{"url":"a","clips":[[1,2]]},{"url":"b"},{"url":"c","clips":[]}]`},
		"structs": {arrow.ListOf(arrow.StructOf(field("start", f64), field("end", f64), field("text", str))), `[{"url":"a","clips":[{"start":1,"end":2,"text":"x"},{"start":3,"end":4}]},{"url":"b"},{"url":"c","clips":[{"start":5,"end":6,"text":"y"}]}]`},
	} {
		t.Run(name, func(t *testing.T) {
			schema := arrow.NewSchema([]arrow.Field{field("url", str), field("clips", c.clips)}, nil)
			dir := t.TempDir()
			whole := readAll(t, writeParquet(t, filepath.Join(dir, "l.parquet"), schema, 2, c.json))
			try := func(data []byte) {
				path := writeFile(t, filepath.Join(dir, "bad.parquet"), string(data))
				items, err := listed(t, ListOptions{}, path)
				if len(items) == 0 && err == nil {
					t.Errorf("neither rows nor an error of %q", data)
				}
				for _, it := range items {
					checkSpans(t, it.Spans)
				}
			}
			for i := 0; i < len(whole); i += 3 {
				try(whole[:i])
			}
			chance := rand.New(rand.NewPCG(1, 2))
			for range 4000 {
				bad := bytes.Clone(whole)
				for range 1 + chance.IntN(3) {
					bad[chance.IntN(len(bad))] ^= byte(1 + chance.IntN(255))
				}
				try(bad)
			}
		})
	}
}

// A row's columns must agree on what it holds.
func TestParquetRowsThatDoNotFit(t *testing.T) {
	text := strings.Repeat("x", 1000)
	schema := arrow.NewSchema([]arrow.Field{field("url", arrow.BinaryTypes.String), field("text", arrow.ListOf(arrow.BinaryTypes.String))}, nil)
	path := writeParquet(t, filepath.Join(t.TempDir(), "l.parquet"), schema, 10, `[{"url":"http://h/a","text":["short"]},{"url":"http://h/b","text":["`+text+`","`+text+`"]},{"url":"http://h/c"}]`)
	items, err := listed(t, ListOptions{MaxRowBytes: 1500}, path)
	var ue *UsageError
	if len(items) != 1 || !errors.As(err, &ue) || !strings.Contains(err.Error(), "row 2: longer than 1500 bytes") {
		t.Errorf("%d rows, %v", len(items), err)
	}
	if items := mustList(t, ListOptions{}, path); len(items) != 3 || len(items[1].Texts) != 2 || items[1].Texts[0].Text != text {
		t.Errorf("rows %+v", items)
	}
}

// FuzzParquet: any bytes give rows or an error.
func FuzzParquet(f *testing.F) {
	str, f64 := arrow.BinaryTypes.String, arrow.PrimitiveTypes.Float64
	clips := arrow.ListOf(arrow.StructOf(field("clip_id", &arrow.Decimal128Type{Precision: 5, Scale: 2}), field("start", f64), field("end", f64), field("text", str)))
	schema := arrow.NewSchema([]arrow.Field{field("url", str), field("id", arrow.PrimitiveTypes.Uint32), field("clips", clips), field("text", arrow.ListOf(str))}, nil)
	path := writeParquet(f, filepath.Join(f.TempDir(), "l.parquet"), schema, 2, `[{"url":"a","id":7,"clips":[{"start":1,"end":2,"text":"x","clip_id":"1.25"}],"text":["t"]},{"url":"b"},{"url":"c","clips":[]}]`)
	data := readAll(f, path)
	f.Add(data)
	f.Add(data[:len(data)/2])
	f.Fuzz(func(t *testing.T, data []byte) {
		path := writeFile(t, filepath.Join(t.TempDir(), "l.parquet"), string(data))
		n := 0
		for it, err := range List(t.Context(), []string{path}, ListOptions{}) {
			if n++; n > 1e5 { // a page of a few bytes may say a thousand million nulls
				break
			}
			if err == nil {
				checkSpans(t, it.Spans)
			}
		}
		if n == 0 {
			t.Error("neither rows nor an error")
		}
	})
}
