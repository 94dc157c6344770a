package pseudolabel

import (
	"bytes"
	"image"
	"image/png"
	"math/rand/v2"
	"testing"
)

// What is written must be what image/png reads, bit for bit; noise and smooth.
func TestPNGRoundTrip(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for _, kind := range []pngKind{gray16, rgb8} {
		for _, size := range []image.Point{{1, 1}, {1, 7}, {7, 1}, {641, 361}} {
			raw := make([]byte, size.X*size.Y*kind.bytes)
			for i := range raw {
				raw[i] = byte(i / 3)
				if i%5 == 0 {
					raw[i] = byte(r.Uint32())
				}
			}
			data := encodePNG(t, raw, size, kind)
			img, err := png.Decode(bytes.NewReader(data))
			if err != nil {
				t.Fatalf("%+v %v: %v", kind, size, err)
			}
			var got []byte
			switch img := img.(type) {
			case *image.Gray16:
				got = img.Pix
			case *image.RGBA:
				for i := 0; i < len(img.Pix); i += 4 {
					got = append(got, img.Pix[i:i+3]...)
				}
			}
			if img.Bounds().Size() != size || !bytes.Equal(got, raw) {
				t.Errorf("%+v: %T of %v differs from what was written (%v)", kind, img, img.Bounds().Size(), size)
			}
			if again := encodePNG(t, raw, size, kind); !bytes.Equal(again, data) {
				t.Errorf("%+v %v: two runs gave different bytes", kind, size)
			}
		}
	}
}

func encodePNG(t testing.TB, raw []byte, size image.Point, kind pngKind) []byte {
	t.Helper()
	w, err := newPNG(size.X, size.Y, kind)
	if err != nil {
		t.Fatal(err)
	}
	stride := size.X * kind.bytes
	for y := range size.Y {
		if err := w.writeRow(raw[y*stride:][:stride]); err != nil {
			t.Fatal(err)
		}
	}
	data, err := w.finish()
	if err != nil {
		t.Fatal(err)
	}
	return data
}
