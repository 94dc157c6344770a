package resample

// Float resizes one channel of float32, src of sw x sh samples, into dst of dw x
// dh. With antialias it is PyTorch's interpolate(antialias=True) with [Bilinear]
// or [Bicubic]; without, OpenCV's resize of float images with [Bilinear] (LINEAR)
// or [BicubicOpenCV] (CUBIC). What is flat stays flat, to the bit. It may be
// called from several goroutines; src and dst must not overlap. It panics where
// a slice isn't of its size.
func Float(dst []float32, dw, dh int, src []float32, sw, sh int, k Kernel, antialias bool) {
	check(len(dst), dw, dh, 1)
	check(len(src), sw, sh, 1)
	wide := src
	if sw != dw {
		wide = dst
		if sh != dh {
			wide = make([]float32, dw*sh)
		}
		across := newTaps(sw, dw, k, antialias)
		for y := range sh {
			across.columns(wide[dw*y:][:dw], src[sw*y:][:sw])
		}
	}
	if sh == dh {
		if sw == dw {
			copy(dst, src)
		}
		return
	}
	down := newTaps(sh, dh, k, antialias)
	sums := make([]float64, dw)
	for y := range dh {
		clear(sums)
		for j, w := range down.weights[y] {
			for x, v := range wide[dw*(down.start[y]+j):][:len(sums)] {
				sums[x] += float64(w * float64(v))
			}
		}
		out := dst[dw*y:][:len(sums)]
		for x, v := range sums {
			out[x] = float32(v)
		}
	}
}

// columns stretches a row.
func (t *taps) columns(dst, src []float32) {
	for x, weights := range t.weights {
		from := src[t.start[x]:][:len(weights)]
		sum := 0.
		for j, w := range weights {
			sum += float64(w * float64(from[j]))
		}
		dst[x] = float32(sum)
	}
}
