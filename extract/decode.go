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
)

// packet is what a feed gives at a time: a frame, or some sound.
type packet struct {
	feed feed
	key  bool // of feed copied: decoding can start here
	// at is the time since the container's start: in ticks of media.clock for
	// pictures, in samples for sound.
	at   int64
	data []byte // back to pools[feed] when done
	end  bool   // nothing follows; all else is zero
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
	p, err := tools.Start(ctx, job)
	if err != nil {
		return false, err
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
			return m.readFeed(ctx, f, r, pools, out)
		})
	}
	readErr := g.Wait()
	err = p.Wait()
	complained = p.Stderr() != ""
	if ctx.Err() != nil {
		return complained, ctx.Err()
	}
	if readErr != nil {
		// The decoder has failed since nobody read on. One that fails by itself
		// ends its feeds.
		return complained, dataset.Fail(dataset.Internal, "%w", readErr)
	}
	return complained, err
}

// decodeLimits let 8K HEVC pass, which one core decodes at a frame a second.
func decodeLimits(seconds float64) ffmpeg.Limits {
	return ffmpeg.Limits{Timeout: 5*time.Minute + time.Duration(60*seconds*float64(time.Second))}
}

func (m *media) maxPacket(f feed) int {
	if f == native || f == sound {
		return soundPacket
	}
	return m.frameBytes(f)
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

func (m *media) readFeed(ctx context.Context, f feed, r io.Reader, pools *pools, out chan<- packet) error {
	send := func(p packet) error {
		select {
		case out <- p:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	ticks := m.ticks(f)
	in, err := nut.NewReader(r, m.maxPacket(f))
	if err == nil && in.Streams()[0].TimeBase != (nut.Rational{Num: 1, Den: ticks}) {
		return fmt.Errorf("read decoded %s: times in units of %v s, asked for 1/%d", f, in.Streams()[0].TimeBase, ticks)
	}
	for err == nil {
		var frame nut.Frame
		if frame, err = in.Next(pools.get(f)); err == nil {
			err = send(packet{feed: f, key: frame.Key, at: frame.PTS - clockOffset*ticks, data: frame.Data})
		}
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return send(packet{feed: f, end: true}) // a decoder that failed says why itself
	}
	return fmt.Errorf("read decoded %s: %w", f, err)
}

func (f feed) String() string {
	return [...]string{taps: "cut taps", copied: "coded frames", clips: "clip frames", stills: "stills",
		native: "sound", sound: "separate sound"}[f]
}

// pools keep the buffers of frames that are done with, a list a feed: a frame of
// 1 MiB is dear to allocate and clear. They are safe for concurrent use.
type pools [feeds]chan []byte

// poolBuffers is how many buffers are kept a feed: as many as may wait for the
// cut detector or the encoder at a time, roughly.
const poolBuffers = 64

func newPools() *pools {
	p := new(pools)
	for f := range p {
		p[f] = make(chan []byte, poolBuffers)
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
	select {
	case p[f] <- b:
	default: // enough of them
	}
}
