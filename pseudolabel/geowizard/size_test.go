package geowizard

import (
	"math"
	"testing"
)

func TestNearestBucket(t *testing.T) {
	buckets := []Bucket{{576, 768}, {448, 768}, {768, 576}, {384, 512}, {768, 768}}
	for _, c := range []struct {
		w, h int
		want Bucket
	}{
		{1920, 1080, Bucket{448, 768}},
		{640, 480, Bucket{576, 768}}, // and not 384x512, of the same shape and smaller
		{480, 640, Bucket{768, 576}},
		{500, 500, Bucket{768, 768}},
		{1080, 1920, Bucket{768, 576}},
		{10_000, 1, Bucket{448, 768}},
		{1, 10_000, Bucket{768, 576}},
	} {
		if got := nearest(buckets, c.w, c.h); got != c.want {
			t.Errorf("%d x %d goes to %v, want %v", c.w, c.h, got, c.want)
		}
	}
	// A square is as far from upright as from lying: the first.
	if got := nearest([]Bucket{{768, 576}, {576, 768}}, 7, 7); got != (Bucket{768, 576}) {
		t.Errorf("a square goes to %v, want the first", got)
	}
	if got := nearest([]Bucket{{384, 512}, {512, 384}, {576, 768}}, 7, 7); got != (Bucket{576, 768}) {
		t.Errorf("a square goes to %v, want the largest", got)
	}
}

func TestEncoderInput(t *testing.T) {
	b := Bucket{64, 128}
	rgb := make([]byte, 3*30*20)
	for i := range 30 * 20 {
		rgb[3*i], rgb[3*i+1], rgb[3*i+2] = 0, 51, 255
	}
	planes := encoderInput(rgb, 30, 20, b)
	area := 64 * 128
	for c, want := range []float32{-1, -.6, 1} {
		for _, v := range planes[c*area:][:area] {
			if v != want {
				t.Fatalf("plane %d has %v, want %v", c, v, want)
			}
		}
	}
	// CLIP's: black, a fifth and white, by its published means and deviations.
	clip := clipInput(planes, b)
	for c, want := range []float64{-.48145466 / .26862954, (.2 - .4578275) / .26130258, (1 - .40821073) / .27577711} {
		for _, v := range clip[c*224*224:][:224*224] {
			if math.Abs(float64(v)-want) > 1e-6 {
				t.Fatalf("CLIP's plane %d has %v, want %v", c, v, want)
			}
		}
	}
}

// The cubic overshoots at an edge, which no other filter in use does.
func TestEncoderInputIsBicubic(t *testing.T) {
	var rgb []byte
	for range 32 {
		for x := range 64 {
			v := byte(100 + x/32*50)
			rgb = append(rgb, v, v, v)
		}
	}
	planes := encoderInput(rgb, 64, 32, Bucket{64, 128})
	if lo, hi := extremes(planes); lo >= levels[100] || hi <= levels[150] {
		t.Errorf("an edge of %v and %v stays between %v and %v", levels[100], levels[150], lo, hi)
	}
}
