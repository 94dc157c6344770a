package ingest

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/apache/arrow/go/v15/parquet"
	"github.com/apache/arrow/go/v15/parquet/pqarrow"
)

// A long list costs no more memory than a short one.
func TestListMemory(t *testing.T) {
	const rows = 300_000
	dir := t.TempDir()
	for name, path := range map[string]string{
		"jsonl":   longLines(t, filepath.Join(dir, "l.jsonl"), rows, `{"url":"https://h/%d.mp4","clip":[{"clip_id":"c","span":["00:00:01.000","00:00:02.000"]}]}`+"\n"),
		"txt":     longLines(t, filepath.Join(dir, "l.txt"), rows, "https://h/%d.mp4\n"),
		"csv":     longLines(t, filepath.Join(dir, "l.csv"), rows, "url%.0d,text\nhttps://h/x.mp4,caption\n"),
		"parquet": longParquet(t, filepath.Join(dir, "l.parquet"), rows),
	} {
		t.Run(name, func(t *testing.T) {
			n := 0
			var early, late uint64
			for _, err := range List(t.Context(), []string{path}, ListOptions{}) {
				if err != nil {
					t.Fatal(err)
				}
				switch n++; n {
				case rows / 100:
					early = heap()
				case rows * 99 / 100:
					late = heap()
				}
			}
			// A batch of Parquet and its pages are some MiB, more or less of which
			// are held at any time; the items would be above 60 MiB.
			if n < rows || late > early+8<<20 {
				t.Errorf("%d rows; the heap was %d KiB after 1 %% of them and %d KiB after 99 %%", n, early>>10, late>>10)
			}
		})
	}
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func longLines(t *testing.T, path string, rows int, line string) string {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w := bufio.NewWriter(f)
	for i := range rows {
		fmt.Fprintf(w, line, i)
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// longParquet has all rows in one row group, as pandas writes them.
func longParquet(t *testing.T, path string, rows int) string {
	t.Helper()
	schema := arrow.NewSchema([]arrow.Field{field("url", arrow.BinaryTypes.String), field("clips", arrow.ListOf(arrow.ListOf(arrow.PrimitiveTypes.Float64)))}, nil)
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	defer b.Release()
	clips := b.Field(1).(*array.ListBuilder)
	pair := clips.ValueBuilder().(*array.ListBuilder)
	for i := range rows {
		b.Field(0).(*array.StringBuilder).Append(fmt.Sprintf("https://h/%d.mp4", i))
		clips.Append(true)
		pair.Append(true)
		pair.ValueBuilder().(*array.Float64Builder).AppendValues([]float64{float64(i), float64(i) + 1}, nil)
	}
	rec := b.NewRecord()
	defer rec.Release()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w, err := pqarrow.NewFileWriter(schema, f, parquet.NewWriterProperties(parquet.WithMaxRowGroupLength(int64(rows))), pqarrow.DefaultWriterProps())
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Write(rec); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil { // and the file
		t.Fatal(err)
	}
	return path
}
