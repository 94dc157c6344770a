package pseudolabel

import (
	"image"
	"image/color"
	"math"
	"testing"

	"micodata/pseudolabel/card"
)

// What the CPU does for a picture of 720p beside the networks.
func BenchmarkPicture(b *testing.B) {
	size := image.Pt(1280, 720)
	data := jpegOf(b, size.X, size.Y, func(x, y int) color.Color {
		return color.RGBA{uint8(x*y/900 + x%7), uint8(128 + 90*math.Sin(float64(x)/40)), uint8(y/3 + (x*31+y*17)%5), 255}
	})
	in := card.Input{Mean: []float64{.5, .5, .5}, Std: []float64{.5, .5, .5}, Resize: card.Resize{Mode: card.Squash, Size: []int{384, 384}, Filter: card.Bilinear}}
	n := network{card: &card.Network{Input: in}, normalise: newNormaliser(&in)}
	pic, err := decode(&Picture{Data: data}, 1<<24)
	if err != nil {
		b.Fatal(err)
	}
	maps := field{channels: make([][]float32, 3), w: 384, h: 384}
	for c := range maps.channels {
		maps.channels[c] = make([]float32, 384*384)
		for i := range maps.channels[c] {
			x, y := float64(i%384), float64(i/384)
			maps.channels[c][i] = float32(.5 - .3*float64(c/2) + .2*math.Sin(x/31+float64(c))*math.Cos(y/53) + .02*math.Sin(x*y/7))
		}
	}
	depth := field{channels: maps.channels[:1], w: 384, h: 384}
	b.Run("decode", func(b *testing.B) {
		for range b.N {
			if _, err := decode(&Picture{Data: data}, 1<<24); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("input", func(b *testing.B) {
		for range b.N {
			n.input(pic)
		}
	})
	b.Run("depth", func(b *testing.B) {
		for range b.N {
			s := newScaled(depth.channels[0], depth.w, depth.h, size.X, size.Y)
			lo, hi := s.extremes()
			png, err := depthMap(s, lo, hi)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(len(png)), "bytes")
		}
	})
	b.Run("normal", func(b *testing.B) {
		for range b.N {
			png, err := normalMap(maps, &card.NormalOutput{Axes: card.OpenCV, Range: []float64{0, 1}}, size)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(len(png)), "bytes")
		}
	})
}
