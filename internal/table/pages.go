package table

import (
	"bufio"
	"errors"
	"fmt"
	"io"

	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/apache/arrow/go/v15/parquet/file"
)

// A page's header, which may hold its least and greatest value, must fit the
// buffer; 16 KiB are what the library looks at first.
const minPageBuffer, maxPageBuffer = 16 << 10, 1 << 20

var errChunk = errors.New("where the footer says that it is, a column cannot be")

// openPages opens a column's pages in a row group. The library would read them
// through a buffer that goes on with stale bytes at its end, so that over broken
// headers it loops for ever; bufio's ends.
func openPages(r io.ReaderAt, f *file.Reader, group, column int) (file.PageReader, error) {
	chunk, err := f.RowGroup(group).MetaData().ColumnChunk(column)
	if err != nil {
		return nil, err
	}
	if chunk.CryptoMetadata() != nil {
		return nil, errors.New("it is encrypted")
	}
	start, size := chunk.DataPageOffset(), chunk.TotalCompressedSize()
	if d := chunk.DictionaryPageOffset(); chunk.HasDictionaryPage() && d > 0 && d < start {
		start = d
	}
	if start < 0 || size < 0 || chunk.NumValues() < 0 {
		return nil, errChunk
	}
	buffered := bufio.NewReaderSize(io.NewSectionReader(r, start, size), int(min(max(size, minPageBuffer), maxPageBuffer)))
	pages, err := file.NewPageReader(buffered, chunk.NumValues(), chunk.Compression(), cappedAllocator{memory.NewGoAllocator()}, nil)
	if err != nil {
		return nil, fmt.Errorf("open its pages: %w", err)
	}
	return pages, nil
}
