package extract

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"

	"micodata/dataset"
	"micodata/internal/ffmpeg"
)

// A stretch is [from, to) seconds of a source in which a decoder's frames are
// missing or not what was recorded.
type stretch struct {
	from, to float64
	said     string // by ffmpeg, of its beginning
}

// damage is what is damaged of a source, in order of decoding.
type damage struct{ video, sound []stretch }

// mark notes in a clip's row what of it is damaged.
func (d *damage) mark(row *dataset.Clip) {
	if row.Status != dataset.OK {
		return
	}
	note := func(what string, all []stretch) {
		text := wordsFor(what, all, row.Start, row.End)
		if text == "" {
			return
		}
		o := dataset.OutcomeOf(dataset.Failed, dataset.Fail(dataset.Corrupt, "%s", text))
		row.Errors = append(row.Errors, dataset.StageError{Stage: dataset.StageExtract, Class: o.Class, Error: o.Error})
	}
	note("video", d.video)
	if row.Audio.Bytes != nil { // else it is missing, and that is said
		note("sound", d.sound)
	}
}

// sameTime is how far apart, in seconds, two roundings of one time may be: less
// than frames are.
const sameTime = 0.0005

// wordsFor says which of the stretches meet [start, end); it is "" if none does.
func wordsFor(what string, all []stretch, start, end float64) string {
	var met stretch
	n := 0
	for _, s := range all {
		if s.from >= end-sameTime || s.to <= start+sameTime {
			continue
		}
		if n++; n == 1 {
			met = s
		}
		met.from, met.to = min(met.from, s.from), max(met.to, s.to)
	}
	switch n {
	case 0:
		return ""
	case 1:
		return fmt.Sprintf("its %s is damaged between %.3f s and %.3f s of the source: %s", what, met.from, met.to, met.said)
	}
	return fmt.Sprintf("its %s is damaged in %d places between %.3f s and %.3f s of the source; first: %s", what, n, met.from, met.to, met.said)
}

// findDamage decodes the source once more, up to its last clip's end, to learn
// where ffmpeg complains.
func (e *extraction) findDamage(ctx context.Context) (err error) {
	if e.damage.video, err = e.inspect(ctx, e.m.video); err == nil && e.m.audio != nil {
		e.damage.sound, err = e.inspect(ctx, *e.m.audio)
	}
	return err
}

func (e *extraction) inspect(ctx context.Context, s ffmpeg.Stream) ([]stretch, error) {
	f := e.m.newDamageFinder(s)
	in := ffmpeg.Inspection{Path: e.m.path, Format: e.m.format, Stream: s.Index, Limits: decodeLimits(e.m.duration)}
	err := e.env.Tools.Inspect(ctx, in, func(p ffmpeg.Packet) bool {
		f.add(p)
		return f.last < e.lastEnd+inspectMargin
	})
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	var exit *ffmpeg.ExitError
	var timeout *ffmpeg.TimeoutError
	switch {
	case errors.As(err, &exit), errors.As(err, &timeout):
		f.lose(e.lastEnd, fmt.Sprintf("it could not be decoded again to find out where: %v", itemError(err, e.m.path, dataset.Corrupt)))
	case err != nil:
		return nil, err
	}
	found := f.end()
	for i := range found {
		found[i].said = scrub(e.m.path, found[i].said)
	}
	return found, nil
}

// inspectMargin is how many seconds beyond the last clip are decoded: packets
// come in another order than frames are shown.
const inspectMargin = 1

// A damageFinder finds the damaged stretches of one stream. A packet that ffmpeg
// complains about is damaged, and so are all that follow it, which need it, until
// decoding can start anew at a packet that is whole.
type damageFinder struct {
	unit float64 // seconds a tick
	zero float64 // of extract's clock, on the file's
	// jumps says that the file's clock may jump, which ffmpeg undoes.
	jumps bool
	// overlaps says that what is heard of a packet needs the one before it, so that
	// the first whole one is damaged too.
	overlaps bool
	// isOneToOne says that each packet is a frame, so that one that gives none is
	// damaged, also if nothing is said of it.
	isOneToOne bool

	found []stretch
	open  *stretch // the last of found, while it goes on
	whole int      // packets since the damage that decoding can start at
	last  float64  // when the last packet is decoded
	next  float64  // and when it ends; NaN before the first
	shown float64  // the latest end of a packet
}

