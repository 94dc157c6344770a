package verify

import (
	"fmt"
	"math"
	"slices"

	"micodata/shards"
)

// A span is the comparison of a tuple with the stretch of its source. Frames of
// the source are compared as they come and not kept, so that memory does not
// grow with them.
type span struct {
	start, end float64
	fps        float64
	clip       *clipMedia
	isSmall    bool // the source's pictures are
	isCoarse   bool // the clip is of poor quality, or small
	isSilent   bool // the column audio is null, and status says why

	times    []float64          // of the source's frames in the span, from start on
	last     []grayThumb        // frames up to the one that is taken, at most reach before it
	after    int                // frames after the span
	pictures map[int][]*picture // by the frame of the span that they show
	timed    []*picture         // stills of a tuple without video whose frame has not come yet
	order    []*picture
	sound    soundtrack
}

// sourceSlack is by how much a frame's time may differ from the source's, in
// seconds: clocks of MP4 have ticks of 21 us or less, and of frames with equal
// times each is a tick later.
const sourceSlack = 0.0001

func newSpan(t *shards.Tuple, clip *clipMedia, stills []still) *span {
	s := &span{start: t.Start, end: t.End, fps: t.FPS, clip: clip, isSilent: isMissing(t, "audio"), pictures: map[int][]*picture{}}
	s.sound.samples = make([]float32, len(clip.stored))
	for i := range clip.thumbs {
		s.addPicture(&picture{what: "video", time: clip.times[i], k: i, frame: &clip.thumbs[i]})
	}
	for i := range stills {
		p := &picture{what: stills[i].what, time: stills[i].time, still: &stills[i].luma}
		if clip.video == nil {
			s.timed = append(s.timed, p)
		} else if len(clip.times) > 0 {
			p.k = nearest(clip.times, p.time)
			s.addPicture(p)
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
	if len(gray) != thumbSize || s.after == reach {
		return
	}
	frame := grayThumb(gray)
	if s.last = append(s.last, frame); len(s.last) > reach+1 {
		s.last = s.last[1:]
	}
	if at < s.start-sourceSlack {
		return
	}
	n := len(s.times) + s.after
	if s.place(n, at-s.start) || n == 0 {
		for i := range s.last { // this one is among them
			s.compare(n-len(s.last)+1+i, &s.last[i])
		}
	} else {
		s.compare(n, &frame)
	}
	if at < s.end+sourceSlack {
		s.times = append(s.times, at-s.start)
	} else {
		s.after++
	}
}

// place finds the stills whose frame, n, the source has come to.
func (s *span) place(n int, time float64) bool {
	before := len(s.timed)
	s.timed = slices.DeleteFunc(s.timed, func(p *picture) bool {
		isIt := math.Abs(p.time-time) <= sourceSlack
		if isIt {
			p.k = n
			s.addPicture(p)
		}
		return isIt
	})
	return len(s.timed) < before
}

// compare compares the source's frame n, from the first of the span on, with the
// pictures near it.
func (s *span) compare(n int, frame *grayThumb) {
	for lag := -reach; lag <= reach; lag++ {
		for _, p := range s.pictures[n-lag] {
			p.off[reach+lag] = float32(p.unlike(frame))
		}
	}
}

func (s *span) takeSound(at float64, data []byte) {
	s.sound.add(int64(math.Round((at-s.start)*soundRate)), data)
}

// problems are what of the tuple is not as in the source.
func (s *span) problems(src *source) (found []difference) {
	for _, p := range s.timed {
		found = append(found, difference{p.what, fmt.Sprintf("the source has no frame at %v s after %v s", p.time, s.start)})
	}
	if d := s.framesDiffer(); d != "" && s.clip.video != nil {
		found = append(found, difference{"video", d + "; the promise is the frames with start <= time < end"})
	} else {
		found = append(found, s.picturesDiffer()...)
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
	switch {
	case s.clip.audio == nil && (src.audio == nil || s.isSilent):
		return ""
	case s.clip.audio == nil:
		return "is null, the source has sound, and status does not say why"
	case src.audio == nil:
		return "the source has no sound, the column has"
	}
	rate := s.fps
	if s.clip.video == nil {
		rate = src.video.Video.AverageRate.Float()
	}
	return soundsDiffer(s.sound.samples, s.clip.stored, max(0.5/max(1, rate), float64(soundJitter)/soundRate)+timeSlack, "the source's sound")
}
