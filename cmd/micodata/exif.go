package main

import (
	"bytes"
	"encoding/binary"
)

// turned tells whether a JPEG's EXIF data asks for it to be shown otherwise than
// it is stored: turned or mirrored.
func turned(jpeg []byte) bool {
	for at := 2; at+4 <= len(jpeg) && jpeg[at] == 0xff; {
		size := int(binary.BigEndian.Uint16(jpeg[at+2:]))
		if size < 2 || at+2+size > len(jpeg) || jpeg[at+1] == 0xda { // the samples begin
			return false
		}
		segment := jpeg[at+4 : at+2+size]
		if tiff, ok := bytes.CutPrefix(segment, []byte("Exif\x00\x00")); ok && jpeg[at+1] == 0xe1 {
			o := orientation(tiff)
			return o > 1 && o <= 8
		}
		at += 2 + size
	}
	return false
}

// orientation is that of EXIF's first directory, 1 upright; 0 if it has none.
func orientation(tiff []byte) uint16 {
	if len(tiff) < 8 {
		return 0
	}
	var order binary.ByteOrder = binary.BigEndian
	if tiff[0] == 'I' {
		order = binary.LittleEndian
	}
	at := int64(order.Uint32(tiff[4:]))
	if at+2 > int64(len(tiff)) {
		return 0
	}
	entries := tiff[at+2:]
	for range order.Uint16(tiff[at:]) {
		if len(entries) < 12 {
			return 0
		}
		if order.Uint16(entries) == 0x0112 {
			return order.Uint16(entries[8:])
		}
		entries = entries[12:]
	}
	return 0
}
