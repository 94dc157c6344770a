package extract

import (
	"context"
	"errors"
	"math"
	"slices"

	"golang.org/x/sync/errgroup"

	"micodata/dataset"
	"micodata/internal/ffmpeg"
)

// A pass is one decode of a source and the encoding of its clips: one loop takes
// what the decoder and the encoder give, in whatever order, and holds all state.
//
// The loop never waits for one feed in particular, since the decoder may be
// unable to go on with that feed before another is read; but for the rest of a
// frame that the decoder has begun to write, for which it needs nothing else. It
// stops taking from the decoder while something is to go to the encoder, and goes
// on taking from the encoder even then. So nothing can lock up, and what is in
// memory is bounded by the decoder's own buffers, the candidates of the open clip
// and the sound since its start.
type pass struct {
	env *Env
	m   *media
	job encodeJob
	// from and until are the seconds at which decoding starts and ends; until 0
	// is the end.
	from, until int
	// done takes clips that are finished, in any order, and those whose fate is
	// to be long.
	done func(*clip) error
	// cuts is nil when the spans are known beforehand.
	cuts  *cutter
	pools *pools

	looked   grid            // of stills
	pictures []feed          // those of the clips' frames and of the stills
	clips    []*clip         // in order of time, from the first that a feed still needs
	at       [feeds]int      // by feed: the clip that its next packet may belong to
	times    [feeds][]int64  // of frames that clips and stills have yet to give
	untimed  int             // frames for which there were no times
	unseen   int             // times for which there were no frames
	waiting  [feeds][]packet // frames without a time, or later than known
	waitSize int             // bytes in waiting
	ended    [feeds]bool
	pace     pace // of the frames so far
	// known is the tick up to which it is known which clip a frame belongs to, and
	// where in it.
	known    int64
	coded    codedVideo
	heard    int // clips before this one have had their sound sent
	finished int // clips before this one have had all feeds

	native, sound pcm

	complained bool // the decoder has, or a demuxer

	out      []message // to the encoder
	encoder  chan message
	isClosed bool // no more goes to the encoder
	lastSlot int64
	back     collector
}

// Bounds of memory, in bytes.
const (
	// maxHeld is what a clip's frames may take while it is not yet known to be
	// long enough: a second of 640x360 at 60 Hz takes 20 MiB. Beyond that they
	// are encoded on the chance.
	maxHeld = 64 << 20
	// maxWaiting is what frames may take that are ahead of the cut detector:
	// ffmpeg's filters and queues hold some ten frames, of 50 MiB in 8K.
	maxWaiting = 1 << 30
	// maxSound is what sound may take that is ahead of the pictures: 20 minutes
	// of 48 kHz stereo.
	maxSound = 256 << 20
)

// run makes the pass. An error of the decoder alone is returned apart: what it
// decoded before is done.
func (p *pass) run(ctx context.Context) (decodeErr, err error) {
	for _, c := range p.clips {
		p.prepare(c)
	}
	job, err := decodeJob(p.m, p.from, p.until, p.looked)
	if err != nil {
		return nil, err
	}
	decoded := make(chan packet, 4)
	back := make(chan coded, 16)
	p.encoder = make(chan message)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		var err error
		p.complained, err = decode(ctx, p.env.Tools, p.m, job, p.pools, decoded)
		var exit *ffmpeg.ExitError
		var timeout *ffmpeg.TimeoutError
		if errors.As(err, &exit) || errors.As(err, &timeout) {
			decodeErr = err
			return nil
		}
		return err
	})
	var encodeErr error
	g.Go(func() error {
		defer close(back)
		encodeErr = encode(ctx, p.env.Tools, p.job, p.pools, p.encoder, back)
		return encodeErr
	})
	g.Go(func() error { return p.loop(ctx, decoded, back) })
	err = g.Wait()
	if err == nil && decodeErr == nil && p.untimed+p.unseen > 0 {
		err = dataset.Fail(dataset.Internal, "%w: %d frames too many, %d too few", errUneven, p.untimed, p.unseen)
	}
	if errors.Is(err, errEncoderLeft) && encodeErr != nil {
		err = encodeErr // why
	}
	return decodeErr, err
}

// errUneven says that the decoder gave other numbers of frames than of times, so
// that no frame's time is sure.
var errUneven = errors.New("the decoder's frames do not match their times")

