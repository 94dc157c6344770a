package verify

import (
	"bytes"
	"image"
	"image/color"
	"image/jpeg"
	"math"
	"math/rand/v2"
	"testing"

	"micodata/shards/testset"
)

// gray is a JPEG of one gray.
func gray(w, h int) []byte {
	img := image.NewYCbCr(image.Rect(0, 0, w, h), image.YCbCrSubsampleRatio420)
	for _, plane := range [][]uint8{img.Y, img.Cb, img.Cr} {
		for i := range plane {
			plane[i] = 128
		}
	}
	var buf bytes.Buffer
	if err := jpeg.Encode(&buf, img, nil); err != nil {
		panic(err)
	}
	return buf.Bytes()
}

func gray8(w, h int) []byte {
	img := image.NewGray(image.Rect(0, 0, w, h))
	for i := range img.Pix {
		img.Pix[i] = uint8(i)
	}
	return testset.EncodePNG(img)
}

func halfRange(w, h int) []byte {
	img := image.NewGray16(image.Rect(0, 0, w, h))
	for x := range w {
		for y := range h {
			img.SetGray16(x, y, color.Gray16{Y: uint16(x * 100)})
		}
	}
	return testset.EncodePNG(img)
}

func normals(x, y, z float64) []byte {
	img := image.NewRGBA(image.Rect(0, 0, testset.Width, testset.Height))
	level := func(v float64) uint8 { return uint8(math.Round((v + 1) / 2 * 255)) }
	for i := 0; i < len(img.Pix); i += 4 {
		copy(img.Pix[i:], []uint8{level(x), level(y), level(z), 255})
	}
	return testset.EncodePNG(img)
}

func hiss(n int, seed uint64) []float32 {
	r := rand.New(rand.NewPCG(seed, 0))
	x := make([]float32, n)
	last := 0.
	for i := range x {
		last = 0.9*last + 0.1*r.NormFloat64()
		x[i] = float32(last)
	}
	return x
}

func TestAlign(t *testing.T) {
	a := hiss(2*soundRate, 1)
	for _, lag := range []int{0, 1, -3, 160, 800, -4000} {
		b := make([]float32, len(a))
		for i := range b {
			if k := i - lag; k >= 0 && k < len(a) {
				b[i] = a[k]
			}
		}
		got, same, alike := align(a, b, 168)
		if got != lag || same != (lag < 168 && lag > -168) || alike < 0.7 {
			t.Errorf("lag %d: found %d (within tolerance %v, alike %.2f)", lag, got, same, alike)
		}
	}
	if _, _, alike := align(a, hiss(2*soundRate, 2), 168); alike > 0.1 {
		t.Errorf("two noises are %.2f alike", alike)
	}
	tone := make([]float32, 2*soundRate)
	late := make([]float32, 2*soundRate)
	for i := range tone {
		tone[i] = float32(math.Sin(2 * math.Pi * 440 * float64(i) / soundRate))
		late[i] = float32(math.Sin(2 * math.Pi * 440 * float64(i-2000) / soundRate))
	}
	if _, same, _ := align(tone, late, 168); !same {
		t.Error("a steady tone has no one lag")
	}
}

func TestUnlike(t *testing.T) {
	img := image.NewYCbCr(image.Rect(0, 0, 333, 201), image.YCbCrSubsampleRatio420)
	other := image.NewYCbCr(img.Rect, image.YCbCrSubsampleRatio420)
	flat := image.NewYCbCr(img.Rect, image.YCbCrSubsampleRatio420)
	for y := range 201 {
		for x := range 333 {
			v := 128 + 100*math.Sin(float64(x)/9)*math.Cos(float64(y)/7)
			img.Y[img.YOffset(x, y)] = uint8(v)
			other.Y[img.YOffset(x, y)] = uint8(v/2 + 30) // darker and duller: the same picture
			flat.Y[img.YOffset(x, y)] = 77
		}
	}
	a, b, f := shrinkLuma(img), shrinkLuma(other), shrinkLuma(flat)
	if d := unlike(&a, &b); d > 0.001 {
		t.Errorf("a darker copy is %v unlike", d)
	}
	if math.Abs(float64(f[0])-77) > 0.01 || unlike(&a, &f) != 1 || unlike(&f, &a) != 1 {
		t.Errorf("flat: %v, %v unlike a picture", f[0], unlike(&a, &f))
	}
	nearly, dim, black := f, f, thumb{}
	for i := range nearly {
		nearly[i] += float32(i%2) * 3
		dim[i] += float32(i%2) * 8
	}
	if unlike(&f, &nearly) != 0 || unlike(&f, &dim) != 0 || unlike(&f, &black) != 1 {
		t.Errorf("flat: %v unlike a flat one, %v unlike one that is nearly, %v unlike black", unlike(&f, &nearly), unlike(&f, &dim), unlike(&f, &black))
	}
	mirror := a
	for y := range thumbH {
		for x := range thumbW {
			mirror[y*thumbW+x] = a[y*thumbW+thumbW-1-x]
		}
	}
	if d := unlike(&a, &mirror); d < 0.5 {
		t.Errorf("a mirrored picture is %v unlike", d)
	}
}

// A still is not of a neighbouring frame of which nothing can be said.
func TestClosestInAFade(t *testing.T) {
	var still thumb
	frames := make([]grayThumb, 5)
	for i := range still {
		still[i] = 40 + float32(i%3)*3
		for k := range frames {
			frames[k][i] = uint8(still[i]) + uint8(i%5/4)
		}
		frames[1][i] = 40 // flat
	}
	if got := closest(&still, frames, 2); got != 2 {
		t.Errorf("frame %d instead of 2", got)
	}
	frames[3] = grayThumb{}
	for i := range still {
		frames[3][i] = uint8(still[i])
	}
	if got := closest(&still, frames, 2); got != 3 {
		t.Errorf("frame %d instead of 3, which it is", got)
	}
}
