package table

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"math"

	"github.com/apache/arrow/go/v15/parquet/file"
	"github.com/apache/arrow/go/v15/parquet/metadata"
)

// Limits of one value and one row.
const (
	// MaxBlobBytes bounds a blob: newer Arrow readers refuse pages above 64 MiB.
	MaxBlobBytes = 64<<20 - 1024
	// maxRowBytes keeps a row group, which holds whole rows, far from the 2 GiB
	// at which readers' 32-bit offsets wrap.
	maxRowBytes = 1 << 30
)

// TooLargeError says that a value cannot be stored.
type TooLargeError struct {
	Column string
	Bytes  int
}

func (e *TooLargeError) Error() string {
	return fmt.Sprintf("column %s: %d bytes in one value, the limit is %d", e.Column, e.Bytes, MaxBlobBytes)
}

// KeyValue is an entry of the footer's metadata.
type KeyValue struct{ Key, Value string }

// WriterOptions shape a file. The zero value is ready to use.
type WriterOptions struct {
	// RowGroupBytes caps a row group by the bytes of its values; one row may
	// exceed it. The writer holds that much in memory. Default 16 MiB.
	RowGroupBytes int64
	Metadata      []KeyValue
}

// Writer writes rows to one Parquet file. It is not safe for concurrent use.
type Writer[R any] struct {
	schema  *Schema[R]
	opts    WriterOptions
	sink    *countingWriter
	footer  *metadata.FileMetaDataBuilder
	groups  int // finished row groups
	buffers []*buffer
	row     []*buffer      // of the row that is being added
	pages   hash.Hash      // of the checksums of all pages, for the footer
	rows    int64          // in finished row groups
	pending int64          // rows in buffers
	bytes   int64          // in buffers
	places  []placeEncoder // per leaf, for the footer
	err     error          // the first failure; the file is worthless after it
}

// NewWriter starts a file on w.
func (s *Schema[R]) NewWriter(w io.Writer, o WriterOptions) *Writer[R] {
	if o.RowGroupBytes <= 0 {
		o.RowGroupBytes = 16 << 20
	}
	sink := &countingWriter{w: bufio.NewWriterSize(w, sinkBytes)}
	_, _ = io.WriteString(sink, magic) // the sink keeps its error
	footer := metadata.NewFileMetadataBuilder(s.parquet, s.props, s.keyValues(o.Metadata))
	tw := &Writer[R]{schema: s, opts: o, sink: sink, footer: footer, buffers: s.newBuffers(), row: s.newBuffers(), pages: sha256.New()}
	tw.places = make([]placeEncoder, len(s.leaves))
	return tw
}

// Write adds a row. The row's blobs must not change until the row group that
// holds them is written, at the latest at Close.
func (w *Writer[R]) Write(row *R) error {
	if w.err != nil {
		return w.err
	}
	w.schema.shred(row, w.row)
	defer resetAll(w.row)
	size, err := w.rowSize()
	if err != nil {
		return err // this row only: nothing of it was taken
	}
	if w.pending > 0 && w.bytes+size > w.opts.RowGroupBytes {
		if err := w.flush(); err != nil {
			return err
		}
	}
	for i, b := range w.row {
		w.buffers[i].add(b)
	}
	w.pending++
	w.bytes += size
	return nil
}

// Rows is the number of rows written so far.
func (w *Writer[R]) Rows() int64 { return w.rows + w.pending }

// FileBytes is the size that the file has reached, without what is buffered and
// the footer.
func (w *Writer[R]) FileBytes() int64 { return w.sink.n }

// Close writes the last row group and the footer. It does not close the
// underlying writer. A file without a Close is no Parquet file.
func (w *Writer[R]) Close() error {
	if w.err != nil {
		return w.err
	}
	if w.pending > 0 {
		if err := w.flush(); err != nil {
			return err
		}
	}
	err := w.guard(func() error {
		if err := w.footer.AppendKeyValueMetadata(metaBlobs, encodePlaces(w.schema.leaves, w.places)); err != nil {
			return err
		}
		if err := w.footer.AppendKeyValueMetadata(metaPages, hex.EncodeToString(w.pages.Sum(nil))); err != nil {
			return err
		}
		f, err := w.footer.Finish()
		if err != nil {
			return err
		}
		if w.groups-1 > math.MaxInt16 { // the most that a row group's ordinal can be, which need not be there
			for _, g := range f.RowGroups {
				g.Ordinal = nil
			}
		}
		if err := writeFooter(w.sink, f); err != nil {
			return err
		}
		return w.sink.flush()
	})
	if err != nil {
		w.err = fmt.Errorf("write parquet footer: %w", err)
		return w.err
	}
	w.err = errors.New("table: write after close")
	return nil
}

// guard runs a step of the library, which panics on some errors of its sink and
// drops others. The sink's own error says most.
func (w *Writer[R]) guard(step func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("parquet writer: %v", r)
		}
		if w.sink.err != nil {
			err = w.sink.err
		}
	}()
	return step()
}

