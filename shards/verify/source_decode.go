package verify

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	"golang.org/x/sync/errgroup"

	"micodata/internal/ffmpeg"
	"micodata/internal/nut"
)

const (
	// sourceMargin is how many seconds before a span decoding starts, so that
	// audio codecs, which need some packets to get going, have had them.
	sourceMargin = 5
	// clockOffset is added to the decoder's times, since NUT has none below 0,
	// and frames before the container's start have such.
	clockOffset = 4096 // seconds
	// maxSoundPacket bounds a packet of sound, in bytes.
	maxSoundPacket = 4 << 20
)

// decodeSpan decodes a source from before the span to after it, or from its
// start where it has no index. The frames and the sound go to the span as they
// come. A source that does not decode without errors is a [*brokenMedia], after
// all that came.
func (v *verifier) decodeSpan(ctx context.Context, s *source, span *span) error {
	from := 0.
	if first := math.Floor(span.start) - sourceMargin; first > sourceMargin && s.isIndexed {
		from = first
	}
	until := math.Ceil(span.end) + 1
	seconds := func(v float64) string { return strconv.FormatFloat(v, 'f', 0, 64) }
	// Errors are counted, and frames that have them not made up.
	options := []string{"-threads", "1", "-noautorotate", "-reinit_filter:v", "0", "-err_detect", "explode", "-t", seconds(until - from)}
	if from > 0 {
		options = append(options, "-ss", seconds(from))
	}
	args, err := ffmpeg.InputArgs(s.path, options...)
	if err != nil {
		return err
	}
	args = append([]string{"-max_error_rate", "0"}, args...)
	stream := func(i int) []string {
		return []string{"-avoid_negative_ts", "disabled", "-output_ts_offset", strconv.Itoa(clockOffset), "-write_index", "0",
			"-f", "nut", ffmpeg.OutputURL(0, i)}
	}
	job := ffmpeg.Job{Args: append(args, "-map", fmt.Sprintf("0:%d", s.video.Index), "-vf", sourceFilter(s.video.Video),
		"-fps_mode", "passthrough", "-enc_time_base", "1:1000000", "-c:v", "rawvideo"), Outputs: 1}
	job.Args = append(job.Args, stream(0)...)
	if s.audio != nil {
		// Both are decoded even if only one is compared: of some containers zero
		// is the start of what is decoded.
		job.Args = append(job.Args, "-map", fmt.Sprintf("0:%d", s.audio.Index), "-c:a", "pcm_s16le", "-ac", "1", "-ar", strconv.Itoa(soundRate))
		job.Args = append(job.Args, stream(1)...)
		job.Outputs++
	}
	p, err := v.Tools.Start(ctx, job)
	if err != nil {
		return err
	}
	take := []func(at float64, data []byte){span.takeFrame, span.takeSound}
	limits := []int{thumbSize, maxSoundPacket}
	var g errgroup.Group
	for i := range job.Outputs {
		g.Go(func() error {
			r := p.Output(i)
			defer r.Close() // so that ffmpeg can end
			return eachPacket(r, limits[i], func(at float64, data []byte) { take[i](at+from, data) })
		})
	}
	readErr := g.Wait()
	if err := p.Wait(); err != nil {
		return broken(ctx, "source", err)
	}
	return broken(ctx, "source", readErr)
}

// eachPacket reads a NUT stream. One that breaks off is no error here.
func eachPacket(r io.Reader, limit int, each func(at float64, data []byte)) error {
	in, err := nut.NewReader(r, limit)
	var buf []byte
	for err == nil {
		var f nut.Frame
		if f, err = in.Next(buf); err == nil {
			base := in.Streams()[0].TimeBase
			each(float64(f.PTS-clockOffset*base.Den/base.Num)*float64(base.Num)/float64(base.Den), f.Data)
			buf = f.Data[:0]
		}
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil
	}
	return err
}

// sourceFilter makes thumbs of a source's frames: upright, deinterlaced and in
// standard range, as those of the tuple are.
func sourceFilter(v ffmpeg.Video) string {
	// This scale does nothing until a frame of another size or format comes.
	steps := []string{fmt.Sprintf("scale=%d:%d:flags=bicubic", v.Width, v.Height)}
	switch v.FieldOrder {
	case "tt", "bb", "tb", "bt":
		steps = append(steps, "bwdif=mode=send_frame:deint=interlaced")
	}
	w, h := thumbW, thumbH
	if v.Rotation%180 != 0 {
		w, h = h, w
	}
	switch v.ColorTransfer {
	case "smpte2084", "arib-std-b67":
		// At an even size, since zscale halves that of chroma. Diffuse white, 203
		// cd/m2, is the unit of light; 1000 cd/m2 is white.
		steps = append(steps, fmt.Sprintf("scale=%d:%d:flags=area", 2*w, 2*h), "zscale=tin="+v.ColorTransfer+":min=bt2020nc:pin=bt2020:rin=tv:t=linear:npl=203,format=gbrpf32le,zscale=p=bt709,"+
			"tonemap=tonemap=mobius:param=0.3:desat=0:peak=4.93,zscale=t=bt709:m=bt709:r=tv,format=yuv420p")
	}
	steps = append(steps, fmt.Sprintf("scale=%d:%d:flags=area", w, h), "format=gray")
	if v.Flip {
		steps = append(steps, "hflip")
	}
	switch v.Rotation {
	case 90:
		steps = append(steps, "transpose=clock")
	case 180:
		steps = append(steps, "hflip", "vflip")
	case 270:
		steps = append(steps, "transpose=cclock")
	}
	return strings.Join(steps, ",")
}

// soundtrack puts packets of sound where they are heard, from sample 0 on.
type soundtrack struct {
	samples []float32
	begun   bool
	next    int64 // sample after the last packet
}

// soundJitter is by how many samples a packet's time may differ from where the
// last one ended without a gap or an overlap: 10 ms. Containers round times and
// recorders err by some.
const soundJitter = soundRate / 100

// add takes a packet of 16-bit samples. Of one that begins before the end of the
// last, what overlaps is dropped.
func (s *soundtrack) add(at int64, data []byte) {
	if off := at - s.next; s.begun && off <= soundJitter {
		if off < -soundJitter {
			data = data[min(int64(len(data)), -2*off):]
		}
		at = s.next
	}
	for i := 0; i+1 < len(data); i += 2 {
		if k := at + int64(i/2); k >= 0 && k < int64(len(s.samples)) {
			s.samples[k] = float32(int16(binary.LittleEndian.Uint16(data[i:]))) / (1 << 15)
		}
	}
	s.begun, s.next = true, at+int64(len(data)/2)
}
