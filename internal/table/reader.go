package table

import (
	"crypto/sha256"
	"fmt"
	"io"

	"github.com/apache/arrow/go/v15/parquet"
	"github.com/apache/arrow/go/v15/parquet/metadata"
)

// ReaderOptions choose what to read.
type ReaderOptions struct {
	// Columns are the top-level columns to read; the others stay zero in the
	// rows. Empty means all. Blobs that are not asked for are not read.
	Columns []string
	// NoBlobs leaves all blobs unread: media come back without bytes, and have
	// their paths.
	NoBlobs bool
}

// Reader reads rows from one Parquet file of this package's making, a row group
// in memory at a time. It decodes pages itself: over broken ones the library's
// column reader can loop for ever, and its Arrow reader panics in goroutines
// where that cannot be caught. A row comes only after the checksums of all pages
// of its row group that are read.
type Reader[R any] struct {
	schema  *Schema[R]
	r       io.ReaderAt
	footer  *footer
	columns []openColumn[R]
	group   int   // next row group
	left    int64 // rows of the loaded row group still to come
}

// openColumn is a column that is being read.
type openColumn[R any] struct {
	Column[R]
	index   []int // of the leaves in the file
	cursors []*cursor
}

// NewReader opens a file. It fails if a column of the schema that is asked for
// is missing or of another type, or if the file is not a whole Parquet file.
func (s *Schema[R]) NewReader(r parquet.ReaderAtSeeker, o ReaderOptions) (_ *Reader[R], err error) {
	defer recoverTo(&err) // the library panics on some broken footers
	footer, err := readFooter(r)
	if err != nil {
		return nil, fmt.Errorf("read parquet footer: %w", err)
	}
	tr := &Reader[R]{schema: s, r: r, footer: footer}
	wanted := map[string]bool{}
	for _, name := range o.Columns {
		wanted[name] = true
	}
	for _, c := range s.columns {
		if len(wanted) > 0 && !wanted[c.field.Name] {
			continue
		}
		if err := tr.open(c, o.NoBlobs); err != nil {
			return nil, err
		}
		delete(wanted, c.field.Name)
		if len(wanted) == 0 && len(o.Columns) > 0 {
			break
		}
	}
	for name := range wanted {
		return nil, fmt.Errorf("the schema has no column %s", name)
	}
	return tr, nil
}

// open finds a column's leaves in the file.
func (r *Reader[R]) open(c Column[R], noBlobs bool) error {
	oc := openColumn[R]{Column: c}
	have := r.footer.Schema
	for _, l := range c.leaves {
		i := have.ColumnIndexByName(l.path)
		if i < 0 {
			return fmt.Errorf("column %s is missing", l.path)
		}
		want := r.schema.parquet.Column(r.schema.parquet.ColumnIndexByName(l.path))
		got := have.Column(i)
		if got.PhysicalType() != want.PhysicalType() || got.MaxDefinitionLevel() != want.MaxDefinitionLevel() ||
			got.MaxRepetitionLevel() != want.MaxRepetitionLevel() {
			return fmt.Errorf("column %s is %s (levels %d, %d), not %s (%d, %d)", l.path,
				got.PhysicalType(), got.MaxDefinitionLevel(), got.MaxRepetitionLevel(),
				want.PhysicalType(), want.MaxDefinitionLevel(), want.MaxRepetitionLevel())
		}
		oc.index = append(oc.index, i)
		oc.cursors = append(oc.cursors, &cursor{off: noBlobs && l.isBlob})
	}
	r.columns = append(r.columns, oc)
	return nil
}

// Rows is the number of rows in the file.
func (r *Reader[R]) Rows() int64 { return r.footer.GetNumRows() }

// RowGroups are the numbers of rows of the row groups.
func (r *Reader[R]) RowGroups() []int64 { return rowsOf(r.footer.FileMetaData) }

// FileMetaData is the footer as the library reads it, for checks of the
// physical layout.
func (r *Reader[R]) FileMetaData() *metadata.FileMetaData { return r.footer.FileMetaData }

