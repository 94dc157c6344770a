package extract

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"

	ffgo "github.com/u2takey/ffmpeg-go"
	"golang.org/x/sync/errgroup"

	"micodata/dataset"
	"micodata/internal/ffmpeg"
	"micodata/internal/nut"
)

// lane is one stream into the encoder and what it makes of it.
type lane int

const (
	videoLane lane = iota // clip frames -> H.264
	imageLane             // key frames -> JPEG
	smallLane             // uniform frames -> JPEG
	audioLane             // PCM -> AAC; the last, since not every source has it
	lanes
)

// message is a frame for the encoder.
type message struct {
	lane lane
	at   int64 // video: 1/ticks s; audio: samples; stills: their number
	data []byte
	// unread, if not nil, stands for data.
	unread *unread
	// done gets data back; feeds if it is nobody's.
	done feed
}

// coded is what the encoder gives back.
type coded struct {
	lane   lane
	at     int64 // as in message
	key    bool
	data   []byte
	header *nut.Stream // before the first packet of a lane; all else but lane is zero
	end    bool        // nothing follows
}

// encodeJob is what the encoder needs to know of a source.
type encodeJob struct {
	m        *media
	settings Settings

	// slot is the length in seconds of a clip's place on the encoder's clock: a
	// power of two above that of any clip. Clip k starts at exactly k*slot, which
	// is how the encoder knows, without a list, where keyframes must be. The
	// first is 1, so that the encoder's own delay leads to no time below 0.
	slot int64
}

