package extract

import (
	"math"
	"slices"
	"testing"
)

func TestUniformFramesOfAnyLength(t *testing.T) {
	for _, n := range []int{1, 2, 7, 128, 129, 130, 720, 5000} {
		var u uniform
		freed := 0
		for i := range n {
			u.add(packet{at: int64(100 + 10*i)}, func(packet) { freed++ })
		}
		if len(u.frames) > maxUniform || len(u.frames)+freed != n {
			t.Fatalf("%d frames: %d kept, %d freed", n, len(u.frames), freed)
		}
		start, end := int64(100), int64(100+10*n)
		picked := u.pick(8, start, end)
		if len(picked) != 8 || !slices.IsSorted(picked) {
			t.Errorf("%d frames: picked %v", n, picked)
		}
		for i, k := range picked {
			middle := 100 + (float64(i)+0.5)/8*float64(end-start)
			off := math.Abs(float64(u.frames[k].at) - middle)
			for _, f := range u.frames {
				if math.Abs(float64(f.at)-middle) < off {
					t.Errorf("%d frames: segment %d has %d, %d is nearer to %g", n, i, u.frames[k].at, f.at, middle)
				}
			}
			if spacing := 10 * float64(u.stride); off > max(spacing, float64(end-start)/16) {
				t.Errorf("%d frames: segment %d is %g off", n, i, off)
			}
		}
	}
}

// checkered is a picture with contrast, which is what the sharpest has most of.
func checkered(s size, contrast byte) []byte {
	data := make([]byte, s.bytes())
	for i := range s.w * s.h {
		data[i] = 100 + byte((i%s.w+i/s.w)%2)*contrast
	}
	return data
}

func TestKeyFrameIsTheSharpestOfTheMiddle(t *testing.T) {
	s := size{16, 16}
	for _, n := range []int{1, 2, 3, 9, 16, 40, 300} {
		var k keyFrames
		for i := range n {
			contrast := byte(10 + i%5)
			if i == n/2 {
				contrast = 50
			}
			if i == 0 || i == n-1 {
				contrast = 99 // sharp, but not in the middle
			}
			k.add(packet{at: int64(1000 + 10*i), data: checkered(s, contrast)}, 1000, s, func(packet) {})
			if len(k.frames) > maxKeyFrames {
				t.Fatalf("%d candidates", len(k.frames))
			}
		}
		start, end := int64(1000), int64(1000+10*n)
		best := k.frames[k.pick(start, end)]
		place := float64(best.at-start) / float64(end-start)
		if n >= 3 && (place < 1./3 || place >= 2./3) {
			t.Errorf("%d frames: key frame at %.2f", n, place)
		}
		for _, f := range k.frames {
			if p := float64(f.at-start) / float64(end-start); n >= 3 && p >= 1./3 && p < 2./3 && f.sharpness > best.sharpness {
				t.Errorf("%d frames: %g is sharper than %g", n, f.sharpness, best.sharpness)
			}
		}
	}
}

// TestKeyFrameOfASparseClip has nothing in its middle third.
func TestKeyFrameOfASparseClip(t *testing.T) {
	s := size{16, 16}
	var k keyFrames
	for _, at := range []int64{0, 10, 900} {
		k.add(packet{at: at, data: checkered(s, 10)}, 0, s, func(packet) {})
	}
	if got := k.frames[k.pick(0, 1000)].at; got != 900 {
		t.Errorf("key frame at %d, want that nearest to 500", got)
	}
}
