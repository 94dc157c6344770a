package table

import (
	"bufio"
	"bytes"
	"errors"
	"hash/crc32"
)

// BlobMargin is how many bytes before a blob hold the start of its page: the page's
// header, and the levels of the rows that share the page.
const BlobMargin = 4 << 10

var errBlobChecksum = errors.New("a blob's bytes are not those that were written: its page's checksum differs")

// CutBlob checks a blob that was read by its place, without the pages around it. The
// bytes are those of the file from some way before the blob, up to [BlobMargin], to
// its end; size is the blob's. The blob shares their memory.
func CutBlob(b []byte, size int64) ([]byte, error) {
	at := len(b) - int(size)
	if size < 0 || at < 0 {
		return nil, errBlobChecksum
	}
	// The blob ends its page, so the header is where one says that the page ends
	// there, and its checksum tells.
	for start := at - 1; start >= 0; start-- {
		if b[start] != 1<<4|thriftI32 { // a header's first byte: field 1, a number
			continue
		}
		t := thriftReader{r: bufio.NewReaderSize(bytes.NewReader(b[start:at]), 64)}
		h, err := t.header()
		body := start + t.taken
		if err == nil && h.kind == dataPageV1 && h.hasCRC && body+int(h.stored) == len(b) && crc32.ChecksumIEEE(b[body:]) == h.crc {
			return b[at:], nil
		}
	}
	return nil, errBlobChecksum
}
