package main

import (
	"bytes"
	"testing"
)

// exifJPEG begins a JPEG whose EXIF data has an orientation.
func exifJPEG(littleEndian bool, orientation byte) []byte {
	tiff := "MM\x00*\x00\x00\x00\x08\x00\x02\x01\x0f\x00\x02\x00\x00\x00\x01\x00\x00\x00\x00\x01\x12\x00\x03\x00\x00\x00\x01\x00" + string(rune(orientation)) + "\x00\x00"
	if littleEndian {
		tiff = "II*\x00\x08\x00\x00\x00\x01\x00\x12\x01\x03\x00\x01\x00\x00\x00" + string(rune(orientation)) + "\x00\x00\x00"
	}
	exif := "Exif\x00\x00" + tiff
	jfif := "\xff\xe0\x00\x04ab"
	return []byte("\xff\xd8" + jfif + "\xff\xe1\x00" + string(rune(len(exif)+2)) + exif + "\xff\xda\x00\x02")
}

func TestTurned(t *testing.T) {
	for _, little := range []bool{false, true} {
		for o := range byte(10) {
			if got, want := turned(exifJPEG(little, o)), o > 1 && o < 9; got != want {
				t.Errorf("orientation %d, little endian %v: got %v", o, little, got)
			}
		}
	}
	if turned(checkPicture()) {
		t.Error("a picture without EXIF")
	}
}

func FuzzTurned(f *testing.F) {
	f.Add(exifJPEG(true, 6))
	f.Add(exifJPEG(false, 6))
	f.Fuzz(func(t *testing.T, data []byte) {
		before := bytes.Clone(data)
		turned(data)
		if !bytes.Equal(data, before) {
			t.Error("changed")
		}
	})
}