// Metadata is the value of a key in the footer, "" if it is not there.
func (r *Reader[R]) Metadata(key string) string {
	v := r.footer.KeyValueMetadata().FindValue(key)
	if v == nil {
		return ""
	}
	return *v
}

// Digest is the sha256 of the footer. It is the file's: in the footer of each file
// that [Writer] made is a hash of the checksums of all its pages.
func (r *Reader[R]) Digest() [sha256.Size]byte { return r.footer.sum }

// Blobs tells where all blobs of the file are, leaf by leaf in the order of
// rows, as the writer noted them in the footer. No blob is read.
func (r *Reader[R]) Blobs() ([]BlobPlace, error) {
	return decodePlaces(r.schema.leaves, r.Metadata(metaBlobs), r.Rows(), r.footer.size)
}

// BlobEnds tells where the blobs of a leaf, such as "video.bytes", end in the file,
// of the row group that the last row is of and in the order of its rows. Unlike
// [Reader.Blobs] it tells what was met, not what the footer says. A page with more
// than one blob, as this package writes none, has no place.
func (r *Reader[R]) BlobEnds(leaf string) []int64 {
	for _, c := range r.columns {
		for i, l := range c.leaves {
			if l.path == leaf {
				return c.cursors[i].ends
			}
		}
	}
	return nil
}

// Next returns the next row, io.EOF after the last. The row's blobs stay valid.
func (r *Reader[R]) Next() (*R, error) {
	row := new(R)
	if err := r.next(row); err != nil {
		return nil, err
	}
	return row, nil
}

// Skip passes over rows. Row groups that are skipped whole are not read.
func (r *Reader[R]) Skip(rows int64) error {
	for ; rows > 0 && r.left > 0; rows-- {
		if err := r.next(nil); err != nil {
			return err
		}
	}
	groups := r.RowGroups()
	for rows > 0 && r.group < len(groups) && groups[r.group] <= rows {
		rows -= groups[r.group]
		r.group++
	}
	for ; rows > 0; rows-- {
		if err := r.next(nil); err != nil {
			return err
		}
	}
	return nil
}

// next reads a row, or passes over it if row is nil.
func (r *Reader[R]) next(row *R) (err error) {
	defer recoverTo(&err)
	for r.left == 0 {
		if r.group >= len(r.footer.RowGroups) {
			return io.EOF
		}
		if err := r.loadGroup(); err != nil {
			return fmt.Errorf("read row group %d: %w", r.group, err)
		}
	}
	for _, c := range r.columns {
		c.assemble(row, c.cursors, 0)
		for i, cur := range c.cursors {
			if !cur.ended() {
				return fmt.Errorf("column %s does not fit the columns beside it", c.leaves[i].path)
			}
		}
	}
	r.left--
	return nil
}

func (r *Reader[R]) loadGroup() error {
	rows := r.footer.RowGroups[r.group].NumRows
	for _, c := range r.columns {
		for i, index := range c.index {
			if c.cursors[i].off {
				continue
			}
			pages, err := openPages(r.r, r.footer.FileMetaData, r.group, index)
			if err != nil {
				return fmt.Errorf("column %s: %w", c.leaves[i].path, err)
			}
			cur := c.cursors[i]
			*cur = cursor{}
			if err := cur.readFrom(pages, r.footer.Schema.Column(index)); err != nil {
				return fmt.Errorf("column %s: %w", c.leaves[i].path, err)
			}
			if n := cur.rows(); n != rows {
				return fmt.Errorf("column %s has %d rows, the row group %d", c.leaves[i].path, n, rows)
			}
		}
	}
	r.group++
	r.left = rows
	return nil
}

// rows counts the rows in the buffer.
func (c *cursor) rows() int64 {
	if c.rep == nil {
		return int64(len(c.def))
	}
	n := int64(0)
	for _, rep := range c.rep {
		if rep == 0 {
			n++
		}
	}
	return n
}

// Close lets go of the reader's memory. It does not close the file.
func (r *Reader[R]) Close() error {
	r.columns, r.left = nil, 0
	r.group = len(r.footer.RowGroups)
	return nil
}

func recoverTo(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("broken parquet file: %v", p)
	}
}
