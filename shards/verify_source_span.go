package shards

import (
	"fmt"
	"math"
)

// A span is the comparison of a tuple with the stretch of its source. Frames of
// the source are compared as they come and not kept, so that memory does not
// grow with them.
type span struct {
	start, end float64
	fps        float64
	clip       *clipMedia

	times    []float64          // of the source's frames in the span, from start on
	before   []thumb            // the last frames before it, at most reach
	after    int                // frames after it
	pictures map[int][]*picture // by the frame of the clip that they show
	order    []*picture
	sound    soundtrack
}

// sourceSlack is by how much a frame's time may differ from the source's, in
// seconds: clocks of MP4 have ticks of 21 us or less, and of frames with equal
// times each is a tick later.
const sourceSlack = 0.0001

func newSpan(t *Tuple, clip *clipMedia, stills []still) *span {
	s := &span{start: t.Start, end: t.End, fps: t.FPS, clip: clip, pictures: map[int][]*picture{}}
	s.sound.samples = make([]float32, len(clip.stored))
	for i := range clip.thumbs {
		s.addPicture(&picture{what: "video", time: clip.times[i], k: i, luma: &clip.thumbs[i]})
	}
	for i := range stills {
		if len(clip.times) > 0 {
			s.addPicture(&picture{what: stills[i].what, time: stills[i].time, k: nearest(clip.times, stills[i].time), luma: &stills[i].luma})
		}
	}
	return s
}

func (s *span) addPicture(p *picture) {
	s.pictures[p.k] = append(s.pictures[p.k], p)
	s.order = append(s.order, p)
}

// takeFrame takes the next frame of the source and its time.
func (s *span) takeFrame(at float64, gray []byte) {
	if len(gray) != thumbW*thumbH || s.after == reach {
		return
	}
	var frame thumb
	for i, v := range gray {
		frame[i] = float32(v)
	}
	switch {
	case at < s.start-sourceSlack:
		if s.before = append(s.before, frame); len(s.before) > reach {
			s.before = s.before[1:]
		}
		return
	case len(s.times) == 0:
		for i := range s.before {
			s.compare(i-len(s.before), &s.before[i])
		}
	}
	if at < s.end+sourceSlack {
		s.times = append(s.times, at-s.start)
		s.compare(len(s.times)-1, &frame)
		return
	}
	s.compare(len(s.times)+s.after, &frame)
	s.after++
}

// compare compares the source's frame n, from the first of the span on, with the
// pictures near it.
func (s *span) compare(n int, frame *thumb) {
	for lag := -reach; lag <= reach; lag++ {
		for _, p := range s.pictures[n-lag] {
			p.off[reach+lag] = float32(unlike(p.luma, frame))
		}
	}
}

func (s *span) takeSound(at float64, data []byte) {
	s.sound.add(int64(math.Round((at-s.start)*soundRate)), data)
}

// problems are what of the tuple is not as in the source.
func (s *span) problems(src *source) (found []difference) {
	if d := s.framesDiffer(); d != "" {
		found = append(found, difference{"video", d + "; the promise is the frames with start <= time < end"})
	} else {
		found = s.picturesDiffer()
	}
	if d := s.soundDiffers(src); d != "" {
		found = append(found, difference{"audio", d})
	}
	return found
}

// framesDiffer compares the times of the clip's frames with the source's.
func (s *span) framesDiffer() string {
	have, want := s.clip.times, s.times
	if n := len(want); n == len(have)+1 && want[n-1] >= s.end-s.start-sourceSlack {
		want = want[:n-1] // it may be at the end, which is not in the span
	}
	if len(have) != len(want) {
		return fmt.Sprintf("%d frames, the source has %d from %v s to %v s", len(have), len(want), s.start, s.end)
	}
	for i := range have {
		if math.Abs(have[i]-want[i]) > sourceSlack {
			return fmt.Sprintf("frame %d is at %.4f s, the source's is %.4f s after start", i, have[i], want[i])
		}
	}
	return ""
}

// soundDiffers compares the column audio with the source's sound.
func (s *span) soundDiffers(src *source) string {
	if s.clip.audio == nil {
		return ""
	}
	if src.audio == nil {
		return "the source has no sound, the column has"
	}
	return soundsDiffer(s.sound.samples, s.clip.stored, max(0.5/max(1, s.fps), float64(soundJitter)/soundRate)+timeSlack, "the source's sound")
}
