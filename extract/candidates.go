package extract

import (
	"math"

	"micodata/internal/measure"
)

// candidates are frames of a clip of which its stills are chosen when its length
// is known: frames of the grid, evenly thinned to at most most.
type candidates struct {
	frames []packet
	most   int
	stride int // of the frames offered, every stride-th is kept
	seen   int
}

// Bounds of the candidates of an open clip. 64 leave four to eight for each of
// the usual eight segments; beyond candidateBytes, which 64 of 1280x720 do not
// reach, there are fewer, but always two a segment.
const (
	maxCandidates  = 64
	candidateBytes = 96 << 20
	// maxStills is what they may take at all: those of 8 frames of an 8K picture
	// take 760 MiB.
	maxStills = 1 << 30
)

// mostCandidates is how many frames of the given size in bytes are kept for n
// uniform frames.
func mostCandidates(n, bytes int) int {
	return max(2*n, min(maxCandidates, candidateBytes/max(1, bytes)))
}

// add offers the next frame; free takes those that are not kept.
func (c *candidates) add(f packet, free func(packet)) {
	c.stride = max(1, c.stride)
	n := c.seen
	c.seen++
	if n%c.stride != 0 {
		free(f)
		return
	}
	c.frames = append(c.frames, f)
	if len(c.frames) > c.most {
		c.thin(free)
	}
}

// thin drops every second frame, keeping the first.
func (c *candidates) thin(free func(packet)) {
	kept := c.frames[:0]
	for i, f := range c.frames {
		if i%2 == 0 {
			kept = append(kept, f)
		} else {
			free(f)
		}
	}
	clear(c.frames[len(kept):])
	c.frames, c.stride = kept, 2*c.stride
}

// uniform returns for each of n equal segments of [start, end) the candidate
// nearest to its middle, as indices into frames, which must not be empty.
func (c *candidates) uniform(n int, start, end int64) []int {
	picked := make([]int, n)
	for i := range picked {
		middle := float64(start) + (float64(i)+0.5)/float64(n)*float64(end-start)
		picked[i] = c.nearest(middle)
	}
	return picked
}

// nearest is the candidate nearest to a time.
func (c *candidates) nearest(at float64) int {
	best := 0
	for i, f := range c.frames {
		if math.Abs(float64(f.at)-at) < math.Abs(float64(c.frames[best].at)-at) {
			best = i
		}
	}
	return best
}

// maxMeasured bounds how many candidates for the key frame are looked at, and
// sharpnessStep is the distance of the pixels at which they are: eight of 57,000
// pixels each, of 720p, are enough to avoid a blink or a blur.
const (
	maxMeasured   = 8
	sharpnessStep = 4
)

// key returns the sharpest candidate in the middle third of [start, end), or
// else the one nearest to the middle, as an index into frames, which must not be
// empty and have size s.
func (c *candidates) key(start, end int64, s size) int {
	var middle []int
	for i, f := range c.frames {
		if third := 3 * (f.at - start); third >= end-start && third < 2*(end-start) {
			middle = append(middle, i)
		}
	}
	if len(middle) == 0 {
		return c.nearest(float64(start+end) / 2)
	}
	n := min(len(middle), maxMeasured)
	best, sharpest := 0, -1.
	for k := range n {
		i := middle[k*len(middle)/n]
		if sharp := measure.Sharpness(c.frames[i].data[:s.w*s.h], s.w, s.h, sharpnessStep); sharp > sharpest {
			best, sharpest = i, sharp
		}
	}
	return best
}

// grid is a rate in Hz at which frames are looked at: the first frame in each
// period is of the grid. 0 takes every frame.
type grid int

// motionGrid is the grid whose frames are compared for a clip's motion, so that
// the measure does not depend on how many frames are asked for.
const motionGrid grid = 10

// stillsGrid leaves of clips that last at least shortest seconds enough to
// choose n uniform frames from: at 10 Hz, eight of a second are different ones if
// the source has two frames for each, and lie at most 1/10 s from the frame nearest
// to where they are asked, mostly 1/20 s. Clips have four frames of it at least, since a period and up to a frame pass before the next
// one, and a given span is up to a frame shorter than it says.
func stillsGrid(n int, shortest float64) grid {
	const most = 1000 // Hz: above all cameras'
	hz := math.Ceil(max(1.25*float64(n), 4) / shortest)
	if !(hz < most) {
		return 0
	}
	// A multiple, so that the frames of motionGrid are always among its own.
	return motionGrid * grid(math.Ceil(max(1, hz/float64(motionGrid))))
}

// picker tells which frames are of a grid, as they come.
type picker struct {
	grid grid
	last float64 // period of the last one
	any  bool
}

// takes tells whether the frame at a time in seconds is of the grid.
func (p *picker) takes(seconds float64) bool {
	period := math.Floor(seconds * float64(p.grid))
	if p.any && period <= p.last && p.grid > 0 {
		return false
	}
	p.last, p.any = period, true
	return true
}
