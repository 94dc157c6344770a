package scenecut

import "math"

// yuvTables holds swscale's fast YUV -> RGB conversion (libswscale/x86/yuv2rgb): each product is
// ((sample<<3) - offset) * coefficient >> 16, summed and clamped. Chroma is the nearest sample.
type yuvTables struct {
	y              [256]int16
	bu, gu, gv, rv [256]int16
	clamp          [clampSize]uint8
}

// clampSize covers every sum of the tables: from -clampZero to clampSize-clampZero-1. The largest magnitudes are
// 279 + 258 (limited range, B at Y=255, U=255) and -19 - 259; a power of two lets an index be masked instead of checked.
const (
	clampSize = 1024
	clampZero = 384
)

// Coefficients of swscale's BT.601 tables (ff_yuv2rgb_coeffs: 104597, 132201, 25675, 53279), scaled to 13 bits as
// ff_yuv2rgb_c_init_tables does. OpenCV leaves swscale at BT.601 whatever the file is tagged. Only the yuvj formats are
// full range to it: a range tag on another format is not looked at.
var (
	limitedRange = yuvCoefficients{yOffset: 128, y: 9539, bu: 16525, gu: -3209, gv: -6660, rv: 13075}
	fullRange    = yuvCoefficients{yOffset: 0, y: 8192, bu: 14516, gu: -2819, gv: -5850, rv: 11485}
)

type yuvCoefficients struct {
	yOffset           int32 // 16<<3 in limited range
	y, bu, gu, gv, rv int32
}

func newYUVTables(c yuvCoefficients) *yuvTables {
	t := new(yuvTables)
	product := func(sample int, offset, coefficient int32) int16 {
		return int16(((int32(sample)<<3 - offset) * coefficient) >> 16)
	}
	const chromaZero = 128 << 3
	for i := range 256 {
		t.y[i] = product(i, c.yOffset, c.y)
		t.bu[i] = product(i, chromaZero, c.bu)
		t.gu[i] = product(i, chromaZero, c.gu)
		t.gv[i] = product(i, chromaZero, c.gv)
		t.rv[i] = product(i, chromaZero, c.rv)
	}
	for i := range t.clamp {
		t.clamp[i] = uint8(min(max(i-clampZero, 0), 255))
	}
	return t
}

// bgrRow converts one row of samples, one chroma sample per luma sample, to packed BGR.
func (t *yuvTables) bgrRow(dst, y, u, v []byte) {
	u, v = u[:len(y)], v[:len(y)]
	for i, luma := range y {
		base := int(t.y[luma]) + clampZero
		uu, vv := u[i], v[i]
		px := dst[3*i : 3*i+3 : 3*i+3]
		px[0] = t.clamp[(base+int(t.bu[uu]))&(clampSize-1)]
		px[1] = t.clamp[(base+int(t.gu[uu])+int(t.gv[vv]))&(clampSize-1)]
		px[2] = t.clamp[(base+int(t.rv[vv]))&(clampSize-1)]
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

// hsv converts one BGR pixel.
func (t *hsvTables) hsv(b, g, r int32) (hue, sat, val int32) {
	val = max(b, g, r)
	diff := val - min(b, g, r)
	const half = 1 << (hsvShift - 1)
	switch val {
	case r:
		hue = g - b
	case g:
		hue = b - r + 2*diff
	default:
		hue = r - g + 4*diff
	}
	hue = (hue*t.hue[uint8(diff)] + half) >> hsvShift
	if hue < 0 {
		hue += hueRange
	}
	return hue, (diff*t.sat[uint8(val)] + half) >> hsvShift, val
}
