package table

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/apache/arrow/go/v15/parquet"
	"github.com/apache/arrow/go/v15/parquet/metadata"
)

// Parquet has checksums for pages only. Ours for the footer stands in front of
// it, where no reader looks that does not know of it: footerMark, and the
// footer's CRC-32 (IEEE). The file ends, as any, with the footer's size and magic.
const (
	magic      = "PAR1"
	footerMark = "MCRC"
	tailBytes  = 8 // of either pair
)

// metaPages is the footer's key for the sha256 of the checksums of all pages, in
// hex. A footer has sizes, and the least and the greatest values: without it files
// that differ in a value between could have the same.
const metaPages = "micodata.pages"

var (
	errNoFooter       = errors.New("the file does not end as Parquet files do: it is cut or of another kind")
	errFooterChecksum = errors.New("its bytes are not those that were written: the checksum differs")
)

// writeFooter ends a file.
func writeFooter(w io.Writer, f *metadata.FileMetaData) error {
	var footer bytes.Buffer
	if _, err := f.WriteTo(&footer, nil); err != nil {
		return err
	}
	b := binary.LittleEndian.AppendUint32([]byte(footerMark), crc32.ChecksumIEEE(footer.Bytes()))
	b = append(b, footer.Bytes()...)
	b = binary.LittleEndian.AppendUint32(b, uint32(footer.Len()))
	_, err := w.Write(append(b, magic...))
	return err
}

// footer is what a file says of itself.
type footer struct {
	*metadata.FileMetaData
	size int64             // of the file
	sum  [sha256.Size]byte // of the footer's own bytes
}

// readFooter reads the footer of a file of any making, and checks it where it
// has our checksum.
func readFooter(r parquet.ReaderAtSeeker) (*footer, error) {
	size, err := r.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, err
	}
	if size < int64(len(magic)+tailBytes) {
		return nil, errNoFooter
	}
	tail := make([]byte, tailBytes)
	if err := readAt(r, tail, size-tailBytes); err != nil {
		return nil, err
	}
	n := int64(binary.LittleEndian.Uint32(tail))
	if string(tail[4:]) != magic || n > size-tailBytes {
		return nil, errNoFooter
	}
	before := min(tailBytes, size-tailBytes-n)
	b := make([]byte, before+n)
	if err := readAt(r, b, size-tailBytes-n-before); err != nil {
		return nil, err
	}
	mark, own := b[:before], b[before:]
	if bytes.HasPrefix(mark, []byte(footerMark)) && before == tailBytes && binary.LittleEndian.Uint32(mark[4:]) != crc32.ChecksumIEEE(own) {
		return nil, errFooterChecksum
	}
	f, err := metadata.NewFileMetaData(own, nil)
	if err != nil {
		return nil, err
	}
	return &footer{f, size, sha256.Sum256(own)}, nil
}

func readAt(r io.ReaderAt, b []byte, at int64) error {
	if n, err := r.ReadAt(b, at); n < len(b) {
		return fmt.Errorf("%d bytes at %d: %w", len(b), at, err)
	}
	return nil
}

// rowsOf are the numbers of rows of the row groups.
func rowsOf(f *metadata.FileMetaData) []int64 {
	groups := make([]int64, len(f.RowGroups))
	for i, g := range f.RowGroups {
		groups[i] = g.NumRows
	}
	return groups
}
