package extract

import (
	"context"
	"math"

	"micodata/dataset"
	"micodata/internal/measure"
)

// isSent tells whether the frames of a clip go to the encoder as they come.
func (p *pass) isSent(c *clip) bool { return c.slot != 0 && !c.isCopied }

// hold takes a frame of a clip's video. Its first one begins the clip, also if a
// given span starts between two frames or before there are any: whatever counts
// from the start, sound, stills and subtitles, counts from a frame.
func (p *pass) hold(c *clip, pk packet) {
	if !c.begun && p.cuts == nil {
		c.start, c.row.Start = pk.at, p.m.clock.seconds(pk.at)
	}
	c.begun = true
	if p.cuts == nil && p.m.canCopy {
		c.times = append(c.times, pk.at)
	}
	switch {
	case p.m.mode == ClipNone || c.isCopied:
		p.free(pk)
	case p.isSent(c):
		p.sendFrame(c, pk)
	default:
		c.held = append(c.held, pk)
		c.heldBytes += len(pk.data)
		p.decideVideo(c)
	}
}

// decideVideo lets go of the frames that a clip holds back as soon as it is known
// where they go: nowhere if its video is copied, else to the encoder once it is
// not too short. Frames that take too much memory are encoded on the chance.
func (p *pass) decideVideo(c *clip) {
	if len(c.held) == 0 {
		return
	}
	if p.m.canCopy {
		first, isKnown := p.coded.start(c.start, p.ended[copied])
		if !isKnown {
			return
		}
		if first >= 0 {
			c.isCopied = true
			p.release(c)
			p.place(c)
			return
		}
	}
	last := c.held[len(c.held)-1].at
	if c.end == openEnd && last-c.start < p.cuts.min && c.heldBytes <= maxHeld {
		return
	}
	p.place(c)
	for _, pk := range c.held {
		p.sendFrame(c, pk)
	}
	c.held = nil
}

// place gives a clip its place on the encoder's clock.
func (p *pass) place(c *clip) {
	p.lastSlot++
	c.slot = p.lastSlot
	p.back.expect(c)
}

// release frees the frames that a clip holds back.
func (p *pass) release(c *clip) {
	for _, pk := range c.held {
		p.free(pk)
	}
	c.held = nil
}

// sendFrame sends a frame to the encoder.
func (p *pass) sendFrame(c *clip, pk packet) {
	at := c.slot*p.job.slot*int64(p.m.clock) + pk.at - c.start
	p.out = append(p.out, message{lane: videoLane, at: at, data: pk.data, unread: pk.unread, done: clips})
}

// Sound goes to the encoder in whole AAC frames, each clip's followed by at
// least two frames of silence: a window of AAC spans two frames, so that nothing
// of a clip is heard in the next.
const (
	aacFrame    = 1024
	aacSilence  = 2 * aacFrame
	soundAtOnce = 1 << 14 // samples in a message
)

// sendSound sends what there is of the sound of clips, in their order.
func (p *pass) sendSound() {
	if !p.m.has(native) {
		return
	}
	for p.heard < len(p.clips) {
		c := p.clips[p.heard]
		if c.fate == alive && !(c.passed[clips] && !c.begun) && !p.sendSoundOf(c) {
			break
		}
		if c.sent > 0 {
			p.sendSilence(c)
		}
		p.heard++
	}
	needed := sampleAt(p.native.rate, p.m.clock.seconds(p.known))
	if p.known == math.MaxInt64 {
		needed = math.MaxInt64
	}
	if p.heard < len(p.clips) {
		c := p.clips[p.heard]
		needed = min(needed, sampleAt(p.native.rate, p.m.clock.seconds(c.start))+c.sent)
	}
	p.native.forget(needed)
}

// sendSoundOf reports whether all of the clip's sound has been sent.
func (p *pass) sendSoundOf(c *clip) bool {
	if c.slot == 0 {
		return false
	}
	start := sampleAt(p.native.rate, p.m.clock.seconds(c.start))
	isClosed := c.end != openEnd
	end := sampleAt(p.native.rate, p.m.clock.seconds(min(c.end, p.known)))
	if isClosed {
		start, end = sampleAt(p.native.rate, c.row.Start), sampleAt(p.native.rate, c.row.End)
	}
	until := min(end, p.native.end())
	for start+c.sent < until {
		n := min(until-start-c.sent, soundAtOnce)
		if n < soundAtOnce && !isClosed {
			return false // more will come
		}
		p.sendPCM(c, p.native.slice(start+c.sent, start+c.sent+n))
	}
	return isClosed && start+c.sent >= end
}

// sendSilence ends a clip's sound, also of one that came to nothing.
func (p *pass) sendSilence(c *clip) {
	samples := aacSilence + (aacFrame-c.sent%aacFrame)%aacFrame
	p.sendPCM(c, make([]byte, samples*int64(p.native.frameBytes())))
}

