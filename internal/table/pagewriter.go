package table

import (
	"bytes"
	"encoding/binary"
	"hash"
	"hash/crc32"
	"io"

	"github.com/apache/arrow/go/v15/parquet"
	"github.com/apache/arrow/go/v15/parquet/compress"
	"github.com/apache/arrow/go/v15/parquet/file"
	"github.com/apache/arrow/go/v15/parquet/metadata"
)

// pageWriter writes the pages that a column writer of the library makes, each
// with its checksum, which the library's own page writer does not write.
type pageWriter struct {
	file.PageWriter // nil: what is not written here is not called
	w               io.Writer
	chunk           *metadata.ColumnChunkMetaDataBuilder
	codec           compress.Codec // nil if pages are not compressed
	sums            hash.Hash      // takes the checksum of each page
	info            metadata.ChunkMetaInfo
	pages           int32
}

// newPageWriter starts a column chunk at an offset of the file.
func newPageWriter(w io.Writer, offset int64, chunk *metadata.ColumnChunkMetaDataBuilder, c compress.Compression, sums hash.Hash) (*pageWriter, error) {
	p := &pageWriter{w: w, chunk: chunk, sums: sums, info: metadata.ChunkMetaInfo{DataPageOffset: offset, IndexPageOffset: -1}}
	if c == compress.Codecs.Uncompressed {
		return p, nil
	}
	var err error
	p.codec, err = compress.GetCodec(c)
	return p, err
}

// HasCompressor implements [file.PageWriter].
func (p *pageWriter) HasCompressor() bool { return p.codec != nil }

// Compress implements [file.PageWriter].
func (p *pageWriter) Compress(_ *bytes.Buffer, page []byte) []byte { return p.codec.Encode(nil, page) }

// WriteDataPage implements [file.PageWriter].
func (p *pageWriter) WriteDataPage(page file.DataPage) (int64, error) {
	data := page.Data()
	h := pageHeader{kind: dataPageV1, size: page.UncompressedSize(), stored: int32(len(data)), crc: crc32.ChecksumIEEE(data),
		values: page.NumValues(), encoding: encodingPlain, def: encodingRLE, rep: encodingRLE}
	header := h.appendTo(nil)
	for _, b := range [][]byte{header, data} {
		if _, err := p.w.Write(b); err != nil {
			return 0, err
		}
	}
	p.sums.Write(binary.LittleEndian.AppendUint32(nil, h.crc)) // a hash takes all
	written := int64(len(header) + len(data))
	p.info.CompressedSize += written
	p.info.UncompressedSize += int64(len(header)) + int64(h.size)
	p.info.NumValues += int64(h.values)
	p.pages++
	return written, nil
}

// Close implements [file.PageWriter]: it notes what the footer says of the
// column chunk.
func (p *pageWriter) Close(_, _ bool) error {
	plain := metadata.EncodingStats{DataEncodingStats: map[parquet.Encoding]int32{parquet.Encodings.Plain: p.pages}}
	if err := p.chunk.Finish(p.info, false, false, plain, nil); err != nil {
		return err
	}
	p.chunk.Contents().FileOffset = 0 // there is no second copy of this outside the footer
	return nil
}
