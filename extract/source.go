package extract

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"micodata/dataset"
	"micodata/internal/ffmpeg"
	"micodata/internal/subtitle"
)

// extraction is the work on one source.
type extraction struct {
	env   *Env
	src   *dataset.Source
	place int // of the source in its part
	rows  *rows

	m      *media
	tracks []subtitle.Track
	pools  *pools

	numbered  int     // clips that have a number
	longs     []*clip // to be split
	again     []*clip // left to another pass
	copies    []*clip // whose video was copied
	decodeErr error   // the decoder's, of the first pass
	decoded   float64 // seconds, up to the end of the last frame
	heard     float64 // seconds, up to the end of the sound

	complained bool    // a decoder has
	lastEnd    float64 // of the clips that are ok, in seconds
	damage     damage
}

// run makes all rows of the source. Its error is one that ends the run.
func (e *extraction) run(ctx context.Context) error {
	err := e.extract(ctx)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		if _, ok := dataset.AsItem(err); !ok {
			return fmt.Errorf("extract %s: %w", e.src.URI, err)
		}
		status := dataset.Failed
		if e.src.Status == dataset.Skipped {
			status = dataset.Skipped
		}
		if err := e.fail(status, err); err != nil {
			return err
		}
	}
	return e.rows.end(e.place, &e.damage)
}

// fail gives a row to every clip that has a number and no row, and a row to the
// source if it has none at all. Where no frame's time is sure, no row stays.
func (e *extraction) fail(status string, err error) error {
	missing := e.rows.missing(e.place, e.numbered)
	if errors.Is(err, errUneven) {
		missing = nil
		for n := range e.numbered {
			missing = append(missing, n)
		}
	}
	if len(missing) == 0 {
		missing = []int{e.numbered}
	}
	for _, n := range missing {
		c := &clip{number: n}
		c.row.Outcome = dataset.OutcomeOf(status, err)
		if err := e.add(c); err != nil {
			return err
		}
	}
	return nil
}

// add hands a clip's row on.
func (e *extraction) add(c *clip) error {
	c.row.SourceID = e.src.ID
	c.row.Key = dataset.Key(e.src.ID, c.number)
	c.row.ClipID = cmp.Or(c.row.ClipID, c.row.Key)
	if c.row.Status == dataset.OK {
		e.lastEnd = max(e.lastEnd, c.row.End)
	}
	return e.rows.add(e.place, c.number, &c.row)
}

func (e *extraction) extract(ctx context.Context) error {
	if e.src.Status != dataset.OK {
		return &dataset.ItemError{Class: e.src.Class, Err: errors.New(e.src.Error)}
	}
	probe, err := readProbe(e.src.Probe)
	if err != nil {
		return err
	}
	path, remove, err := e.env.localMedia(ctx, e.src)
	if err != nil {
		return err
	}
	defer remove()
	if err := checkUnchanged(ctx, path, e.src); err != nil {
		return err
	}
	given := len(e.src.Spans) > 0
	if e.m, err = newMedia(path, probe, e.env.Settings, !given); err != nil {
		return err
	}
	if err := e.env.checkFilters(e.m); err != nil {
		return err
	}
	if e.tracks, err = e.subtitles(ctx, probe); err != nil {
		return err
	}
	e.pools = newPools(e.m)
	if given {
		err = e.givenSpans(ctx)
	} else {
		err = e.findSpans(ctx)
	}
	if _, ok := dataset.AsItem(err); err != nil && !ok {
		return err
	}
	if e.complained && e.lastEnd > 0 {
		if damageErr := e.findDamage(ctx); damageErr != nil {
			return damageErr
		}
		if damageErr := e.encodeDamaged(ctx); damageErr != nil {
			return damageErr
		}
	}
	return err
}

// findSpans cuts the source while it is decoded, then splits the scenes that
// turned out too long.
func (e *extraction) findSpans(ctx context.Context) error {
	s := e.env.Settings
	cuts := newCutter(s, e.m)
	p := e.newPass(e.m, s.MinClip.Seconds(), s.MaxClip.Seconds())
	p.cuts = cuts
	var err error
	e.decodeErr, err = p.run(ctx)
	e.complained = p.complained
	e.numbered, e.decoded, e.heard = cuts.numbered, e.m.clock.seconds(p.pace.end()), p.heardUntil()
	if err != nil {
		return err
	}
	if cuts.seen == 0 {
		return e.nothingDecoded()
	}
	for _, c := range e.longs {
		for _, part := range c.split(cuts.max) {
			part.row.Start, part.row.End = e.m.clock.seconds(part.start), e.m.clock.seconds(part.end)
			e.again = append(e.again, part)
		}
	}
	if err := e.encodeAgain(ctx); err != nil {
		return err
	}
	return e.damaged()
}

