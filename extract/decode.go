package extract

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"golang.org/x/sync/errgroup"

	"micodata/dataset"
	"micodata/internal/ffmpeg"
	"micodata/internal/nut"
	"micodata/internal/y4m"
)

// packet is what a feed gives at a time: a frame, or some sound.
type packet struct {
	feed feed
	key  bool // of feed copied: decoding can start here
	// at is the time since the container's start: in ticks of media.clock for
	// pictures, in samples for sound. Frames of clips and stills come without it, but
	// for those that come back.
	at     int64
	data   []byte  // back to pools[feed] when done
	unread *unread // stands for data, of feed clips
	end    bool    // nothing follows; all else but feed is zero

	// Of a frame that has gone to the encoder unread: the clip it is of; whether the
	// decoder ended within it. If not, data is a copy that was to come back.
	of     *clip
	isTorn bool
}

// unread is a frame that is still in the decoder's pipe, from where it can go to
// the encoder's without coming into this process. The feed goes on when it has
// been taken, once, by read or copyTo, unless the pass ends before. Both wait for
// the rest of the frame only, which the decoder is about to write: each frame is
// flushed.
type unread struct {
	from  *y4m.Reader
	taken chan struct{}
	// keep, if not nil, takes what copyTo copies, to come back as a still of the
	// time at.
	keep []byte
	at   int64
	of   *clip // to which it goes
	// isTorn says that the decoder ended within it while it was copied.
	isTorn bool
}

// read reads the frame; nil if it is torn.
func (u *unread) read(buf []byte) ([]byte, error) {
	defer close(u.taken)
	data, err := u.from.ReadFrame(buf)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, nil
	}
	return data, err
}

// copyTo writes the frame, with anything for its end if it is torn, since whoever
// reads it has been told its size.
func (u *unread) copyTo(w io.Writer) error {
	defer close(u.taken)
	to := w
	if u.keep != nil {
		tee := &ffmpeg.Tee{W: w, Kept: u.keep[:0]}
		defer func() { u.keep = tee.Kept }()
		to = tee
	}
	n, err := u.from.CopyTo(to)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		u.isTorn = true
		_, err = w.Write(make([]byte, u.from.FrameBytes()-int(n)))
	}
	return err
}

// soundPacket bounds packets of sound, in bytes: ten seconds of PCM in one
// packet is what the most patient muxers do.
const soundPacket = 4 << 20

// decode runs the decoder, sends what it gives to out and ends each feed by a
// packet that says so. It tells whether the decoder complained of anything, and
// returns its own error, if it had one, after all packets. A context that ends is
// an error too.
func decode(ctx context.Context, tools ffmpeg.Tools, m *media, job ffmpeg.Job, pools *pools, out chan<- packet) (complained bool, err error) {
	job.Limits = decodeLimits(m.duration)
	runCtx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	p, err := tools.Start(runCtx, job)
	if err != nil {
		return false, err
	}
	send := func(p packet) error {
		if runCtx.Err() != nil {
			return runCtx.Err() // a feed that ends since another has failed has no end
		}
		select {
		case out <- p:
			return nil
		case <-runCtx.Done():
			return runCtx.Err()
		}
	}
	var g errgroup.Group
	i := 0
	for f := range feeds {
		if !m.has(f) {
			continue
		}
		r := p.Output(i)
		i++
		g.Go(func() error {
			defer r.Close() // so that a decoder whose output we gave up does not wait for us
			err := m.readFeed(ctx, f, r, pools, send)
			if err != nil {
				stop(err) // or it may go on with the other feeds
			}
			return err
		})
	}
	readErr := g.Wait()
	err = p.Wait()
	complained = p.Stderr() != ""
	if ctx.Err() != nil {
		return complained, ctx.Err()
	}
	if readErr != nil {
		// A decoder that fails by itself ends its feeds.
		return complained, dataset.Fail(dataset.Internal, "%w", context.Cause(runCtx))
	}
	return complained, err
}

// decodeLimits let 8K HEVC pass, which one core decodes at a frame a second.
func decodeLimits(seconds float64) ffmpeg.Limits {
	return ffmpeg.Limits{Timeout: 5*time.Minute + time.Duration(60*seconds*float64(time.Second))}
}

