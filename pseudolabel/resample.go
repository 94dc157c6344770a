package pseudolabel

import "math"

// taps are the weights of one axis of a triangle filter: output i is the sum of
// weights[i*n+k] * input[start[i]+k]. Sample centres lie at half pixels; beyond
// the border the nearest pixels count. Enlarging, this is bilinear; shrinking,
// the triangle is as wide as two output pixels (antialias).
//
// Sums are taken of differences to the first tap, so that what is flat stays
// flat: rounded weights don't quite sum to 1, and a depth map is stretched to
// its own extremes afterwards.
type taps struct {
	n       int
	start   []int
	weights []float32
}

func newTaps(in, out int) taps {
	scale := float64(in) / float64(out)
	support := max(scale, 1)
	t := taps{n: min(in, int(math.Ceil(2*support))), start: make([]int, out)}
	t.weights = make([]float32, out*t.n)
	w := make([]float64, t.n)
	for i := range out {
		centre := (float64(i) + .5) * scale
		first := max(0, min(int(math.Floor(centre-support+.5)), in-t.n))
		sum := 0.
		for k := range w {
			w[k] = max(0, 1-math.Abs(float64(first+k)+.5-centre)/support)
			sum += w[k]
		}
		for k := range w {
			t.weights[i*t.n+k] = float32(w[k] / sum)
		}
		t.start[i] = first
	}
	return t
}

// scaled is a channel stretched to its final width, whose rows are made when
// they are asked for: the whole map is never held.
type scaled struct {
	width, height int
	rows          []float32 // the input's rows, each of the final width
	down          taps
}

func newScaled(channel []float32, w, h, width, height int) *scaled {
	s := &scaled{width: width, height: height, rows: make([]float32, h*width), down: newTaps(h, height)}
	across := newTaps(w, width)
	for y := range h {
		src, dst := channel[y*w:][:w], s.rows[y*width:][:width]
		if across.n == 2 { // enlarged, as nearly always
			for x, at := range across.start[:len(dst)] {
				pair := src[at:][:2]
				dst[x] = pair[0] + across.weights[2*x+1]*(pair[1]-pair[0])
			}
			continue
		}
		for x := range dst {
			from := src[across.start[x]:]
			v := from[0]
			for k, weight := range across.weights[x*across.n:][:across.n] {
				v += weight * (from[k] - from[0])
			}
			dst[x] = v
		}
	}
	return s
}

// row writes row y of the stretched map.
func (s *scaled) row(y int, dst []float32) {
	first := s.rows[s.down.start[y]*s.width:][:len(dst)]
	copy(dst, first)
	for k, weight := range s.down.weights[y*s.down.n:][:s.down.n] {
		if weight == 0 || k == 0 {
			continue
		}
		src := s.rows[(s.down.start[y]+k)*s.width:][:len(dst)]
		for x, v := range src {
			dst[x] += weight * (v - first[x])
		}
	}
}