// rowSize measures the row that is being added and refuses what cannot be stored,
// before any of it is taken.
func (w *Writer[R]) rowSize() (int64, error) {
	for i, b := range w.row {
		for _, v := range b.bytes {
			if len(v) > MaxBlobBytes {
				return 0, &TooLargeError{Column: w.schema.leaves[i].path, Bytes: len(v)}
			}
		}
	}
	size := bytesOf(w.row)
	if size > maxRowBytes {
		return 0, &TooLargeError{Column: "(the whole row)", Bytes: int(size)}
	}
	return size, nil
}

// RowBytes is what a row counts towards a row group: its strings and blobs, and
// 8 bytes a value, which is about what it takes in a file before compression.
func (s *Schema[R]) RowBytes(row *R) (size int64) {
	s.borrow(row, func(bufs []*buffer) { size = bytesOf(bufs) })
	return size
}

// borrow shows a row's values and levels, in buffers that are used again: of some
// 60 leaves each would be an allocation or more.
func (s *Schema[R]) borrow(row *R, see func([]*buffer)) {
	bufs, ok := s.spare.Get().(*[]*buffer)
	if !ok {
		fresh := s.newBuffers()
		bufs = &fresh
	}
	s.shred(row, *bufs)
	see(*bufs)
	resetAll(*bufs)
	s.spare.Put(bufs)
}

func (s *Schema[R]) newBuffers() []*buffer {
	bufs := make([]*buffer, len(s.leaves))
	for i := range bufs {
		bufs[i] = &buffer{}
	}
	return bufs
}

func (s *Schema[R]) shred(row *R, bufs []*buffer) {
	k := 0
	for _, c := range s.columns {
		c.shred(row, bufs[k:k+len(c.leaves)], 0, 0)
		k += len(c.leaves)
	}
}

func resetAll(bufs []*buffer) {
	for _, b := range bufs {
		b.reset()
	}
}

func bytesOf(bufs []*buffer) (size int64) {
	for _, b := range bufs {
		for _, v := range b.bytes {
			size += int64(len(v))
		}
		size += int64(entryBytes * len(b.def))
	}
	return size
}

func (w *Writer[R]) flush() error {
	if err := w.guard(w.writeRowGroup); err != nil {
		w.err = fmt.Errorf("write row group: %w", err)
		return w.err
	}
	resetAll(w.buffers)
	w.rows += w.pending
	w.pending, w.bytes = 0, 0
	return nil
}

func (w *Writer[R]) writeRowGroup() error {
	rg := w.footer.AppendRowGroup()
	start := w.sink.n
	for i, l := range w.schema.leaves {
		chunk := rg.NextColumnChunk()
		pages, err := newPageWriter(w.sink, w.sink.n, chunk, w.schema.props.CompressionFor(l.path), w.pages)
		if err != nil {
			return err
		}
		cw := file.NewColumnChunkWriter(chunk, pages, w.schema.props)
		b := w.buffers[i]
		if l.isBlob {
			err = b.writeBlobsTo(cw.(*file.ByteArrayColumnChunkWriter), w.placer(i, b))
		} else {
			err = b.writeTo(cw)
		}
		if err != nil {
			return fmt.Errorf("column %s: %w", l.path, err)
		}
		if err := cw.Close(); err != nil {
			return fmt.Errorf("column %s: %w", l.path, err)
		}
		if w.sink.err != nil {
			return w.sink.err
		}
	}
	rg.SetNumRows(int(w.pending))
	w.groups++
	return rg.Finish(w.sink.n-start, int16(min(w.groups-1, math.MaxInt16)))
}

// placer notes where blobs of one leaf are. A page ends with its only value, so
// the blob's bytes are the last of what has been written.
func (w *Writer[R]) placer(leaf int, b *buffer) func(entry int, blob []byte) {
	row, elem, seen := w.rows-1, 0, 0
	return func(entry int, blob []byte) {
		for ; seen <= entry; seen++ {
			if b.rep[seen] == 0 {
				row, elem = row+1, 0
			} else {
				elem++
			}
		}
		size := int64(len(blob))
		w.places[leaf].add(BlobPlace{Row: row, Elem: elem, Offset: w.sink.n - size, Size: size})
	}
}

// sinkBytes gathers the library's many small writes; blobs that are larger pass
// through uncopied.
const sinkBytes = 1 << 20

// countingWriter counts what passes and remembers the first error.
type countingWriter struct {
	w   *bufio.Writer
	n   int64
	err error
}

func (c *countingWriter) Write(p []byte) (int, error) {
	if c.err != nil {
		return 0, c.err
	}
	n, err := c.w.Write(p)
	c.n += int64(n)
	c.err = err
	return n, err
}

func (c *countingWriter) flush() error {
	if c.err == nil {
		c.err = c.w.Flush()
	}
	return c.err
}