// givenSpans cuts at the list's spans, in the order of time. A span that makes no
// sense is a failed clip with the number that it has in the list. Spans that
// overlap cost a pass more for each that lies over a moment.
func (e *extraction) givenSpans(ctx context.Context) error {
	timed := slices.DeleteFunc(slices.Clone(e.src.Spans), func(s dataset.Span) bool { return s.Error != "" })
	slices.SortStableFunc(timed, func(a, b dataset.Span) int {
		return cmp.Or(cmp.Compare(a.Start, b.Start), cmp.Compare(a.End, b.End))
	})
	e.numbered = len(e.src.Spans)
	var layers [][]*clip
	for i, s := range e.src.Spans {
		if s.Error == "" {
			s, timed = timed[0], timed[1:]
		}
		c := &clip{number: i}
		c.row = dataset.Clip{ClipID: s.ClipID, Start: s.Start, End: s.End, Text: s.Text}
		var err error
		if length := s.End - s.Start; s.Error != "" {
			err = dataset.Fail(dataset.Corrupt, "%s", s.Error)
		} else if !(length <= maxMaxClip.Seconds()) {
			err = dataset.Fail(dataset.TooLarge, "a span of %.0f s; the limit is %v", length, maxMaxClip)
		}
		if err != nil {
			c.row.Outcome = dataset.OutcomeOf(dataset.Failed, err)
			if err := e.add(c); err != nil {
				return err
			}
			continue
		}
		if s.Start < e.m.duration {
			c.row.End = min(c.row.End, e.m.duration)
		}
		c.start, c.end = e.m.clock.ticks(c.row.Start), e.m.clock.ticks(c.row.End)
		l := slices.IndexFunc(layers, func(l []*clip) bool { return l[len(l)-1].end <= c.start })
		if l < 0 {
			l = len(layers)
			layers = append(layers, nil)
		}
		layers[l] = append(layers[l], c)
	}
	for _, l := range layers {
		if err := e.cutSpans(ctx, l); err != nil {
			return err
		}
	}
	if e.decodeErr == nil {
		return nil
	}
	c := &clip{number: e.numbered}
	c.row.Outcome = dataset.OutcomeOf(dataset.Failed, itemError(e.decodeErr, e.m.path, dataset.Corrupt))
	return e.add(c)
}

// seekMargin is how many seconds before the first clip decoding starts, so that
// audio codecs, which need some packets to get going, have had them; sources
// whose first clip is as near to the start as that are decoded from there.
const seekMargin = 5

// cutSpans cuts clips that are known beforehand, in order of time and without
// overlap: in one pass, and one more for those that could not be copied.
func (e *extraction) cutSpans(ctx context.Context, known []*clip) error {
	m := *e.m
	m.plan = nil
	if err := e.passOver(ctx, &m, known); err != nil {
		return err
	}
	return e.encodeAgain(ctx)
}

// encodeAgain makes a pass over the clips that another has left to it.
func (e *extraction) encodeAgain(ctx context.Context) error {
	known := e.again
	e.again = nil
	slices.SortFunc(known, func(a, b *clip) int { return cmp.Compare(a.start, b.start) })
	m := *e.m
	m.plan, m.canCopy = nil, false
	return e.passOver(ctx, &m, known)
}

// encodeDamaged makes copied clips anew that have damaged packets: encoded, they
// decode. Their rows take the place of those that wait.
func (e *extraction) encodeDamaged(ctx context.Context) error {
	damaged := slices.DeleteFunc(e.copies, func(c *clip) bool { return wordsFor("", e.damage.video, c.row.Start, c.row.End) == "" })
	slices.SortFunc(damaged, func(a, b *clip) int { return cmp.Compare(a.start, b.start) })
	for len(damaged) > 0 {
		var rest []*clip // that overlap
		for _, c := range damaged {
			if n := len(e.again); n > 0 && e.again[n-1].end > c.start {
				rest = append(rest, c)
			} else {
				e.again = append(e.again, c)
			}
		}
		if err := e.encodeAgain(ctx); err != nil {
			return err
		}
		damaged = rest
	}
	return nil
}

