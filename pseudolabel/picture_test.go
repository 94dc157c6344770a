package pseudolabel

import (
	"bytes"
	"errors"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"micodata/pseudolabel/card"
)

// JPEGs of all kinds are what Pillow makes of them (internal/jpegrgb/testdata), as
// models were trained and are exported with. Those that jpegrgb doesn't read go
// through image/jpeg, which rounds a sample in thirty otherwise.
func TestJPEGAsPillowReadsIt(t *testing.T) {
	for folder, want := range map[string]struct{ files, off int }{"": {62, 0}, "beyond": {2, 3}} {
		files, err := filepath.Glob(filepath.Join(jpegs, folder, "*.jpg"))
		if err != nil || len(files) < want.files {
			t.Fatalf("%d files, %v", len(files), err)
		}
		for _, file := range files {
			got, pillow := decodeFile(t, file), decodeFile(t, strings.TrimSuffix(file, ".jpg")+".png")
			if got.size != pillow.size || len(got.rgb) != len(pillow.rgb) {
				t.Fatalf("%s: %v, want %v", file, got.size, pillow.size)
			}
			worst := 0
			for i, v := range got.rgb {
				worst = max(worst, int(v)-int(pillow.rgb[i]), int(pillow.rgb[i])-int(v))
			}
			if worst > want.off {
				t.Errorf("%s: off by %d", file, worst)
			}
		}
	}
}

const jpegs = "../internal/jpegrgb/testdata"

func decodeFile(t *testing.T, file string) *picture {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	pic, err := decode(&Picture{Key: file, Data: data}, 1<<20)
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return pic
}

func TestPNGs(t *testing.T) {
	want := color.NRGBA{200, 100, 50, 255}
	for name, img := range map[string]interface {
		image.Image
		Set(x, y int, c color.Color)
	}{"RGB": image.NewRGBA(image.Rect(0, 0, 3, 2)), "transparent": image.NewNRGBA(image.Rect(0, 0, 3, 2)), "16 bits": image.NewRGBA64(image.Rect(0, 0, 3, 2))} {
		c := want
		if name == "transparent" {
			c.A = 128
		}
		for i := range 6 {
			img.Set(i%3, i/3, c)
		}
		var b bytes.Buffer
		if err := png.Encode(&b, img); err != nil {
			t.Fatal(err)
		}
		pic, err := decode(&Picture{Data: b.Bytes()}, 6)
		if err != nil || pic.size != image.Pt(3, 2) || !bytes.Equal(pic.rgb, bytes.Repeat([]byte{200, 100, 50}, 6)) {
			t.Errorf("%s: %v (%v)", name, pic, err)
		}
		if _, err := decode(&Picture{Data: b.Bytes()}, 5); err == nil {
			t.Errorf("%s: 6 pixels where 5 are allowed", name)
		}
	}
}

// FuzzPicture feeds what claims to be a picture through all that is done to it
// before the network.
func FuzzPicture(f *testing.F) {
	whole := ramp(f, 40, 24)
	f.Add(whole)
	f.Add(whole[:len(whole)-30])
	f.Add([]byte("\xff\xd8\xff\xc0\x00\x11\x08\xff\xff\xff\xff\x03"))
	f.Add([]byte("\x89PNG\r\n\x1a\n"))
	for _, name := range []string{"422-6x5.jpg", "420p-37x29.jpg", "grey-4x3.jpg", "420-2x9.png", "beyond/411.jpg", "beyond/cmyk.jpg"} {
		data, err := os.ReadFile(filepath.Join(jpegs, name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	const maxPixels = 1 << 16
	in := card.Input{Mean: []float64{.5, .5, .5}, Std: []float64{.5, .5, .5}, Resize: card.Resize{Mode: card.Squash, Size: []int{24, 32}}}
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := decode(&Picture{Key: "k", Data: data}, maxPixels)
		if err != nil {
			if own := new(pictureError); !errors.As(err, &own) {
				t.Fatalf("%v is not the picture's", err)
			}
			return
		}
		if p.size.X*p.size.Y > maxPixels || len(p.rgb) != 3*p.size.X*p.size.Y {
			t.Fatalf("decoded %v, %d bytes", p.size, len(p.rgb))
		}
		for _, filter := range []string{card.Bilinear, card.CubicOpenCV} {
			in.Resize.Filter = filter
			n := network{card: &card.Network{Input: in}, normalise: newNormaliser(&in)}
			for i, v := range n.input(p).Data {
				if !(v >= -2 && v <= 2) || (filter == card.Bilinear && (v < -1 || v > 1)) {
					t.Fatalf("%s: value %d is %v", filter, i, v)
				}
			}
		}
	})
}
