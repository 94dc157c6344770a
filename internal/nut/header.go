package nut

import (
	"math"
)

// frameCode is what one first byte of a frame stands for.
type frameCode struct {
	flags     uint64
	stream    int
	sizeMul   uint64
	sizeLSB   uint64
	ptsDelta  int64
	reserved  uint64
	headerIdx int
}

// mainHeader is the main header packet.
type mainHeader struct {
	streams   int
	timeBases []Rational
	codes     [256]frameCode
	elisions  [][]byte // what frames may leave out of their beginning; the first is empty
}

func parseMainHeader(payload []byte) (*mainHeader, error) {
	c := &cursor{rest: payload}
	h := &mainHeader{}
	version := c.v()
	switch version {
	case 3:
	case 4:
		c.v() // minor version
	default:
		c.fail("version %d", version)
	}
	h.streams = c.upTo(maxStreams, "stream count")
	if c.err == nil && h.streams == 0 {
		c.fail("no streams")
	}
	c.v() // max_distance is for resynchronisation
	for range c.upTo(maxStreams, "time base count") {
		num, den := c.upTo(math.MaxInt32, "time base"), c.upTo(math.MaxInt32, "time base")
		if c.err == nil && (num == 0 || den == 0) {
			c.fail("time base %d/%d", num, den)
		}
		h.timeBases = append(h.timeBases, Rational{int64(num), int64(den)})
	}
	h.parseCodes(c)
	h.elisions = [][]byte{nil}
	if len(c.rest) > 0 {
		for range c.upTo(maxElisions-1, "elision header count") {
			h.elisions = append(h.elisions, c.bytes(c.upTo(largePacket, "elision header size")))
		}
	}
	return h, c.err
}

// parseCodes reads the table of frame codes, run by run. A field left out of a
// run keeps its last value, or 0 for those that are never kept.
func (h *mainHeader) parseCodes(c *cursor) {
	run := frameCode{sizeMul: 1}
	for i := 0; i < len(h.codes) && c.err == nil; {
		run.flags = c.v()
		fields := c.upTo(maxHeaderBytes, "field count")
		run.sizeLSB, run.reserved = 0, 0
		if fields > 0 {
			run.ptsDelta = c.s()
		}
		if fields > 1 {
			run.sizeMul = uint64(c.upTo(math.MaxInt32, "size factor"))
		}
		if fields > 2 {
			run.stream = c.upTo(uint64(h.streams-1), "stream of a frame code")
		}
		if fields > 3 {
			run.sizeLSB = uint64(c.upTo(math.MaxInt32, "size of a frame code"))
		}
		if fields > 4 {
			run.reserved = c.v()
		}
		count := int(run.sizeMul) - int(run.sizeLSB)
		if fields > 5 {
			count = c.upTo(256, "frame code count")
		}
		if fields > 6 {
			c.s() // match_time_delta
		}
		if fields > 7 {
			run.headerIdx = c.upTo(maxElisions-1, "elision header")
		}
		for range fields - 8 {
			c.v()
			if c.err != nil {
				return
			}
		}
		i = h.fill(c, i, count, run)
	}
}

func (h *mainHeader) fill(c *cursor, i, count int, run frameCode) int {
	if count <= 0 {
		c.fail("frame code count %d", count)
	}
	for j := 0; j < count && c.err == nil; i++ {
		if i >= len(h.codes) {
			c.fail("more than 256 frame codes")
			break
		}
		if i == 'N' { // the first byte of start codes
			h.codes[i].flags = flagInvalid
			continue
		}
		h.codes[i] = run
		h.codes[i].sizeLSB += uint64(j)
		j++
	}
	if i == 'N' {
		h.codes[i].flags = flagInvalid
		i++
	}
	return i
}

// streamState is what reading frames needs to know of a stream.
type streamState struct {
	msbShift uint
	lastPTS  int64
	timeBase Rational
}

func (h *mainHeader) parseStream(payload []byte) (id int, s Stream, state streamState, err error) {
	c := &cursor{rest: payload}
	id = c.upTo(uint64(h.streams-1), "stream number")
	s.Class = Class(c.upTo(uint64(ClassData), "stream class"))
	s.FourCC = string(c.bytes(c.upTo(4, "size of a codec's name")))
	if base := c.upTo(uint64(max(len(h.timeBases), 1)-1), "time base number"); base < len(h.timeBases) {
		s.TimeBase = h.timeBases[base]
	} else {
		c.fail("no time bases")
	}
	state = streamState{msbShift: uint(c.upTo(15, "msb_pts_shift")), timeBase: s.TimeBase}
	c.v() // max_pts_distance
	s.DecodeDelay = c.upTo(1000, "decode delay")
	c.v() // stream flags
	if n := c.upTo(maxHeaderBytes, "size of codec data"); n > 0 {
		s.CodecData = c.bytes(n)
	}
	switch s.Class {
	case ClassVideo:
		s.Width = c.upTo(math.MaxInt32, "width")
		s.Height = c.upTo(math.MaxInt32, "height")
		s.SampleAspect.Num = int64(c.upTo(math.MaxInt32, "sample aspect"))
		s.SampleAspect.Den = int64(c.upTo(math.MaxInt32, "sample aspect"))
		c.v() // colorspace_type
	case ClassAudio:
		s.SampleRate.Num = int64(c.upTo(math.MaxInt32, "sample rate"))
		s.SampleRate.Den = int64(c.upTo(math.MaxInt32, "sample rate"))
		s.Channels = c.upTo(math.MaxInt16, "channel count")
	case ClassSubtitle, ClassData:
	}
	return id, s, state, c.err
}
