package resample

import "math"

// Kernel is what a sample is weighed with, by its distance.
type Kernel int

// Kernels.
const (
	Bilinear      Kernel = iota // triangle, one sample to each side
	Bicubic                     // Keys' cubic, a = -0.5: Pillow's, and PyTorch's with antialias
	BicubicOpenCV               // Keys' cubic, a = -0.75: OpenCV's, and PyTorch's without antialias
)

// support is how many samples a kernel reaches to each side.
func (k Kernel) support() int {
	if k == Bilinear {
		return 1
	}
	return 2
}

// at is the weight at a distance x. The conversions keep products from being fused with sums.
func (k Kernel) at(x float64) float64 {
	x = math.Abs(x)
	if k == Bilinear {
		return max(0, 1-x)
	}
	a := -0.5
	if k == BicubicOpenCV {
		a = -0.75
	}
	switch {
	case x < 1:
		y := float64((a+2)*x) - (a + 3)
		return float64(y*x*x) + 1
	case x < 2:
		y := float64((x-5)*x) + 8
		y = float64(y*x) - 4
		return y * a
	}
	return 0
}

// taps are the weights of one axis: output i is the sum over k of
// weights[i][k] * input[start[i]+k], and the weights sum to 1.
type taps struct {
	start   []int
	weights [][]float64
}

// newTaps computes the weights from in to out samples, whose centres lie at
// halves.
func newTaps(in, out int, k Kernel, antialias bool) taps {
	t := taps{start: make([]int, out), weights: make([][]float64, out)}
	if antialias {
		t.smooth(in, k)
	} else {
		t.interpolate(in, k)
	}
	return t
}

// smooth widens the kernel where the picture shrinks, to reach as far between
// input samples as it does between output samples. Beyond the border there is
// nothing: the weights of what is there are scaled up.
func (t *taps) smooth(in int, k Kernel) {
	scale := float64(in) / float64(len(t.start))
	widen := max(scale, 1)
	support := float64(float64(k.support()) * widen)
	// Pillow multiplies by the inverse; a division would differ in the last bit.
	narrow := 1 / widen
	most := 2*int(math.Ceil(support)) + 1
	all := make([]float64, 0, most*len(t.start))
	for i := range t.start {
		centre := float64((float64(i) + .5) * scale)
		first := max(0, int(centre-support+.5)) // truncates, as a C cast does
		end := min(in, int(centre+support+.5))
		from, sum := len(all), 0.
		for j := first; j < end; j++ {
			w := k.at(float64((float64(j) - centre + .5) * narrow))
			all = append(all, w)
			sum += w
		}
		w := all[from:]
		for j := range w {
			w[j] /= sum
		}
		t.start[i], t.weights[i] = first, w
	}
}

// interpolate keeps the kernel as it is, so that a picture that shrinks loses
// what lies between the samples. Beyond the border the nearest sample counts.
func (t *taps) interpolate(in int, k Kernel) {
	scale := float64(in) / float64(len(t.start))
	reach := k.support()
	for i := range t.start {
		place := float64((float64(i)+.5)*scale) - .5
		base := int(math.Floor(place))
		first, last := max(0, base-reach+1), min(in-1, base+reach)
		w := make([]float64, last-first+1)
		for j := base - reach + 1; j <= base+reach; j++ {
			w[min(max(j, 0), in-1)-first] += k.at(float64(j) - place)
		}
		t.start[i], t.weights[i] = first, w
	}
}
