package origin

import (
	"bytes"
	"image"
	"image/png"
	"testing"

	"micodata/internal/pngchunk"
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
	marked := Mark(plain, one)
	if of, ok := Of(marked); !ok || of != Sum(one) || of == Sum(other) {
		t.Errorf("marked as of %q, %v", of, ok)
	}
	if of, ok := Of(plain); ok || of != "" {
		t.Errorf("not marked, and of %q, %v", of, ok)
	}
	if of, _ := Of(Mark(marked, other)); of != Sum(other) {
		t.Errorf("marked again as of %q", of)
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

func FuzzOf(f *testing.F) {
	f.Add(Mark(encode(f, image.NewGray16(image.Rect(0, 0, 2, 2))), []byte("x")))
	f.Add([]byte(pngchunk.Signature + "\xff\xff\xff\xfftEXt"))
	f.Add([]byte(pngchunk.Signature))
	f.Fuzz(func(t *testing.T, data []byte) {
		if of, ok := Of(data); ok && !bytes.Contains(data, []byte(keyword+"\x00"+of)) {
			t.Errorf("found %q, which is not there", of)
		}
	})
}
