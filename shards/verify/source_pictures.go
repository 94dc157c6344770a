package verify

import "fmt"

// picture is a picture of the tuple: a frame of its video, or a still.
type picture struct {
	what string
	time float64 // from the clip's start, seconds
	k    int     // frame of the clip that it shows
	// One of both: of a still, or of a frame.
	still *thumb
	frame *grayThumb
	// off tells how unlike it is to the source's frames k-reach to k+reach; 0
	// where there is none, or nothing can be said: see [unlike].
	off [2*reach + 1]float32
}

// unlike compares it with a frame of the source.
func (p *picture) unlike(frame *grayThumb) float64 {
	if p.still != nil {
		return unlike(p.still, frame)
	}
	return unlike(p.frame, frame)
}

func (p *picture) variance() float64 {
	if p.still != nil {
		return variance(p.still)
	}
	return variance(p.frame)
}

// reach is with how many frames before and after its own a picture is compared.
const reach = 12

// A picture shows another frame of the source than that of its time if it is at
// most half as unlike to it. Stills are taken one by one: encoded as usual, they
// are within 0.002 of their own frame, and another is never below 0.94 times as
// far. Frames of the video are taken by runs: where bits are short, an encoder
// repeats much of the frame before, or of the next. Measured on film, of the run
// that fits another place best: at CRF 23 none does, at CRF 40 and at 90 lines
// another is 0.72 times as far and more. A shift by one frame makes it 0.4 and
// less, mostly 0.02, where anything moves.
const (
	otherFrame = 0.5
	runFrames  = 12
	shortRun   = 3 // of a clip that has fewer, nothing is said
)

// coarseRunUnlike is what encoders may do to a run of frames at their worst.
const coarseRunUnlike = 0.5

// picturesDiffer compares the tuple's pictures with the source's frames of their
// times.
func (s *span) picturesDiffer() (found []difference) {
	var frames []*picture
	for _, p := range s.order {
		if p.what == "video" {
			frames = append(frames, p)
		} else if d := s.stillDiffers(p); d != "" {
			found = append(found, difference{p.what, d})
		}
	}
	if d := s.runDiffers(frames); d != "" {
		found = append(found, difference{"video", d})
	}
	return found
}

func (s *span) stillDiffers(p *picture) string {
	own := float64(p.off[reach])
	if lag, least := bestLag([]*picture{p}); least < otherFrame {
		return fmt.Sprintf("at %v s, shows the source's frame %s of %.4f s", p.time, later(lag), s.start+p.time)
	}
	if own > mostUnlike(p.variance(), s.isSmall) {
		return fmt.Sprintf("does not show the source's frame of %.4f s (%.2f unlike)", s.start+p.time, own)
	}
	return ""
}

// runDiffers looks for the run of frames that fits another place in the source
// best.
func (s *span) runDiffers(frames []*picture) string {
	n := min(runFrames, len(frames))
	if n < shortRun {
		return ""
	}
	least, at, lag := otherFrame, -1, 0
	for i := range len(frames) - n + 1 {
		if l, r := bestLag(frames[i : i+n]); r < least {
			least, at, lag = r, i, l
		}
		var own, most float64
		for _, p := range frames[i : i+n] {
			own += float64(p.off[reach]) / float64(n)
			most += mostUnlike(p.variance(), false) / float64(n)
		}
		if s.isCoarse {
			most = coarseRunUnlike
		}
		if own > most {
			return fmt.Sprintf("frames %d to %d do not show the source's from %.4f s on (%.2f unlike)", i, i+n-1, s.start+frames[i].time, own)
		}
	}
	if at < 0 {
		return ""
	}
	return fmt.Sprintf("frames %d to %d show those of the source %s of %.4f s and on", at, at+n-1, later(lag), s.start+frames[at].time)
}

func later(lag int) string {
	if lag < 0 {
		return fmt.Sprintf("%d before that", -lag)
	}
	return fmt.Sprintf("%d after that", lag)
}

// bestLag is by how many frames pictures are to be moved to be most like the
// source's, and how unlike they are then, as a share of what they are at their
// own places; 1 if nothing moves enough to tell. Lags for which most of them
// have no frame do not count.
func bestLag(pictures []*picture) (best int, least float64) {
	least = 1
	for lag := -reach; lag <= reach; lag++ {
		var own, moved float64
		n := 0
		for _, p := range pictures {
			if p.off[reach] > 0 && p.off[reach+lag] > 0 {
				own, moved, n = own+float64(p.off[reach]), moved+float64(p.off[reach+lag]), n+1
			}
		}
		if 5*n >= 4*len(pictures) && own-moved > noise*float64(n) && moved < least*own {
			best, least = lag, moved/own
		}
	}
	return best, least
}