// passOver makes a pass over clips that are known beforehand, if there are any.
func (e *extraction) passOver(ctx context.Context, m *media, known []*clip) error {
	if len(known) == 0 {
		return nil
	}
	longest, shortest := 0., math.Inf(1)
	for _, c := range known {
		longest, shortest = max(longest, c.row.End-c.row.Start), min(shortest, c.row.End-c.row.Start)
	}
	p := e.newPass(m, shortest, longest)
	p.clips = known
	if first := int(known[0].row.Start) - seekMargin; first > seekMargin && m.isIndexed {
		p.from = first
	}
	p.until = int(math.Ceil(known[len(known)-1].row.End)) + 1
	decodeErr, err := p.run(ctx)
	e.complained = e.complained || p.complained
	if err != nil {
		return err
	}
	if e.decodeErr == nil {
		e.decodeErr = decodeErr
	}
	return nil
}

// newPass prepares a pass over clips of shortest to longest seconds.
func (e *extraction) newPass(m *media, shortest, longest float64) *pass {
	p := &pass{env: e.env, m: m, pools: e.pools, done: e.done, known: math.MinInt64,
		looked: stillsGrid(e.env.Settings.Frames, shortest),
		job:    encodeJob{m: m, settings: e.env.Settings, slot: slotFor(longest)}}
	p.pictures = []feed{clips}
	if m.has(stills) {
		p.pictures = append(p.pictures, stills)
	}
	num, den := m.frameRate()
	p.pace.step = max(1, m.clock.ticks(float64(den)/float64(num)))
	if m.audio != nil {
		p.native = pcm{rate: m.nativeRate, channels: m.nativeChannels}
		p.sound = pcm{rate: m.soundRate, channels: m.soundChannels}
	}
	p.back = collector{job: p.job, bySlot: map[int64]*clip{}}
	p.back.complete = func(c *clip) error {
		c.row.Key = dataset.Key(e.src.ID, c.number)
		err := e.assemble(c, &p.back)
		if errors.Is(err, errNotCopied) {
			c.fate, err = again, nil
		}
		if err != nil {
			return err
		}
		return e.done(c)
	}
	return p
}

// done takes a clip that is ready or has failed, and those to split later.
func (e *extraction) done(c *clip) error {
	switch c.fate {
	case long:
		e.longs = append(e.longs, c)
		return nil
	case again:
		e.again = append(e.again, c.afresh())
		return nil
	}
	if c.isCopied && c.row.Status == dataset.OK {
		e.copies = append(e.copies, c.afresh())
	}
	if c.row.Status == dataset.OK {
		c.row.Subtitles = cuesWithin(e.tracks, c.row.Start, c.row.End)
	}
	return e.add(c)
}

// nothingDecoded is the failure of a source without a single frame.
func (e *extraction) nothingDecoded() error {
	if e.decodeErr == nil {
		return dataset.Fail(dataset.Corrupt, "no frame could be decoded")
	}
	return itemError(e.decodeErr, e.m.path, dataset.Corrupt)
}

// wholeShare is how much of the duration in the header must be decoded for a
// source to count as whole: containers' durations are rough, and often those of
// a longer track.
const wholeShare = 0.95

// promised is when the video ends by the header, in seconds; 0 if that is not
// said. Where only the whole container's duration is, it is the video's if the
// sound does not last as long either, up to where it was decoded.
func (m *media) promised(heard, until float64) float64 {
	if m.end == 0 && heard < wholeShare*until {
		return m.duration
	}
	return m.end
}

// heardUntil is the end of the sound that was decoded, in seconds.
func (p *pass) heardUntil() float64 {
	if p.m.audio == nil || p.sound.next() == math.MinInt64 {
		return 0
	}
	return float64(p.sound.next()) / float64(p.sound.rate)
}

// damaged adds a row for what of a source could not be decoded.
func (e *extraction) damaged() error {
	promised := e.m.promised(e.heard, e.m.duration)
	if promised == 0 && e.decodeErr != nil {
		promised = e.m.duration
	}
	c := &clip{number: e.numbered}
	var timeout *ffmpeg.TimeoutError
	var err error
	switch ended := fmt.Sprintf("decoding ended at %.3f s of %.3f s", e.decoded, promised); {
	case errors.As(e.decodeErr, &timeout):
		err = dataset.Fail(dataset.Timeout, "%s: %w", ended, timeout)
	case e.decoded < wholeShare*promised:
		err = dataset.Fail(dataset.Corrupt, "%s", ended)
	case e.decodeErr != nil:
		err = itemError(e.decodeErr, e.m.path, dataset.Corrupt)
	default:
		return nil
	}
	if e.decoded < promised {
		c.row.Start, c.row.End = e.decoded, promised
	}
	c.row.Outcome = dataset.OutcomeOf(dataset.Failed, err)
	return e.add(c)
}
