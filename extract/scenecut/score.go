package scenecut

import "fmt"

// A Scorer computes the score of each frame of one video from the taps that ffmpeg picks. It allocates nothing per frame.
// Not safe for concurrent use.
type Scorer struct {
	plan Plan
	yuv  *yuvTables // nil for the bgr24 feed
	hsv  *hsvTables

	rows     [2][]byte // BGR of one or two rows of taps
	cells    []byte    // BGR of one row of cells
	last     []byte    // H, S, V of each cell of the frame before
	started  bool
	lumaDiff float64
}

// NewScorer returns a Scorer for a video whose frames come by plan p.
func NewScorer(p Plan) *Scorer {
	s := &Scorer{plan: p, hsv: newHSVTables()}
	width, _ := p.MapSize()
	if p.feed != feedBGR {
		c := limitedRange
		if p.feed == feedYUVFull {
			c = fullRange
		}
		s.yuv = newYUVTables(c)
		s.rows = [2][]byte{make([]byte, 3*width), make([]byte, 3*width)}
	}
	s.cells = make([]byte, 3*p.x.out)
	s.last = make([]byte, 3*p.x.out*p.y.out)
	return s
}

// Score takes the next frame, [Plan.FrameBytes] bytes as the plan's filter puts them out, and returns the reference's
// content_val: the mean over cells of |dH|, |dS| and |dV| against the frame before, averaged over the three. The first
// frame scores 0. It panics if taps has another length.
func (s *Scorer) Score(taps []byte) float64 {
	if len(taps) != s.plan.FrameBytes() {
		panic(fmt.Sprintf("scenecut: frame of %d bytes, plan has %d", len(taps), s.plan.FrameBytes()))
	}
	var sum [3]int
	for row := range s.plan.y.out {
		bgr := s.cellRow(taps, row)
		part := s.diffRow(bgr, s.last[row*len(bgr):(row+1)*len(bgr)])
		for c := range sum {
			sum[c] += part[c]
		}
	}
	if !s.started {
		s.started = true
		return 0
	}
	// The order of these operations is the reference's, so that the float64 is too.
	n := float64(s.plan.x.out * s.plan.y.out)
	hue, sat, val := float64(sum[0])/n, float64(sum[1])/n, float64(sum[2])/n
	s.lumaDiff = val / 255
	return (hue + sat + val) / 3
}

// LumaDiff returns the mean |dV| of the last scored frame, 0..1 (V is max(R, G, B)); 0 after the first frame.
func (s *Scorer) LumaDiff() float64 {
	return s.lumaDiff
}

// cellRow returns the BGR cells of one row of the small picture, valid until the next call.
func (s *Scorer) cellRow(taps []byte, row int) []byte {
	if s.plan.y.taps() == 1 {
		return s.tapRow(taps, row, 0)
	}
	top := s.tapRow(taps, 2*row, 0)
	bottom := s.tapRow(taps, 2*row+1, 1)
	resizeRow(s.cells, top, bottom, s.plan.x.weight, s.plan.y.weight[2*row], s.plan.y.weight[2*row+1])
	return s.cells
}

// tapRow returns one row of taps as BGR: a view of taps, or the conversion in the given row buffer.
func (s *Scorer) tapRow(taps []byte, row, buffer int) []byte {
	width, height := s.plan.MapSize()
	if s.yuv == nil {
		return taps[3*width*row : 3*width*(row+1)]
	}
	plane := func(i int) []byte {
		at := (i*height + row) * width
		return taps[at : at+width]
	}
	s.yuv.bgrRow(s.rows[buffer], plane(0), plane(1), plane(2))
	return s.rows[buffer]
}

// diffRow converts a row of BGR cells to HSV, adds up the absolute change of each channel against last, and stores the
// row there.
func (s *Scorer) diffRow(bgr, last []byte) (sum [3]int) {
	t := s.hsv
	var dh, ds, dv int32
	for len(bgr) >= 3 && len(last) >= 3 {
		h, sat, v := t.hsv(int32(bgr[0]), int32(bgr[1]), int32(bgr[2]))
		dh += abs(h - int32(last[0]))
		ds += abs(sat - int32(last[1]))
		dv += abs(v - int32(last[2]))
		last[0], last[1], last[2] = byte(h), byte(sat), byte(v)
		bgr, last = bgr[3:], last[3:]
	}
	return [3]int{int(dh), int(ds), int(dv)}
}

func abs(x int32) int32 {
	mask := x >> 31
	return (x ^ mask) - mask
}
