package resample

import "fmt"

// fixedBits is the fraction of a fixed-point weight: of 32 bits, 8 are the
// sample's and 2 are room for weights that overshoot (PRECISION_BITS in Pillow's
// Resample.c).
const fixedBits = 32 - 8 - 2

// RGB resizes src, sw x sh pixels of interleaved 8-bit RGB, into dst, dw x dh
// pixels. It is Pillow's resize with [Bilinear] or [Bicubic], to the bit: along
// rows first, then along columns, each rounded to 8 bits, and an axis whose size
// stays is left alone. (Pillow 13 takes the columns first where the height shrinks
// much more than the width; this is the order of all versions before, behind which
// the models were trained.) It may be called from several goroutines; src and dst must not
// overlap. It panics where a slice isn't of its size.
func RGB(dst []byte, dw, dh int, src []byte, sw, sh int, k Kernel) {
	check(len(dst), dw, dh, 3)
	check(len(src), sw, sh, 3)
	if sw == dw && sh == dh {
		copy(dst, src)
		return
	}
	across := fix(sw, dw, k)
	both := make([]int64, 3*sw)
	from := func(y int) []byte { return src[3*sw*y:][:3*sw] }
	if sh == dh {
		for y := 0; y < dh; y += 2 {
			z := min(y+1, dh-1)
			across.columns(dst[3*dw*y:][:3*dw], dst[3*dw*z:][:3*dw], from(y), from(z), both)
		}
		return
	}
	// Rows are stretched when the first output needs them and kept as long as one
	// does: a few rows stay in the CPU's cache where a whole picture would not.
	down := fix(sh, dh, k)
	window := down.longest + 1 // they come in pairs
	kept := make([]byte, 3*dw*window)
	rows := make([][]byte, window)
	sums := make([]int32, 3*dw)
	next := 0
	for y := range dh {
		first, weights := down.start[y], down.weights[y]
		for next < first+len(weights) {
			a, b := next, min(next+1, sh-1)
			next = b + 1
			if sw == dw {
				rows[a%window], rows[b%window] = from(a), from(b)
				continue
			}
			rows[a%window] = kept[3*dw*(a%window):][:3*dw]
			rows[b%window] = kept[3*dw*(b%window):][:3*dw]
			across.columns(rows[a%window], rows[b%window], from(a), from(b), both)
		}
		addRows(sums, rows, first, weights)
		out := dst[3*dw*y:][:len(sums)]
		for i, v := range sums {
			out[i] = toByte(v)
		}
	}
}

func check(have, w, h, channels int) {
	if w <= 0 || h <= 0 || have != channels*w*h {
		panic(fmt.Sprintf("resample: %d values for %d x %d pixels of %d", have, w, h, channels))
	}
}

// fixed are taps in fixed point.
type fixed struct {
	start   []int
	weights [][]int32
	longest int // the most weights of one output
}

func fix(in, out int, k Kernel) fixed {
	t := newTaps(in, out, k, true)
	f := fixed{start: t.start, weights: make([][]int32, out)}
	total := 0
	for _, weights := range t.weights {
		total += len(weights)
		f.longest = max(f.longest, len(weights))
	}
	all := make([]int32, 0, total)
	for i, weights := range t.weights {
		from := len(all)
		for _, w := range weights {
			half := .5
			if w < 0 {
				half = -.5
			}
			all = append(all, int32(half+float64(w*(1<<fixedBits))))
		}
		f.weights[i] = all[from:]
	}
	return f
}

// columns stretches two rows of pixels, or one given twice. Both lie in the
// halves of 64-bit integers, so that one multiplication serves two samples; both
// is room for that. The lower half may become negative and borrow from the upper.
func (f *fixed) columns(dst, dst2, src, src2 []byte, both []int64) {
	src, src2 = src[:len(both)], src2[:len(both)]
	for i := range both {
		both[i] = int64(src[i]) | int64(src2[i])<<32
	}
	for x, weights := range f.weights {
		from := both[3*f.start[x]:][:3*len(weights)]
		const half = 1 << (fixedBits - 1)
		const halves = half | half<<32
		var r, g, b int64 = halves, halves, halves
		for j, w := range weights {
			p := from[3*j : 3*j+3 : 3*j+3]
			r += int64(w) * p[0]
			g += int64(w) * p[1]
			b += int64(w) * p[2]
		}
		to, to2 := dst[3*x:][:3], dst2[3*x:][:3]
		to[0], to2[0] = toBytes(r)
		to[1], to2[1] = toBytes(g)
		to[2], to2[2] = toBytes(b)
	}
}

func toBytes(v int64) (lower, upper byte) {
	low := int32(v)
	return toByte(low), toByte(int32((v - int64(low)) >> 32))
}

// addRows weighs rows first, first+1 and so on; row y is rows[y%len(rows)].
func addRows(sums []int32, rows [][]byte, first int, weights []int32) {
	for i := range sums {
		sums[i] = 1 << (fixedBits - 1)
	}
	k := 0
	// Two rows at a time: each sum is loaded and stored half as often.
	for ; k+1 < len(weights); k += 2 {
		a, b := rows[(first+k)%len(rows)][:len(sums)], rows[(first+k+1)%len(rows)][:len(sums)]
		v, w := weights[k], weights[k+1]
		for i := range sums {
			sums[i] += v*int32(a[i]) + w*int32(b[i])
		}
	}
	if k < len(weights) {
		a, v := rows[(first+k)%len(rows)][:len(sums)], weights[k]
		for i := range sums {
			sums[i] += v * int32(a[i])
		}
	}
}

// toByte drops the fraction and what lies beyond 8 bits.
func toByte(v int32) byte {
	return byte(min(max(v>>fixedBits, 0), 255))
}
