package jpegrgb

import (
	"bytes"
	"image"
	"image/draw"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// files are JPEGs of all kinds; what Pillow made of them lies beside them.
func files(t testing.TB) []string {
	t.Helper()
	all, err := filepath.Glob("testdata/*.jpg")
	if err != nil || len(all) < 30 {
		t.Fatalf("%d files, %v", len(all), err)
	}
	return all
}

func read(t testing.TB, file string) []byte {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestPillowsRGB(t *testing.T) {
	for _, file := range files(t) {
		img, err := png.Decode(bytes.NewReader(read(t, strings.TrimSuffix(file, ".jpg")+".png")))
		if err != nil {
			t.Fatal(err)
		}
		want := image.NewNRGBA(img.Bounds())
		draw.Draw(want, want.Rect, img, image.Point{}, draw.Src)
		rgb, w, h, err := Decode(read(t, file), 1<<20)
		if err != nil || image.Pt(w, h) != want.Rect.Size() || len(rgb) != 3*w*h {
			t.Errorf("%s: %dx%d (%v), want %v", file, w, h, err, want.Rect.Size())
			continue
		}
		differ := 0
		for i, v := range rgb {
			if v != want.Pix[i/3*4+i%3] {
				differ++
			}
		}
		if differ > 0 {
			t.Errorf("%s: %d of %d values differ", file, differ, len(rgb))
		}
	}
}