// maxPacket bounds a packet of a feed, in bytes.
func (m *media) maxPacket(f feed) int {
	switch f {
	case taps:
		return m.plan.FrameBytes()
	case moments, stillMoments:
		return momentBytes
	case copied:
		return maxCoded
	}
	return soundPacket
}

// ticks is the number of units a second of a feed's times.
func (m *media) ticks(f feed) int64 {
	switch f {
	case native:
		return int64(m.nativeRate)
	case sound:
		return int64(m.soundRate)
	}
	return int64(m.clock)
}

func (m *media) readFeed(ctx context.Context, f feed, r io.Reader, pools *pools, send func(packet) error) error {
	var err error
	if f == clips || f == stills {
		err = m.readFrames(ctx, f, r, pools, send)
	} else {
		err = m.readPackets(f, r, pools, send)
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return send(packet{feed: f, end: true}) // a decoder that failed says why itself
	}
	return fmt.Errorf("read decoded %s: %w", f, err)
}

// readPackets sends the packets of a NUT stream until an error.
func (m *media) readPackets(f feed, r io.Reader, pools *pools, send func(packet) error) error {
	ticks := m.ticks(f)
	in, err := nut.NewReader(r, m.maxPacket(f))
	if err == nil && in.Streams()[0].TimeBase != (nut.Rational{Num: 1, Den: ticks}) {
		return fmt.Errorf("times in units of %v s, asked for 1/%d", in.Streams()[0].TimeBase, ticks)
	}
	for err == nil {
		var frame nut.Frame
		if frame, err = in.Next(pools.get(f)); err == nil {
			err = send(packet{feed: f, key: frame.Key, at: frame.PTS - clockOffset*ticks, data: frame.Data})
		}
	}
	return err
}

// readFrames sends the frames of a YUV4MPEG2 stream, those of clips unread, until
// an error.
func (m *media) readFrames(ctx context.Context, f feed, r io.Reader, pools *pools, send func(packet) error) error {
	of := m.clip
	if f == stills {
		of = m.image
	}
	in, err := y4m.NewReader(r, of.w, of.h)
	for err == nil {
		if err = in.Next(); err != nil {
			break
		}
		pk := packet{feed: f}
		if f == stills {
			if pk.data, err = in.ReadFrame(pools.get(f)); err == nil {
				err = send(pk)
			}
			continue
		}
		pk.unread = &unread{from: in, taken: make(chan struct{})}
		if err = send(pk); err == nil {
			err = pk.unread.await(ctx, send)
		}
	}
	return err
}

// await waits until the frame has been taken, and sends what that has left. It
// does not end before, though the decoder may, or the pipe would be closed while
// somebody reads the frame.
func (u *unread) await(ctx context.Context, send func(packet) error) error {
	select {
	case <-u.taken:
	case <-ctx.Done():
		return ctx.Err()
	}
	if u.isTorn {
		return send(packet{feed: clips, of: u.of, isTorn: true})
	}
	if u.keep != nil {
		return send(packet{feed: stills, at: u.at, data: u.keep, of: u.of})
	}
	return nil
}

func (f feed) String() string {
	return [...]string{taps: "cut taps", moments: "times", stillMoments: "times of stills", copied: "coded frames", clips: "clip frames", stills: "stills",
		native: "sound", sound: "separate sound"}[f]
}

// pools keep the buffers of frames that are done with, a list a feed: a frame of
// 1 MiB is dear to allocate and clear. They are safe for concurrent use.
type pools [feeds]chan []byte

// poolBuffers is how many buffers are kept a feed: as many as may wait for the
// cut detector or the encoder at a time, roughly.
const poolBuffers = 64

func newPools(m *media) *pools {
	p := new(pools)
	for f := range p {
		p[f] = make(chan []byte, poolBuffers)
	}
	if m.clipsAreStills() {
		p[stills] = p[clips] // the same size
	}
	return p
}

// get returns an empty buffer, or nil.
func (p *pools) get(f feed) []byte {
	select {
	case b := <-p[f]:
		return b[:0]
	default:
		return nil
	}
}

func (p *pools) put(f feed, b []byte) {
	if b == nil { // of a frame that went by without coming here
		return
	}
	select {
	case p[f] <- b:
	default: // enough of them
	}
}
