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
	"slices"

	"micodata/internal/pngchunk"
)

// keyword of the chunk; its text is the sha256 of the picture's file, hex.
const keyword = "micodata:picture"

// header is all before the second chunk, with IHDR's 13 bytes.
const header = len(pngchunk.Signature) + pngchunk.Overhead + 13

// Sum is how a note names a picture's file: its sha256, hex.
func Sum(picture []byte) string {
	s := sha256.Sum256(picture)
	return hex.EncodeToString(s[:])
}

// Mark returns a map's PNG, a whole file, with the note of the picture that it was made
// of, before any that it has.
func Mark(png, picture []byte) []byte {
	note := pngchunk.Append(nil, "tEXt", []byte(keyword+"\x00"+Sum(picture)))
	return slices.Concat(png[:header], note, png[header:])
}

// Of is the [Sum] of the picture that a map's PNG notes, by the first note before its
// pixels; ok is false if it has none.
func Of(png []byte) (sum string, ok bool) {
	rest, ok := bytes.CutPrefix(png, []byte(pngchunk.Signature))
	for ok && len(rest) >= pngchunk.Overhead {
		n, kind := binary.BigEndian.Uint32(rest), string(rest[4:8])
		if kind == "IDAT" || uint64(n) > uint64(len(rest)-pngchunk.Overhead) {
			break
		}
		if text, isNote := bytes.CutPrefix(rest[8:8+n], []byte(keyword+"\x00")); kind == "tEXt" && isNote {
			return string(text), true
		}
		rest = rest[pngchunk.Overhead+int(n):]
	}
	return "", false
}
