package extract

import (
	"math"

	"micodata/extract/measure"
)

// uniform keeps candidates for a clip's uniform frames while its length is not
// yet known: frames of the fine grid, evenly thinned to at most maxUniform.
type uniform struct {
	frames []packet
	stride int // of the frames offered, every stride-th is kept
	seen   int
}

// maxUniform bounds the candidates of an open clip: in a clip of a minute they
// lie at most 0.7 s apart; at 682x384, 128 of them are 50 MB.
const maxUniform = 128

// add offers the next frame; free takes those that are not kept.
func (u *uniform) add(f packet, free func(packet)) {
	u.stride = max(1, u.stride)
	n := u.seen
	u.seen++
	if n%u.stride != 0 {
		free(f)
		return
	}
	u.frames = append(u.frames, f)
	if len(u.frames) > maxUniform {
		u.frames = thin(u.frames, free)
		u.stride *= 2
	}
}

// thin drops every second element, keeping the first.
func thin(frames []packet, free func(packet)) []packet {
	kept := frames[:0]
	for i, f := range frames {
		if i%2 == 0 {
			kept = append(kept, f)
		} else {
			free(f)
		}
	}
	clear(frames[len(kept):])
	return kept
}

// pick returns for each of n equal segments of [start, end) the candidate
// nearest to its middle, as indices into frames, which must not be empty.
func (u *uniform) pick(n int, start, end int64) []int {
	picked := make([]int, n)
	at := 0
	for i := range picked {
		middle := float64(start) + (float64(i)+0.5)/float64(n)*float64(end-start)
		off := func(k int) float64 { return math.Abs(float64(u.frames[k].at) - middle) }
		for at+1 < len(u.frames) && off(at+1) < off(at) {
			at++
		}
		picked[i] = at
	}
	return picked
}

// keyFrames keeps candidates for a clip's key frame, which is to be sharp and of
// the middle third, while the clip's length is not yet known.
type keyFrames struct {
	frames []keyFrame
	stride int
	seen   int
}

type keyFrame struct {
	packet
	sharpness float64
}

// maxKeyFrames bounds the candidates; at 1280x720, 16 of them are 22 MB.
const maxKeyFrames = 16

// sharpnessStep is the distance of the pixels at which candidates are measured:
// 57,000 of a 720p picture, enough to tell a blurred one.
const sharpnessStep = 4

// add offers the next frame of a clip that began at start.
func (k *keyFrames) add(f packet, start int64, s size, free func(packet)) {
	k.stride = max(1, k.stride)
	n := k.seen
	k.seen++
	// What lies before the first third of what has been seen lies there for
	// ever; but one candidate stays, for clips with nothing in their middle.
	third, middle := start+(f.at-start)/3, start+(f.at-start)/2
	for len(k.frames) > 1 && k.frames[0].at < third && k.frames[1].at <= middle {
		free(k.frames[0].packet)
		k.frames = append(k.frames[:0], k.frames[1:]...)
	}
	if n%k.stride != 0 {
		free(f)
		return
	}
	luma := f.data[:s.w*s.h]
	k.frames = append(k.frames, keyFrame{packet: f, sharpness: measure.Sharpness(luma, s.w, s.h, sharpnessStep)})
	if len(k.frames) > maxKeyFrames {
		kept := k.frames[:0]
		for i, c := range k.frames {
			if i%2 == 0 {
				kept = append(kept, c)
			} else {
				free(c.packet)
			}
		}
		clear(k.frames[len(kept):])
		k.frames, k.stride = kept, 2*k.stride
	}
}

// pick returns the sharpest of the middle third of [start, end), or else the
// candidate nearest to the middle, as an index into frames, which must not be
// empty.
func (k *keyFrames) pick(start, end int64) int {
	length := float64(end - start)
	place := func(i int) float64 { return float64(k.frames[i].at-start) / length }
	sharpest, nearest := -1, 0
	for i, f := range k.frames {
		if math.Abs(place(i)-0.5) < math.Abs(place(nearest)-0.5) {
			nearest = i
		}
		if p := place(i); p >= 1./3 && p < 2./3 && (sharpest < 0 || f.sharpness > k.frames[sharpest].sharpness) {
			sharpest = i
		}
	}
	if sharpest >= 0 {
		return sharpest
	}
	return nearest
}
