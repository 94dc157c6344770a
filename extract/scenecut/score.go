package scenecut

import "fmt"

// A Scorer computes the score of each frame of one video from the taps that ffmpeg picks. It allocates nothing per frame.
// Not safe for concurrent use.
type Scorer struct {
	plan Plan
	yuv  *yuvTables // nil for the bgr24 feed
	hsv  *hsvTables

	rows     [2][]pixel // taps above and below of one row of cells
	cells    []pixel    // one row of cells
	last     []byte     // H, S, V of each cell of the frame before
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
	}
	s.rows = [2][]pixel{make([]pixel, width), make([]pixel, width)}
	s.cells = make([]pixel, p.x.out)
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
		cells := s.cellRow(taps, row)
		part := s.diffRow(cells, s.last[3*row*len(cells):3*(row+1)*len(cells)])
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

// cellRow returns one row of the small picture, valid until the next call.
func (s *Scorer) cellRow(taps []byte, row int) []pixel {
	if s.plan.y.taps() == 1 {
		return s.tapRow(s.rows[0], taps, row)
	}
	top := s.tapRow(s.rows[0], taps, 2*row)
	bottom := s.tapRow(s.rows[1], taps, 2*row+1)
	blendRow(s.cells, top, bottom, s.plan.x.weight, s.plan.y.weight[2*row], s.plan.y.weight[2*row+1])
	return s.cells
}

// tapRow reads one row of taps into dst and returns it.
func (s *Scorer) tapRow(dst []pixel, taps []byte, row int) []pixel {
	width, height := s.plan.MapSize()
	if s.yuv == nil {
		unpackRow(dst, taps[3*width*row:3*width*(row+1)])
		return dst
	}
	plane := func(i int) []byte {
		at := (i*height + row) * width
		return taps[at : at+width]
	}
	s.yuv.convertRow(dst, plane(0), plane(1), plane(2))
	return dst
}

// diffRow converts a row of cells to HSV, adds up the absolute change of each channel against last, and stores the row
// there.
func (s *Scorer) diffRow(cells []pixel, last []byte) (sum [3]int) {
	t := s.hsv
	var dh, ds, dv int32
	for i, cell := range cells {
		was := last[3*i : 3*i+3 : 3*i+3]
		h, sat, v := t.hsv(cell.bgr())
		dh += abs(h - int32(was[0]))
		ds += abs(sat - int32(was[1]))
		dv += abs(v - int32(was[2]))
		was[0], was[1], was[2] = byte(h), byte(sat), byte(v)
	}
	return [3]int{int(dh), int(ds), int(dv)}
}

func abs(x int32) int32 {
	mask := x >> 31
	return (x ^ mask) - mask
}
