package geowizard

import (
	"micodata/internal/resample"
)

// nearest is the bucket whose shape is the nearest to the picture's, by the
// ratio of their aspects. Of several the largest, and of those the first.
func nearest(buckets []Bucket, w, h int) Bucket {
	var best Bucket
	stretch := 0.
	for i, b := range buckets {
		// Both products are exact, and so equal ratios are equal quotients.
		a, c := float64(w*b.height()), float64(h*b.width())
		s := max(a, c) / min(a, c)
		if i == 0 || s < stretch || s == stretch && b.height()*b.width() > best.height()*best.width() {
			best, stretch = b, s
		}
	}
	return best
}

// levels are the values of a byte in the encoder's range.
var levels = func() (l [256]float32) {
	for v := range l {
		l[v] = float32(float64(v)/255*2 - 1)
	}
	return l
}()

// encoderInput squashes a picture, w x h pixels of interleaved RGB, to a bucket
// and gives it as [3,H,W] in [-1,1].
func encoderInput(rgb []byte, w, h int, b Bucket) []float32 {
	area := b.height() * b.width()
	squashed := make([]byte, 3*area)
	resample.RGB(squashed, b.width(), b.height(), rgb, w, h, resample.Bicubic)
	planes := make([]float32, 3*area)
	red, green, blue := planes[:area], planes[area:2*area], planes[2*area:]
	for i := range red {
		p := squashed[3*i:][:3]
		red[i], green[i], blue[i] = levels[p[0]], levels[p[1]], levels[p[2]]
	}
	return planes
}

// What CLIP's image encoder takes (openai/CLIP: 224 pixels, these means and
// deviations).
const clipSide = 224

var (
	clipMean = [3]float32{.48145466, .4578275, .40821073}
	clipStd  = [3]float32{.26862954, .26130258, .27577711}
)

// clipInput is the encoder's input as CLIP takes it, [3,224,224]: squashed
// once more, as float and without clipping what the cubic overshoots.
func clipInput(planes []float32, b Bucket) []float32 {
	area := b.height() * b.width()
	unit := make([]float32, area)
	out := make([]float32, 3*clipSide*clipSide)
	for c := range 3 {
		for i, v := range planes[c*area:][:area] {
			unit[i] = (v + 1) / 2
		}
		plane := out[c*clipSide*clipSide:][:clipSide*clipSide]
		resample.Float(plane, clipSide, clipSide, unit, b.width(), b.height(), resample.Bicubic, true)
		for i, v := range plane {
			plane[i] = (v - clipMean[c]) / clipStd[c]
		}
	}
	return out
}
