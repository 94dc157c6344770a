package table

import (
	"bufio"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/apache/arrow/go/v15/parquet/compress"
	"github.com/apache/arrow/go/v15/parquet/metadata"
)

var (
	errChunk    = errors.New("where the footer says that it is, a column cannot be")
	errChecksum = errors.New("a page's bytes are not those that were written: its checksum differs")
	errEntries  = errors.New("its pages do not have the entries that the footer says")
	errPageSize = errors.New("a page does not have the size that its header says")
	errPageCap  = errors.New("a page is larger than any that was written")
)

// maxPageBytes is more than any page of ours has; what a broken header says may
// be anything.
const maxPageBytes = MaxBlobBytes + 1<<20

// page is a page as it was before compression. Its data is nobody else's.
type page struct {
	pageHeader
	data []byte
	end  int64 // where the page ends in the file
}

// pageReader reads the pages of a column chunk of any making and checks the
// checksums that they have. The library's own checks none, and over broken
// headers it loops for ever.
type pageReader struct {
	r     *bufio.Reader
	file  *io.SectionReader // what r reads ahead of
	start int64             // of file, in the file
	codec compress.Codec    // nil if pages are not compressed
	left  int64             // entries of data pages still to come
}

// openPages opens a column's pages in a row group.
func openPages(r io.ReaderAt, f *metadata.FileMetaData, group, column int) (*pageReader, error) {
	chunk, err := f.RowGroup(group).ColumnChunk(column)
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
	p := &pageReader{left: chunk.NumValues()}
	if chunk.Compression() != compress.Codecs.Uncompressed {
		if p.codec, err = compress.GetCodec(chunk.Compression()); err != nil {
			return nil, err
		}
	}
	p.file, p.start = io.NewSectionReader(r, start, size), start
	p.r = bufio.NewReaderSize(p.file, int(min(size, 64<<10)))
	return p, nil
}

// offset is that of the next byte in the file.
func (p *pageReader) offset() int64 {
	ahead, _ := p.file.Seek(0, io.SeekCurrent) // cannot fail
	return p.start + ahead - int64(p.r.Buffered())
}

// next returns the next page that holds values, io.EOF after the last. A column
// chunk is read to its last byte: were it left where the entries are complete, a
// page that says too many would hide the last one.
func (p *pageReader) next() (*page, error) {
	for {
		if _, err := p.r.Peek(1); err == io.EOF && p.left > 0 {
			return nil, errEntries
		} else if err != nil {
			return nil, err
		}
		h, err := readPageHeader(p.r)
		if err != nil {
			return nil, err
		}
		stored, err := p.stored(h)
		if err != nil {
			return nil, err
		}
		switch h.kind {
		case dataPageV1, dataPageV2:
			if p.left -= int64(h.values); p.left < 0 {
				return nil, errEntries
			}
		case dictionaryPage:
		default:
			continue // pages of indexes hold nothing to read
		}
		data, err := p.uncompress(h, stored)
		if err != nil {
			return nil, err
		}
		return &page{h, data, p.offset()}, nil
	}
}

// stored reads a page's bytes as they are in the file.
func (p *pageReader) stored(h pageHeader) ([]byte, error) {
	if max(h.stored, h.size) > maxPageBytes {
		return nil, errPageCap
	}
	data := make([]byte, h.stored)
	if _, err := io.ReadFull(p.r, data); err != nil {
		return nil, fmt.Errorf("a page ends early: %w", err)
	}
	if h.hasCRC && crc32.ChecksumIEEE(data) != h.crc {
		return nil, errChecksum
	}
	return data, nil
}

// uncompress undoes the compression of all but the levels of version 2.
func (p *pageReader) uncompress(h pageHeader, stored []byte) ([]byte, error) {
	plain := 0
	if h.kind == dataPageV2 {
		if plain = int(h.def) + int(h.rep); plain > len(stored) || plain > int(h.size) {
			return nil, errLevels
		}
	}
	data := stored
	if p.codec != nil && (h.kind != dataPageV2 || h.compressed) {
		data = append(make([]byte, 0, h.size), stored[:plain]...)
		if plain < len(stored) { // else there are no values
			values := p.codec.Decode(data[plain:h.size], stored[plain:])
			data = append(data, values...)
		}
	}
	if len(data) != int(h.size) {
		return nil, errPageSize
	}
	return data, nil
}
