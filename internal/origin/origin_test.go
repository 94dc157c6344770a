package origin

import (
	"bytes"
	"image"
	"image/png"
	"testing"
)

func encode(t testing.TB, img image.Image) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := png.Encode(&out, img); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestMark(t *testing.T) {
	img := image.NewGray16(image.Rect(0, 0, 70, 50))
	for i := range img.Pix {
		img.Pix[i] = byte(i * i)
	}
	plain, one, other := encode(t, img), []byte("a picture"), []byte("another")
	marked := Mark(bytes.Clone(plain), one)
	if !Is(marked, one) || Is(marked, other) || Is(plain, one) {
		t.Errorf("marked: of its own %v, of another %v; plain: %v", Is(marked, one), Is(marked, other), Is(plain, one))
	}
	got, err := png.Decode(bytes.NewReader(marked)) // it looks at checksums
	if err != nil {
		t.Fatal(err)
	}
	if gray, ok := got.(*image.Gray16); !ok || !bytes.Equal(gray.Pix, img.Pix) {
		t.Error("other pixels")
	}
	if n := len(marked) - len(plain); n != 12+len(keyword)+1+64 {
		t.Errorf("%d bytes more", n)
	}
}

func FuzzIs(f *testing.F) {
	f.Add(Mark(encode(f, image.NewGray16(image.Rect(0, 0, 2, 2))), []byte("x")))
	f.Add([]byte(signature + "\xff\xff\xff\xfftEXt"))
	f.Add([]byte(signature))
	f.Fuzz(func(t *testing.T, data []byte) {
		if Is(data, []byte("x")) && !bytes.Contains(data, []byte(keyword)) {
			t.Error("found a note where none is")
		}
	})
}
