package scenecut

import "math"

// A pixel is one BGR pixel in three lanes of 21 bits, B lowest, so that one addition or multiplication serves all three.
// Sums of pixels may borrow between lanes on the way as long as each lane of the end result is in 0..1<<21-1.
type pixel uint64

const (
	laneBits       = 21
	laneOnes pixel = 1 | 1<<laneBits | 1<<(2*laneBits) // 1 in every lane
	laneMask       = 1<<laneBits - 1
)

func newPixel(b, g, r int32) pixel {
	return pixel(int64(b) + int64(g)<<laneBits + int64(r)<<(2*laneBits))
}

func (p pixel) bgr() (b, g, r int32) {
	return int32(p & laneMask), int32(p >> laneBits & laneMask), int32(p >> (2 * laneBits))
}

// clampBias is what yuvTables adds to every lane, so that a sum is positive: sums lie in -279..538.
const clampBias = 512

// clamp brings lanes of clampBias + v to v limited to 0..255.
func (p pixel) clamp() pixel {
	over := (p + 256*laneOnes) >> 10 & laneOnes     // v > 255
	positive := (p + 512*laneOnes) >> 10 & laneOnes // v >= 0
	return (p&(255*laneOnes) | over*255) & (positive * 255)
}

// yuvTables holds swscale's fast YUV -> RGB conversion (libswscale/x86/yuv2rgb): each product is
// ((sample - offset) << 3) * coefficient >> 16, then summed and clamped. Chroma is the nearest sample.
type yuvTables struct {
	y, u, v [256]pixel
}

// Coefficients of swscale's BT.601 tables (ff_yuv2rgb_coeffs: 104597, 132201, 25675, 53279), scaled to 13 bits as
// ff_yuv2rgb_c_init_tables does. OpenCV leaves swscale at BT.601 whatever the file is tagged. Only the yuvj formats are
// full range to it: a range tag on another format is not looked at.
var (
	limitedRange = yuvCoefficients{yOffset: 16, y: 9539, bu: 16525, gu: -3209, gv: -6660, rv: 13075}
	fullRange    = yuvCoefficients{yOffset: 0, y: 8192, bu: 14516, gu: -2819, gv: -5850, rv: 11485}
)

type yuvCoefficients struct {
	yOffset, y, bu, gu, gv, rv int32
}

func newYUVTables(c yuvCoefficients) *yuvTables {
	product := func(sample, offset, coefficient int32) int32 {
		return (((sample - offset) << 3) * coefficient) >> 16
	}
	const chromaZero = 128
	t := new(yuvTables)
	for i := range int32(256) {
		y := product(i, c.yOffset, c.y) + clampBias
		t.y[i] = newPixel(y, y, y)
		t.u[i] = newPixel(product(i, chromaZero, c.bu), product(i, chromaZero, c.gu), 0)
		t.v[i] = newPixel(0, product(i, chromaZero, c.gv), product(i, chromaZero, c.rv))
	}
	return t
}

// convertRow converts one row of samples, one chroma sample per luma sample.
func (t *yuvTables) convertRow(dst []pixel, y, u, v []byte) {
	dst, u, v = dst[:len(y)], u[:len(y)], v[:len(y)]
	for i, luma := range y {
		dst[i] = (t.y[luma] + t.u[u[i]] + t.v[v[i]]).clamp()
	}
}

// unpackRow reads a row of packed 8-bit BGR.
func unpackRow(dst []pixel, bgr []byte) {
	for i := range dst {
		px := bgr[3*i : 3*i+3 : 3*i+3]
		dst[i] = pixel(px[0]) | pixel(px[1])<<laneBits | pixel(px[2])<<(2*laneBits)
	}
}

// OpenCV's 8-bit BGR2HSV (modules/imgproc/src/color_hsv.simd.hpp): hue in 0..179, saturation and value in 0..255, with
// divisions by table at 12 bits.
const (
	hsvShift = 12
	hueRange = 180
)

type hsvTables struct {
	sat [256]int32 // (255<<hsvShift)/v
	hue [256]int32 // (180<<hsvShift)/(6*diff)
}

func newHSVTables() *hsvTables {
	t := new(hsvTables)
	for i := 1; i < 256; i++ {
		t.sat[i] = int32(math.RoundToEven((255 << hsvShift) / float64(i)))
		t.hue[i] = int32(math.RoundToEven((hueRange << hsvShift) / (6 * float64(i))))
	}
	return t
}

// hsv converts one BGR pixel. Masks stand for branches, which noise would mispredict.
func (t *hsvTables) hsv(b, g, r int32) (hue, sat, val int32) {
	val = max(b, g, r)
	diff := val - min(b, g, r)
	const half = 1 << (hsvShift - 1)
	isR, isG := zeroMask(val-r), zeroMask(val-g)
	hue = isR&(g-b) | ^isR&(isG&(b-r+2*diff)|^isG&(r-g+4*diff))
	hue = (hue*t.hue[uint8(diff)] + half) >> hsvShift
	hue += hue >> 31 & hueRange
	return hue, (diff*t.sat[uint8(val)] + half) >> hsvShift, val
}

// zeroMask returns all ones for 0, and 0 for a positive x.
func zeroMask(x int32) int32 {
	return (x - 1) >> 31
}
