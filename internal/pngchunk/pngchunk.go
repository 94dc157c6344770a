// Package pngchunk frames the chunks of PNG files (5.3 of the PNG specification).
package pngchunk

import (
	"encoding/binary"
	"hash/crc32"
)

// Signature begins a file; its chunks follow, IHDR first.
const Signature = "\x89PNG\r\n\x1a\n"

// Overhead is what a chunk has beside its data, bytes: length, type and checksum.
const Overhead = 12

// Append adds a chunk of a type, of four letters.
func Append(file []byte, kind string, data []byte) []byte {
	file = binary.BigEndian.AppendUint32(file, uint32(len(data)))
	from := len(file)
	file = append(append(file, kind...), data...)
	return binary.BigEndian.AppendUint32(file, crc32.ChecksumIEEE(file[from:]))
}
