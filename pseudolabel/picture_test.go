package pseudolabel

import (
	"image"
	"testing"

	"micodata/pseudolabel/card"
)

// FuzzPicture feeds what claims to be a JPEG through all that is done to it
// before the network.
func FuzzPicture(f *testing.F) {
	whole := ramp(f, 40, 24)
	f.Add(whole)
	f.Add(whole[:len(whole)-30])
	f.Add([]byte("\xff\xd8\xff\xc0\x00\x11\x08\xff\xff\xff\xff\x03"))
	const maxPixels = 1 << 16
	n := newNormaliser(&card.Input{Mean: []float64{.5, .5, .5}, Std: []float64{.5, .5, .5}})
	f.Fuzz(func(t *testing.T, data []byte) {
		p := &Picture{Key: "k", JPEG: data}
		size, err := pictureSize(p, maxPixels)
		if err != nil {
			return
		}
		img, err := decode(p)
		if err != nil {
			return
		}
		if img.Bounds().Size() != size || size.X*size.Y > maxPixels {
			t.Fatalf("decoded %v, the header said %v", img.Bounds(), size)
		}
		dst := make([]float32, 3*32*32)
		n.fill(dst, img, image.Pt(32, 32))
		for i, v := range dst {
			if v < -1 || v > 1 {
				t.Fatalf("value %d is %v", i, v)
			}
		}
	})
}
