package extract

import (
	"math"
	"time"

	"micodata/dataset"
	"micodata/extract/scenecut"
)

// A cutter finds where clips begin while the frames come.
type cutter struct {
	scorer   *scenecut.Scorer   // by content, else nil
	detector *scenecut.Detector // by content, else nil
	every    time.Duration      // at fixed intervals, else 0
	min, max int64              // bounds of a clip's length in ticks
	minimum  time.Duration      // min, for people

	seen        int   // frames
	first, last int64 // time of the first frame, and of the last so far
	numbered    int   // clips that have a number
}

func newCutter(s Settings, m *media) *cutter {
	t := m.clock
	c := &cutter{min: t.ticks(s.MinClip.Seconds()), max: t.ticks(s.MaxClip.Seconds()), minimum: s.MinClip}
	if m.plan != nil {
		c.scorer = scenecut.NewScorer(*m.plan)
		c.detector = scenecut.NewDetector(s.CutThreshold, s.CutMinFrames)
	} else {
		c.every = s.cutEvery()
	}
	return c
}

// startsClip takes the next frame and tells whether a clip starts at it.
func (c *cutter) startsClip(pk packet, t clock) bool {
	before := c.last
	if c.seen == 0 {
		c.first = pk.at
	}
	c.seen++
	c.last = pk.at
	isCut := false
	if c.detector != nil {
		isCut = c.detector.Push(c.scorer.Score(pk.data))
	} else if c.every > 0 {
		period := func(at int64) float64 { return math.Floor(t.seconds(at-c.first)/c.every.Seconds() + 1e-9) }
		isCut = period(pk.at) > period(before)
	}
	return isCut || c.seen == 1
}

// cut takes the next frame of the feed that decides.
func (p *pass) cut(pk packet) error {
	var open *clip
	if len(p.clips) > 0 {
		open = p.clips[len(p.clips)-1]
	}
	if p.cuts.startsClip(pk, p.m.clock) {
		if open != nil {
			if err := p.closeClip(open, pk.at); err != nil {
				return err
			}
		}
		open = &clip{start: pk.at, end: openEnd}
		p.prepare(open)
		p.clips = append(p.clips, open)
	}
	open.times = append(open.times, pk.at)
	if open.fate == alive && pk.at-open.start >= p.cuts.max {
		p.abandon(open, long) // it goes on beyond this frame
	}
	return nil
}

// closeClip ends the open clip and gives it its number; a long one has as many
// as it will be split into.
func (p *pass) closeClip(c *clip, end int64) error {
	c.end = end
	c.number = p.cuts.numbered
	c.row.Start, c.row.End = p.m.clock.seconds(c.start), p.m.clock.seconds(end)
	switch length := end - c.start; {
	case length > p.cuts.max:
		p.abandon(c, long)
		p.cuts.numbered += pieces(length, p.cuts.max)
		return p.done(c)
	case length < p.cuts.min:
		p.abandon(c, short)
		p.cuts.numbered++
		c.row.Outcome = dataset.OutcomeOf(dataset.Skipped, dataset.Fail(dataset.TooShort,
			"%.3f s, shorter than min_clip, %v", p.m.clock.seconds(length), p.cuts.minimum))
		return p.done(c)
	}
	p.cuts.numbered++
	if !p.m.canCopy {
		c.times = nil
	}
	p.decideVideo(c)
	return nil
}

// pieces is into how many equal parts a length is cut to have none above longest.
func pieces(length, longest int64) int { return int((length + longest - 1) / longest) }

// abandon lets go of what a clip has gathered.
func (p *pass) abandon(c *clip, f fate) {
	c.fate = f
	p.release(c)
	for _, pk := range c.stills.frames {
		p.free(pk)
	}
	c.stills = candidates{}
	p.back.drop(c)
}

// split cuts a long clip evenly, at the frames nearest after equal parts.
func (c *clip) split(longest int64) []*clip {
	n := pieces(c.end-c.start, longest)
	var parts []*clip
	start, at := c.start, 0
	for i := 1; i <= n; i++ {
		end := c.end
		if i < n {
			ideal := c.start + (c.end-c.start)*int64(i)/int64(n)
			for at < len(c.times) && c.times[at] < ideal {
				at++
			}
			if at < len(c.times) {
				end = c.times[at]
			}
		}
		parts = append(parts, &clip{number: c.number + i - 1, start: start, end: end})
		start = end
	}
	return parts
}
