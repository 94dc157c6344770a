package scenecut

import "math"

// minWidth is video2dataset's DEFAULT_MIN_WIDTH: the downscale factor is width/minWidth.
const minWidth = 64

// weightScale is OpenCV's INTER_RESIZE_COEF_SCALE: INTER_LINEAR weights are 11-bit fixed point.
const weightScale = 1 << 11

// An axis describes how one dimension of the small picture is read from the source: output i is
// weight[2i]*source[pos[2i]] + weight[2i+1]*source[pos[2i+1]]. An axis that is not resized has one tap per
// output, pos[i] = i, and no weights.
type axis struct {
	out    int // cells along this axis
	pos    []uint16
	weight []int32
}

// outSize is Python's round(size/factor): halves go to the even number. OpenCV refuses size 0 (a picture flatter than
// half the factor); that becomes 1 here.
func outSize(size, factor int) int {
	return max(1, int(math.RoundToEven(float64(size)/float64(factor))))
}

// identityAxis is the axis of a picture that is not resized.
func identityAxis(size int) axis {
	a := axis{out: size, pos: make([]uint16, size)}
	for i := range a.pos {
		a.pos[i] = uint16(i)
	}
	return a
}

// linearAxis computes positions and weights with the types and the rounding of OpenCV 4's resize (modules/imgproc/src/
// resize.cpp, INTER_LINEAR on 8-bit images). clampWeight says that a tap pair beyond the edge collapses onto it, as
// OpenCV does along x; along y it clamps the rows and keeps the weights.
func linearAxis(size, factor int, clampWeight bool) axis {
	out := outSize(size, factor)
	a := axis{out: out, pos: make([]uint16, 2*out), weight: make([]int32, 2*out)}
	scale := 1 / (float64(out) / float64(size))
	for i := range out {
		f := float32((float64(i)+0.5)*scale - 0.5)
		at := int(math.Floor(float64(f)))
		f -= float32(at)
		if clampWeight && (at < 0 || at >= size-1) {
			f = 0
		}
		a.pos[2*i] = clampPos(at, size)
		a.pos[2*i+1] = clampPos(at+1, size)
		a.weight[2*i] = fixedWeight(1 - f)
		a.weight[2*i+1] = fixedWeight(f)
	}
	return a
}

func clampPos(at, size int) uint16 {
	return uint16(min(max(at, 0), size-1))
}

// fixedWeight rounds as OpenCV's saturate_cast<short>(float): to nearest, halves to even.
func fixedWeight(f float32) int32 {
	return int32(math.RoundToEven(float64(f * weightScale)))
}

// taps is the number of source positions read per cell along the axis: 1 or 2.
func (a axis) taps() int {
	return len(a.pos) / a.out
}

// blendRow blends two rows of taps, each two taps per cell, into one row of cells. The shifts are those of OpenCV's
// HResizeLinear and VResizeLinear for 8-bit images; at an even factor the result is (a+b+c+d+2)>>2. A weighted pair is at
// most 255*2049, which fits a lane; a vertical product does not, so that step is done channel by channel.
func blendRow(dst, top, bottom []pixel, xWeight []int32, topWeight, bottomWeight int32) {
	const pairShift = 4
	const pairMask = (laneMask >> pairShift) * laneOnes
	for i := range dst {
		weight := xWeight[2*i : 2*i+2 : 2*i+2]
		a, b := top[2*i:2*i+2:2*i+2], bottom[2*i:2*i+2:2*i+2]
		left, right := pixel(weight[0]), pixel(weight[1])
		upper := (a[0]*left + a[1]*right) >> pairShift & pairMask
		lower := (b[0]*left + b[1]*right) >> pairShift & pairMask
		b0, g0, r0 := upper.bgr()
		b1, g1, r1 := lower.bgr()
		dst[i] = newPixel(
			((b0*topWeight)>>16+(b1*bottomWeight)>>16+2)>>2,
			((g0*topWeight)>>16+(g1*bottomWeight)>>16+2)>>2,
			((r0*topWeight)>>16+(r1*bottomWeight)>>16+2)>>2)
	}
}