func (m *media) newDamageFinder(s ffmpeg.Stream) *damageFinder {
	f := &damageFinder{unit: s.TimeBase.Float(), zero: m.start, next: math.NaN(), shown: math.Inf(-1),
		jumps: m.isBroadcast(), overlaps: s.Type == "audio" && !isLossless(s.Codec),
		// A temporal unit of AV1 has one shown frame, and dav1d keeps silent about
		// some that it cannot decode.
		isOneToOne: s.Codec == "av1"}
	if f.jumps {
		// ffmpeg counts from the streams that are decoded.
		f.zero = m.video.Start.Seconds()
		if m.audio != nil {
			f.zero = min(f.zero, m.audio.Start.Seconds())
		}
	}
	return f
}

// isLossless tells of a sound's codec whether each packet stands for itself.
func isLossless(codec string) bool {
	return strings.HasPrefix(codec, "pcm_") || codec == "flac" || codec == "alac"
}

// isBroadcast tells whether the source is of a format whose clock may jump.
func (m *media) isBroadcast() bool { return m.format == "mpegts" || m.format == "mpeg" }

func (f *damageFinder) add(p ffmpeg.Packet) {
	at := f.clock(p)
	f.shown = max(f.shown, at+f.unit*float64(p.Duration))
	said := p.Decoder
	if said == "" && f.isOneToOne && p.Frames == 0 && !p.Discard {
		said = "a packet gave no frame"
	}
	switch {
	case said != "":
		f.begin(at, said)
	case f.open != nil && p.Key:
		if f.whole++; f.whole == 1 && f.overlaps {
			break
		}
		f.open.to = at
		f.open = nil
	}
	if f.open != nil {
		f.open.from = min(f.open.from, at)
	}
	if p.Demuxer != "" {
		f.begin(f.next, p.Demuxer)
	}
}

// clock is the time at which a packet is shown, in seconds on extract's clock.
func (f *damageFinder) clock(p ffmpeg.Packet) float64 {
	seconds := func(ticks int64) float64 { return float64(ticks)*f.unit - f.zero }
	decoded := f.next
	switch {
	case p.DTS != ffmpeg.NoTime:
		decoded = seconds(p.DTS)
	case p.PTS != ffmpeg.NoTime:
		decoded = seconds(p.PTS)
	case math.IsNaN(decoded):
		decoded = 0
	}
	if f.jumps && (decoded > f.next+jumpAhead || decoded < f.last-jumpBack) {
		f.zero += decoded - f.next
		decoded = f.next
	}
	f.last, f.next = decoded, decoded+f.unit*float64(p.Duration)
	if p.PTS != ffmpeg.NoTime {
		return seconds(p.PTS)
	}
	return decoded
}

// What ffmpeg takes for a jump of a clock, in seconds (-dts_delta_threshold).
const (
	jumpAhead = 10
	jumpBack  = 0.1
)

// begin notes damage from a time on, which may be that of a packet in damage
// already.
func (f *damageFinder) begin(at float64, said string) {
	f.whole = 0
	if f.open != nil {
		return
	}
	if len(f.found) < maxStretches {
		f.found = append(f.found, stretch{from: at, said: said})
	}
	f.open = &f.found[len(f.found)-1]
}

// maxStretches bounds memory: what is damaged more often counts as damaged from
// the last of them on.
const maxStretches = 1 << 14

// lose notes that nothing is known of what follows, until a time.
func (f *damageFinder) lose(until float64, why string) {
	f.begin(f.last, why)
	f.shown = max(f.shown, until)
}

func (f *damageFinder) end() []stretch {
	if f.open != nil {
		f.open.to = f.shown
	}
	return f.found
}