func (p *pass) sendPCM(c *clip, data []byte) {
	at := c.slot*p.job.slot*int64(p.native.rate) + c.sent
	p.out = append(p.out, message{lane: audioLane, at: at, data: data, done: feeds})
	c.sent += int64(len(data) / p.native.frameBytes())
}

// finish asks for a clip's stills and makes what needs no encoder.
func (p *pass) finish(ctx context.Context, c *clip) error {
	if err := p.trim(c); err != nil {
		return p.giveUp(c, err)
	}
	if c.isTorn {
		return p.giveUp(c, dataset.Fail(dataset.Corrupt, "decoding ended before all its frames had come"))
	}
	if !c.begun {
		return p.giveUp(c, dataset.Fail(dataset.TooShort, "no frame of the source lies in it"))
	}
	if len(c.stills.frames) == 0 {
		return p.giveUp(c, dataset.Fail(dataset.TooShort, "no frame that is looked at lies in it"))
	}
	if p.m.has(native) && sampleAt(p.native.rate, c.row.End) <= sampleAt(p.native.rate, c.row.Start) {
		return p.giveUp(c, dataset.Fail(dataset.TooShort, "it is shorter than a sample of its sound"))
	}
	if c.isCopied && !p.coded.copyTo(c) {
		p.abandon(c, again)
		return p.done(c)
	}
	c.row.Motion = c.motion.Mean()
	if err := p.separateSound(ctx, c); err != nil {
		return p.giveUp(c, err)
	}
	p.askStills(c)
	c.isAsked = true
	return nil
}

// trim ends a given span where the source does.
func (p *pass) trim(c *clip) error {
	end := p.m.clock.seconds(p.pace.end())
	if p.cuts != nil || c.row.End <= end {
		return nil
	}
	until := p.m.duration
	if p.until > 0 {
		until = min(until, float64(p.until))
	}
	whole := p.m.promised(p.heardUntil(), until)
	promised := min(whole, until)
	if end < wholeShare*promised {
		return dataset.Fail(dataset.Corrupt, "decoding ended at %.3f s of %.3f s", end, whole)
	}
	// A span without a frame keeps the times given.
	if end = max(end, whole); c.begun && c.row.End > end {
		c.row.End, c.end = end, p.m.clock.ticks(end)
	}
	return nil
}

// askStills asks for a JPEG of the key frame and of each uniform frame, once for
// those that are there twice.
func (p *pass) askStills(c *clip) {
	key := c.stills.key(c.start, c.end, p.m.image)
	c.order = c.stills.uniform(p.job.settings.Frames, c.start, c.end)
	ask := func(l lane, f packet, done feed) {
		p.back.ask(c, l)
		p.out = append(p.out, message{lane: l, at: p.back.asked[l], data: f.data, done: done})
	}
	next := 0 // of order
	for i, f := range c.stills.frames {
		at := p.m.clock.seconds(f.at) - c.row.Start
		isUniform := next < len(c.order) && c.order[next] == i
		if i == key {
			c.row.ImageTime = at
			if isUniform {
				ask(imageLane, f, feeds) // it is still needed
			} else {
				ask(imageLane, f, stills)
			}
		}
		for next < len(c.order) && c.order[next] == i {
			c.order[next] = len(c.frameAt)
			next++
		}
		switch {
		case isUniform:
			c.frameAt = append(c.frameAt, at)
			ask(smallLane, f, stills)
		case i != key:
			p.free(f)
		}
	}
	c.stills = candidates{}
}

// giveUp makes a clip's row a failed one. An error that is not the clip's ends
// the run.
func (p *pass) giveUp(c *clip, err error) error {
	if _, ok := dataset.AsItem(err); !ok {
		return err
	}
	p.abandon(c, short)
	c.row.Outcome = dataset.OutcomeOf(dataset.Failed, err)
	return p.done(c)
}

// separateSound cuts the clip's sound out of the source's.
func (p *pass) separateSound(ctx context.Context, c *clip) error {
	c.row.Silence = 1
	if p.m.audio == nil {
		return nil
	}
	if p.sound.next() == math.MinInt64 {
		c.row.Errors = append(c.row.Errors, dataset.StageError{Stage: dataset.StageExtract + "/audio", Class: dataset.Corrupt, Error: "its sound could not be decoded"})
		return nil
	}
	start := sampleAt(p.sound.rate, c.row.Start)
	samples := sampleAt(p.sound.rate, c.row.End-c.row.Start)
	data := p.sound.slice(start, start+samples)
	silence := measure.NewSilence(p.sound.rate, p.sound.channels)
	_, _ = silence.Write(data) // it never fails
	c.row.Silence = silence.Share()
	var err error
	c.row.Audio.Bytes, err = encodeSound(ctx, p.env.Tools, p.env.TempDir, p.job.settings.AudioFormat, data, p.sound.rate, p.sound.channels)
	c.row.AudioRate, c.row.AudioChannels = int32(p.sound.rate), int32(p.sound.channels)
	return err
}
