package extract

import (
	"math"
	"slices"
	"testing"
)

func TestUniformFramesOfAnyLength(t *testing.T) {
	for _, n := range []int{1, 2, 7, 64, 65, 130, 720, 5000} {
		c := candidates{most: 64}
		freed := 0
		for i := range n {
			c.add(packet{at: int64(100 + 10*i)}, func(packet) { freed++ })
		}
		if len(c.frames) > 64 || len(c.frames)+freed != n {
			t.Fatalf("%d frames: %d kept, %d freed", n, len(c.frames), freed)
		}
		start, end := int64(100), int64(100+10*n)
		picked := c.uniform(8, start, end)
		if len(picked) != 8 || !slices.IsSorted(picked) {
			t.Errorf("%d frames: picked %v", n, picked)
		}
		for i, k := range picked {
			middle := 100 + (float64(i)+0.5)/8*float64(end-start)
			off := math.Abs(float64(c.frames[k].at) - middle)
			for _, f := range c.frames {
				if math.Abs(float64(f.at)-middle) < off {
					t.Errorf("%d frames: segment %d has %d, %d is nearer to %g", n, i, c.frames[k].at, f.at, middle)
				}
			}
			if spacing := 10 * float64(c.stride); off > max(spacing, float64(end-start)/16) {
				t.Errorf("%d frames: segment %d is %g off", n, i, off)
			}
		}
	}
}

func TestCandidatesStayWithinMemory(t *testing.T) {
	for _, c := range []struct{ n, bytes, want int }{
		{8, 1280 * 720 * 3 / 2, 64},
		{8, 4096 * 2304 * 3 / 2, 16}, // two a segment, whatever they take
		{8, 1280 * 1280 * 3 / 2, 40},
		{64, 1280 * 720 * 3 / 2, 128},
	} {
		if got := mostCandidates(c.n, c.bytes); got != c.want {
			t.Errorf("%d frames of %d bytes: %d candidates, want %d", c.n, c.bytes, got, c.want)
		}
	}
}

// patterned is a picture with contrast, which is what the sharpest has most of.
func patterned(s size, contrast byte) []byte {
	data := make([]byte, s.bytes())
	for i := range s.w * s.h {
		data[i] = 100 + byte(i*7%5)*(contrast/4)
	}
	return data
}

func TestKeyFrameIsTheSharpestOfTheMiddle(t *testing.T) {
	s := size{16, 16}
	for _, n := range []int{1, 2, 3, 9, 16, 24} {
		c := candidates{most: 64}
		for i := range n {
			contrast := byte(8 + i%2*4)
			if i == n/2 {
				contrast = 50
			}
			if i == 0 || i == n-1 {
				contrast = 99 // sharp, but not in the middle
			}
			c.add(packet{at: int64(1000 + 10*i), data: patterned(s, contrast)}, func(packet) {})
		}
		if got := c.key(1000, int64(1000+10*n), s); n >= 3 && got != n/2 {
			t.Errorf("%d frames: key frame %d, the sharpest is %d", n, got, n/2)
		}
	}
}

// TestKeyFrameOfALongClip has more candidates in its middle third than are
// looked at.
func TestKeyFrameOfALongClip(t *testing.T) {
	s := size{16, 16}
	c := candidates{most: 64}
	for i := range 64 {
		c.add(packet{at: int64(i), data: patterned(s, byte(10+i%2*50))}, func(packet) {})
	}
	if place := c.key(0, 64, s); place < 22 || place >= 43 {
		t.Errorf("key frame %d of 64", place)
	}
}

// TestKeyFrameOfASparseClip has nothing in its middle third.
func TestKeyFrameOfASparseClip(t *testing.T) {
	s := size{16, 16}
	c := candidates{most: 64}
	for _, at := range []int64{0, 10, 900} {
		c.add(packet{at: at, data: patterned(s, 10)}, func(packet) {})
	}
	if got := c.frames[c.key(0, 1000, s)].at; got != 900 {
		t.Errorf("key frame at %d, want that nearest to 500", got)
	}
}

func TestGridsFollowWhatIsAsked(t *testing.T) {
	for _, c := range []struct {
		frames   int
		shortest float64
		want     grid
	}{
		{8, 1, 10}, {8, 60, 10}, {1, 1, 10}, {8, 0.5, 20}, {32, 1, 40}, {1, 0.25, 20}, {12, 1, 20}, {8, 0, 0}, {64, 0.01, 0},
	} {
		if got := stillsGrid(c.frames, c.shortest); got != c.want {
			t.Errorf("%d frames of %g s: %d Hz, want %d", c.frames, c.shortest, got, c.want)
		}
	}
}

// TestFramesOfTheShortestClipDiffer goes through where a clip of the shortest
// length may begin on the grid.
func TestFramesOfTheShortestClipDiffer(t *testing.T) {
	const clock = 1000000
	for _, n := range []int{8, 12, 32} {
		for _, rate := range []float64{8, 10.5, 11, 12.5, 15, 24000. / 1001, 24, 25, 30000. / 1001, 30, 50, 60, 120} {
			g := stillsGrid(n, 1)
			for first := range 300 {
				c, p := candidates{most: 2 * n}, picker{grid: g}
				var times []float64
				start := float64(first) / rate
				end := start
				for i := first; end < start+1; i++ {
					times = append(times, float64(i)/rate)
					if p.takes(float64(i) / rate) {
						c.add(packet{at: int64(math.Round(float64(i) / rate * clock))}, func(packet) {})
					}
					end = float64(i+1) / rate
				}
				picked := c.uniform(n, int64(start*clock), int64(end*clock))
				if rate >= 2*float64(n) && len(slices.Compact(slices.Clone(picked))) < n {
					t.Fatalf("%d frames at %.2f Hz from frame %d on: candidates %v are chosen of %d", n, rate, first, picked, len(c.frames))
				}
				for i, k := range picked {
					middle := start + (float64(i)+0.5)/float64(n)*(end-start)
					there := math.Inf(1)
					for _, at := range times {
						there = min(there, math.Abs(at-middle))
					}
					if off := math.Abs(float64(c.frames[k].at)/clock - middle); off > there+1/float64(g)+1e-5 {
						t.Fatalf("%d frames at %.2f Hz from frame %d on: frame %d is %.3f s off its middle, the nearest %.3f s", n, rate, first, i, off, there)
					}
				}
			}
		}
	}
}

func TestPickerTakesTheFirstOfEachPeriod(t *testing.T) {
	p, all := picker{grid: 12}, picker{}
	var taken []int
	for i := -3; i < 25; i++ {
		if p.takes(float64(i) / 25) {
			taken = append(taken, i)
		}
		if !all.takes(float64(i) / 25) {
			t.Errorf("frame %d is not of all frames", i)
		}
	}
	if want := []int{-3, -2, 0, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23}; !slices.Equal(taken, want) {
		t.Errorf("taken %v, want %v", taken, want)
	}
}
