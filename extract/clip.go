package extract

import (
	"math"

	"micodata/dataset"
	"micodata/internal/ffmpeg"
	"micodata/internal/measure"
)

// openEnd is the end of a clip whose end is not yet known.
const openEnd = math.MaxInt64

// fate is what becomes of a clip.
type fate int

const (
	alive fate = iota
	short      // not kept: its row says so
	long       // split and cut by another pass
	again      // could not be copied: encoded by another pass
)

// A clip is one span while its parts come together. Times are in ticks of the
// source's clock.
type clip struct {
	number     int   // among the source's clips
	start, end int64 // a given span's start is the first frame's from that on
	fate       fate
	row        dataset.Clip

	passed [feeds]bool // the feed has gone past the end
	begun  bool        // it has a frame
	times  []int64     // of its frames, where it may have to be split or copied

	// The video's way to the encoder: frames wait in held until it is known that
	// the clip is not too short, and whether it can be copied.
	held      []packet
	heldBytes int
	slot      int64 // place on the encoder's clock; 0 while there is none
	isCopied  bool  // its video does not go to the encoder
	isTorn    bool  // the decoder ended before it had given all its frames
	sent      int64 // samples of its sound that have gone there

	stills candidates
	looked picker // of stills, where the feed has every frame
	moved  picker
	motion measure.Motion

	// What comes back.
	frames   []coded  // video packets in decoding order
	packets  []coded  // AAC packets, the first of them the one before the start
	hasVideo bool     // frames are complete
	hasAudio bool     // packets are complete
	isAsked  bool     // for its JPEGs
	image    []byte   // JPEG
	smalls   [][]byte // JPEGs as they came
	order    []int    // for each uniform frame, which of smalls it is
	frameAt  []float64
}

// afresh is the clip before any of its frames has come.
func (c *clip) afresh() *clip {
	return &clip{number: c.number, start: c.start, end: c.end,
		row: dataset.Clip{ClipID: c.row.ClipID, Start: c.row.Start, End: c.row.End, Text: c.row.Text}}
}

// isComplete tells that nothing more is to come for the clip, which is made in
// the given lanes.
func (c *clip) isComplete(job *encodeJob) bool {
	return c.isAsked && (c.hasVideo || !job.has(videoLane)) && (c.hasAudio || !job.has(audioLane)) &&
		c.image != nil && len(c.smalls) == len(c.frameAt)
}

// clock is the number of ticks a second in which times of pictures are counted.
type clock int64

// maxClock is the finest clock, in ticks a second.
const maxClock = 1e6

// clockOf is the coarsest clock finer than 48 kHz that holds the times of a
// source exactly: it is what ffmpeg's NUT muxer would choose. Times finer than
// 1 us are rounded to that, since MP4 has 32 bits for the length of a clip.
func clockOf(base ffmpeg.Rational) clock {
	c := clock(base.Den)
	switch {
	case c <= 0:
		return 90000 // unknown: the clock of broadcasts
	case c > maxClock:
		return maxClock
	}
	for c < 48000 {
		c *= 2
	}
	return c
}

func (c clock) seconds(ticks int64) float64 { return float64(ticks) / float64(c) }

// ticks is the first tick at or after a time, so that a frame is at or after the
// time exactly if it is at or after the tick. Times come from decimals or went
// through float64: what lies within a thousandth of a tick of a tick is meant to
// be that tick.
func (c clock) ticks(seconds float64) int64 {
	t := seconds * float64(c)
	if r := math.Round(t); math.Abs(t-r) < 1e-3 {
		return int64(r)
	}
	return int64(math.Ceil(t))
}
