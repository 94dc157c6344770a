// Package origin notes in the PNG of a depth or normal map which picture it was made
// of, so that a map that came to stand beside another picture is found.
//
// The note is a text chunk (tEXt, 11.3.3.2 of the PNG specification) between header and
// pixels, which readers of PNG pass over.
package origin

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash/crc32"
	"slices"
)

// keyword of the chunk; its text is the sha256 of the picture's file, hex.
const keyword = "micodata:picture"

const (
	signature = "\x89PNG\r\n\x1a\n"
	header    = len(signature) + overhead + 13 // with IHDR, which comes first
	overhead  = 12                             // of a chunk: length, type, checksum
)

// Sum is how a note names a picture's file: its sha256, hex.
func Sum(picture []byte) string {
	s := sha256.Sum256(picture)
	return hex.EncodeToString(s[:])
}

// Mark returns a map's PNG, a whole file, with the note of the picture that it was made
// of, before any that it has. It uses up png.
func Mark(png, picture []byte) []byte {
	chunk := []byte("tEXt" + keyword + "\x00" + Sum(picture))
	var note []byte
	note = binary.BigEndian.AppendUint32(note, uint32(len(chunk)-4))
	note = append(note, chunk...)
	note = binary.BigEndian.AppendUint32(note, crc32.ChecksumIEEE(chunk))
	return slices.Insert(png, header, note...)
}

// Of is the [Sum] of the picture that a map's PNG notes, by the first note before its
// pixels; ok is false if it has none.
func Of(png []byte) (sum string, ok bool) {
	rest, ok := bytes.CutPrefix(png, []byte(signature))
	for ok && len(rest) >= overhead {
		n, kind := binary.BigEndian.Uint32(rest), string(rest[4:8])
		if kind == "IDAT" || uint64(n) > uint64(len(rest)-overhead) {
			break
		}
		if text, isNote := bytes.CutPrefix(rest[8:8+n], []byte(keyword+"\x00")); kind == "tEXt" && isNote {
			return string(text), true
		}
		rest = rest[overhead+int(n):]
	}
	return "", false
}