func (p *pass) loop(ctx context.Context, decoded <-chan packet, back <-chan coded) error {
	for {
		var head message
		var send chan<- message
		in := decoded
		if len(p.out) > 0 {
			head, send, in = p.out[0], p.encoder, nil
		} else if p.allEnded() && !p.isClosed {
			p.isClosed = true
			close(p.encoder)
		}
		var err error
		select {
		case send <- head:
			p.out = slices.Delete(p.out, 0, 1)
		case pk := <-in:
			err = p.take(ctx, pk)
		case c, ok := <-back:
			if !ok {
				return p.check()
			}
			err = p.back.collect(c)
		case <-ctx.Done():
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
	}
}

// check makes sure, when the encoder is done, that nothing is missing.
func (p *pass) check() error {
	if !p.isClosed || len(p.back.bySlot)+len(p.back.queue[imageLane])+len(p.back.queue[smallLane]) > 0 {
		return errEncoderLeft
	}
	return nil
}

var errEncoderLeft = errors.New("the encoder ended before its work was done")

func (p *pass) allEnded() bool {
	for f := range feeds {
		if p.m.has(f) && !p.ended[f] {
			return false
		}
	}
	return true
}

// take handles what the decoder gives.
func (p *pass) take(ctx context.Context, pk packet) error {
	var err error
	switch {
	case pk.end:
		p.ended[pk.feed] = true
		err = p.endOf(pk.feed)
	case pk.isTorn:
		pk.of.isTorn = true
	case pk.feed == copied:
		pk.at += int64(p.from) * int64(p.m.clock)
		p.coded.add(pk)
	case pk.feed == native:
		p.native.add(pk.at+int64(p.from)*int64(p.native.rate), pk.data)
		p.free(pk)
	case pk.feed == sound:
		p.sound.add(pk.at+int64(p.from)*int64(p.sound.rate), pk.data)
		p.free(pk)
	case pk.feed == stills && p.m.clipsAreStills():
		p.lookBack(pk)
	default:
		err = p.picture(pk)
	}
	if err != nil {
		return err
	}
	if err := p.assignAll(); err != nil {
		return err
	}
	p.sendSound()
	if p.native.bytes+p.sound.bytes > maxSound {
		return dataset.Fail(dataset.Corrupt, "sound is stored more than %d MiB ahead of the pictures", maxSound>>20)
	}
	return p.finishClips(ctx)
}

func (p *pass) endOf(f feed) error {
	switch f {
	case native:
		p.native.done = true
	case sound:
		p.sound.done = true
	case p.decider():
		p.known = math.MaxInt64
		p.ended[clips] = p.ended[clips] || !p.m.has(clips)
		if p.cuts != nil && len(p.clips) > 0 {
			return p.closeClip(p.clips[len(p.clips)-1], p.pace.end())
		}
	}
	return nil
}

// decider is the feed that decides where clips begin and how far that is known.
func (p *pass) decider() feed {
	if p.m.has(taps) {
		return taps
	}
	return moments
}

// pace tells how long frames last, from their times.
type pace struct {
	frames int
	last   int64
	step   int64 // between the last two; before there are two, by the header
}

func (p *pace) add(at int64) {
	if p.frames > 0 {
		p.step = max(1, at-p.last)
	}
	p.frames++
	p.last = at
}

// end is the end of the last frame, which lasts as long as the one before it.
func (p *pace) end() int64 { return p.last + p.step }

func (p *pass) picture(pk packet) error {
	switch pk.feed {
	case p.decider():
		return p.decide(pk)
	case stillMoments:
		p.times[stills] = append(p.times[stills], pk.at+int64(p.from)*int64(p.m.clock))
		p.free(pk)
		return nil
	}
	if times := p.times[pk.feed]; len(p.waiting[pk.feed]) > 0 || len(times) == 0 || times[0] > p.known {
		// Its time, or what its clip is, may be told only after it.
		if isWhole, err := p.read(&pk); !isWhole {
			return err
		}
		if len(times) == 0 && p.allTimed(pk.feed) {
			p.untimed++
			p.free(pk)
			return nil
		}
	}
	p.waiting[pk.feed] = append(p.waiting[pk.feed], pk)
	if p.waitSize += len(pk.data); p.waitSize > maxWaiting {
		return dataset.Fail(dataset.Internal, "the decoder's outputs are more than %d MiB apart", maxWaiting>>20)
	}
	return nil
}

// decide takes the next frame's time, and whether a clip begins at it.
func (p *pass) decide(pk packet) error {
	pk.at += int64(p.from) * int64(p.m.clock)
	p.pace.add(pk.at)
	p.known = pk.at
	p.times[clips] = append(p.times[clips], pk.at)
	if !p.m.has(clips) {
		p.waiting[clips] = append(p.waiting[clips], packet{feed: clips})
	}
	if p.cuts != nil {
		if err := p.cut(pk); err != nil {
			return err
		}
	}
	p.free(pk)
	return nil
}

// assignAll gives the frames that are known to belong to a clip to it.
func (p *pass) assignAll() error {
	for _, f := range p.pictures {
		n := 0
		for n < len(p.waiting[f]) && n < len(p.times[f]) && p.times[f][n] <= p.known {
			pk := p.waiting[f][n]
			pk.at = p.times[f][n]
			p.waitSize -= len(pk.data)
			if err := p.assign(pk); err != nil {
				return err
			}
			n++
		}
		p.waiting[f] = slices.Delete(p.waiting[f], 0, n)
		p.times[f] = slices.Delete(p.times[f], 0, n)
		if p.ended[f] && p.allTimed(f) {
			for _, at := range p.times[f] {
				p.tear(f, at)
			}
			p.unseen += len(p.times[f])
			p.untimed += len(p.waiting[f])
			p.times[f], p.waiting[f] = nil, nil
			p.passUntil(f, math.MaxInt64)
		}
	}
	if p.m.canCopy {
		for _, c := range p.clips {
			p.decideVideo(c)
		}
	}
	return nil
}

// allTimed tells whether all times of a feed's frames are known.
func (p *pass) allTimed(f feed) bool {
	return p.known == math.MaxInt64 && (f == clips || p.ended[stillMoments])
}

// tear notes that the decoder has not given the frame of a time.
func (p *pass) tear(f feed, at int64) {
	p.passUntil(f, at)
	if p.at[f] < len(p.clips) && p.clips[p.at[f]].start <= at {
		p.clips[p.at[f]].isTorn = true
	}
}

// passUntil notes that a feed has gone past the clips that end at or before t.
func (p *pass) passUntil(f feed, t int64) {
	for p.at[f] < len(p.clips) && p.clips[p.at[f]].end <= t {
		p.clips[p.at[f]].passed[f] = true
		p.at[f]++
	}
}

func (p *pass) assign(pk packet) error {
	p.passUntil(pk.feed, pk.at)
	var c *clip
	if p.at[pk.feed] < len(p.clips) {
		c = p.clips[p.at[pk.feed]]
	}
	isWanted := c != nil && pk.at >= c.start && c.fate == alive
	isLooked := isWanted && p.m.clipsAreStills() && c.looked.takes(p.m.clock.seconds(pk.at))
	if isWanted && p.isSent(c) && pk.unread != nil {
		pk.unread.of, pk.unread.at = c, pk.at
		if isLooked {
			pk.unread.keep = slices.Grow(p.pools.get(stills), p.m.clip.bytes())
			isLooked = false // until it comes back
		}
	} else if isWhole, err := p.read(&pk); !isWhole {
		if err == nil {
			p.tear(pk.feed, pk.at)
		}
		return err
	}
	switch {
	case !isWanted:
		p.free(pk)
	case pk.feed == stills:
		p.look(c, pk)
	default:
		if isLooked {
			p.look(c, packet{feed: stills, at: pk.at, data: append(p.pools.get(stills), pk.data...)})
		}
		p.hold(c, pk)
	}
	return nil
}

// read reads a frame that is still in the decoder's pipe. It is false if the
// decoder ended within it, or for an error.
func (p *pass) read(pk *packet) (isWhole bool, err error) {
	if pk.unread == nil {
		return true, nil
	}
	pk.data, err = pk.unread.read(p.pools.get(pk.feed))
	pk.unread = nil
	return pk.data != nil, err
}

// look takes a frame of the stills' grid.
func (p *pass) look(c *clip, pk packet) {
	s := p.m.image
	if c.moved.takes(p.m.clock.seconds(pk.at)) {
		c.motion.Add(pk.data[:s.w*s.h], s.w, s.h)
	}
	c.stills.add(pk, p.free)
}

// lookBack takes a frame of the stills' grid that has gone to the encoder.
func (p *pass) lookBack(pk packet) {
	if pk.of.fate == alive {
		p.look(pk.of, pk)
	} else {
		p.free(pk)
	}
}

// prepare makes a clip ready for its frames.
func (p *pass) prepare(c *clip) {
	c.stills.most = mostCandidates(p.job.settings.Frames, p.m.image.bytes())
	c.looked, c.moved = picker{grid: p.looked}, picker{grid: motionGrid}
}

func (p *pass) free(pk packet) { p.pools.put(pk.feed, pk.data) }

// finishClips asks for the stills of clips that have had all feeds, and forgets
// what no clip needs any more.
func (p *pass) finishClips(ctx context.Context) error {
	for p.finished < len(p.clips) {
		c := p.clips[p.finished]
		if c.end == openEnd {
			break
		}
		if c.fate == alive {
			if !c.passed[clips] || !c.passed[p.m.stillsFrom()] || len(c.held) > 0 ||
				c.isCopied && !p.coded.holds(c) && !p.ended[copied] ||
				p.m.audio != nil && p.sound.end() < sampleAt(p.sound.rate, c.row.End) {
				break
			}
			if err := p.finish(ctx, c); err != nil {
				return err
			}
		}
		p.finished++
	}
	needed := p.known
	if p.finished < len(p.clips) && p.clips[p.finished].fate == alive {
		needed = min(needed, p.clips[p.finished].start)
	}
	if p.m.audio != nil && needed > math.MinInt64 {
		p.sound.forget(sampleAt(p.sound.rate, p.m.clock.seconds(needed)))
	}
	p.coded.forget(needed)
	n := p.finished
	for _, f := range p.pictures {
		n = min(n, p.at[f])
	}
	if p.m.has(native) {
		n = min(n, p.heard)
		p.heard -= n
	}
	p.clips = slices.Delete(p.clips, 0, n)
	for _, f := range p.pictures {
		p.at[f] -= n
	}
	p.finished -= n
	return nil
}