// encode runs the encoder on what comes from in until that is closed, and sends
// what it makes to out. No process is started if nothing comes.
func encode(ctx context.Context, tools ffmpeg.Tools, job encodeJob, pools *pools, in <-chan message, out chan<- coded) error {
	send := func(c coded) error {
		select {
		case out <- c:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	var first message
	select {
	case <-ctx.Done():
		return ctx.Err()
	case m, ok := <-in:
		if !ok {
			return nil
		}
		first = m
	}
	p, err := tools.Start(ctx, ffmpeg.Job{
		Args:    job.args(),
		Inputs:  []ffmpeg.Feed{job.feed(first, in, pools)},
		Outputs: len(job.lanes()),
		Limits:  decodeLimits(job.m.duration),
	})
	if err != nil {
		return err
	}
	var g errgroup.Group
	for i, l := range job.lanes() {
		r := p.Output(i)
		g.Go(func() error {
			defer r.Close()
			return readCoded(l, r, send)
		})
	}
	readErr := g.Wait()
	if err := p.Wait(); err != nil {
		return itemError(err, "", dataset.Internal)
	}
	return readErr
}

// has tells whether the encoder has a lane.
func (j encodeJob) has(l lane) bool {
	switch l {
	case videoLane:
		return j.m.mode != ClipNone
	case audioLane:
		return j.m.has(native)
	}
	return true
}

// lanes are those that the encoder has, in the order of its streams.
func (j encodeJob) lanes() []lane {
	var have []lane
	for l := range lanes {
		if j.has(l) {
			have = append(have, l)
		}
	}
	return have
}

// feed writes the encoder's input. It must end when ctx does.
func (j encodeJob) feed(first message, in <-chan message, pools *pools) ffmpeg.Feed {
	return func(ctx context.Context, w io.Writer) error {
		lanes := j.lanes()
		out, err := nut.NewWriter(w, j.streams(lanes))
		if err != nil {
			return err
		}
		for m, ok := first, true; ok; {
			frame := nut.Frame{Stream: slices.Index(lanes, m.lane), PTS: m.at, Key: true, Data: m.data}
			if m.unread != nil {
				err = out.WriteFrameFrom(frame, j.m.clip.bytes(), m.unread.copyTo)
			} else {
				err = out.WriteFrame(frame)
			}
			if err != nil {
				return err
			}
			if m.done != feeds {
				pools.put(m.done, m.data)
			}
			select {
			case m, ok = <-in:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	}
}

func (j encodeJob) streams(have []lane) []nut.Stream {
	var streams []nut.Stream
	for _, l := range have {
		streams = append(streams, j.stream(l))
	}
	return streams
}

// stream is what goes into a lane.
func (j encodeJob) stream(l lane) nut.Stream {
	if l == audioLane {
		rate := nut.Rational{Num: int64(j.m.nativeRate), Den: 1}
		return nut.Stream{Class: nut.ClassAudio, FourCC: nut.FourCCS16LE,
			TimeBase: nut.Rational{Num: 1, Den: rate.Num}, SampleRate: rate, Channels: j.m.nativeChannels}
	}
	of, ticks := j.m.image, int64(1) // stills are numbered
	if l == videoLane {
		of, ticks = j.m.clip, int64(j.m.clock)
	}
	return nut.Stream{Class: nut.ClassVideo, FourCC: nut.FourCCYUV420P, TimeBase: nut.Rational{Num: 1, Den: ticks}, Width: of.w, Height: of.h}
}

// args is the run of ffmpeg that encodes: one NUT input, a NUT output a lane.
func (j encodeJob) args() []string {
	in := ffgo.Input(ffmpeg.InputURL(0), ffgo.KwArgs{
		"copyts":    "",                                                // or it would begin at the first clip's sound
		"probesize": "32", "analyzeduration": "0", "fpsprobesize": "0", // the header says it all
		"protocol_whitelist": "pipe", "f": "nut",
	})
	var outputs []*ffgo.Stream
	for i, l := range j.lanes() {
		outputs = append(outputs, ffgo.Output([]*ffgo.Stream{in.Get(strconv.Itoa(i))}, ffmpeg.OutputURL(1, i), ffgo.KwArgs{
			"threads": "1", // other numbers give other bytes
			"fflags":  "+bitexact", "flags:v": "+bitexact", "flags:a": "+bitexact",
			"avoid_negative_ts": "disabled", "write_index": "0", "f": "nut",
		}, j.laneArgs(l)))
	}
	return ffgo.MergeOutputs(outputs...).GetArgs()
}

func (j encodeJob) laneArgs(l lane) ffgo.KwArgs {
	switch l {
	case videoLane:
		return j.videoArgs()
	case audioLane:
		return ffgo.KwArgs{"c:a": "aac", "b:a": strconv.Itoa(aacBitrate(j.m.nativeRate, j.m.nativeChannels))}
	}
	to := j.m.image
	if l == smallLane {
		to = j.m.small
	}
	return ffgo.KwArgs{
		"fps_mode": "passthrough", "enc_time_base": "1:1",
		"vf":  fmt.Sprintf("scale=%d:%d:flags=%s,%s", to.w, to.h, scaler, j.m.color.jfif(to)),
		"c:v": "mjpeg", "color_range": "pc", "q:v": strconv.Itoa(j.settings.JPEGQuantizer),
	}
}

// aacBitrate is 64 kbit/s a channel at the usual rates, and less at low ones,
// where AAC has no use for it (6 bits a sample is its limit).
func aacBitrate(rate, channels int) int { return channels * min(64000, 2*rate) }

// videoArgs encode clips: constant quality, with rate control that takes frames
// to be evenly spaced, so that neither the leaps between clips nor uneven frames
// upset it.
func (j encodeJob) videoArgs() ffgo.KwArgs {
	num, den := j.m.frameRate()
	slot := strconv.FormatInt(j.slot, 10)
	args := ffgo.KwArgs{
		"fps_mode": "passthrough", "enc_time_base": fmt.Sprintf("1:%d", j.m.clock),
		"c:v": "libx264", "preset": j.settings.Preset, "crf": strconv.Itoa(j.settings.CRF), "pix_fmt": "yuv420p",
		"force_key_frames": "expr:isnan(prev_forced_t)+gte(floor(t/" + slot + "),floor(prev_forced_t/" + slot + ")+1)",
		"forced-idr":       "1", "x264-params": fmt.Sprintf("fps=%d/%d:force-cfr=1", num, den),
		"color_range": "tv", "colorspace": j.m.color.matrix,
	}
	if c := j.m.color; c.primaries != "" {
		args["color_primaries"] = c.primaries
	}
	if c := j.m.color; c.transfer != "" {
		args["color_trc"] = c.transfer
	}
	return args
}

// maxCoded bounds a coded packet, in bytes: it is what a row takes of one blob.
const maxCoded = 64 << 20

func readCoded(l lane, r io.Reader, send func(coded) error) error {
	in, err := nut.NewReader(r, maxCoded)
	if err != nil {
		return fmt.Errorf("read what the encoder makes: %w", err)
	}
	header := in.Streams()[0]
	if err := send(coded{lane: l, header: &header}); err != nil {
		return err
	}
	for {
		f, err := in.Next(nil)
		if err == io.EOF {
			return send(coded{lane: l, end: true})
		}
		if err != nil {
			return fmt.Errorf("read what the encoder makes: %w", err)
		}
		if err := send(coded{lane: l, at: f.PTS, key: f.Key, data: f.Data}); err != nil {
			return err
		}
	}
}
