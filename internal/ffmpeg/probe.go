package ffmpeg

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Rational is a fraction as ffprobe gives it. 0/0 is "unknown".
type Rational struct{ Num, Den int64 }

// Float is the fraction's value, 0 if it is unknown.
func (r Rational) Float() float64 {
	if r.Den == 0 {
		return 0
	}
	return float64(r.Num) / float64(r.Den)
}

// Probe is what a media file says of itself. None of it has been checked
// against the streams' content. Zero values are unknown ones.
type Probe struct {
	Format   string // the demuxer's names, such as "mov,mp4,m4a,3gp,3g2,mj2"
	Start    time.Duration
	Duration time.Duration
	Bytes    int64
	Title    string
	Streams  []Stream // by rising Index
}

// Stream is one stream of a Probe.
type Stream struct {
	Index    int
	Type     string // video, audio, subtitle, data, attachment
	Codec    string // such as "h264"; "" if ffmpeg knows none
	Profile  string
	Language string // as tagged; "" for none and for "und"

	TimeBase    Rational // seconds per unit of StartPTS and DurationPTS
	StartPTS    int64
	DurationPTS int64
	Start       time.Duration
	Duration    time.Duration // also where DurationPTS is unknown, of a tag
	FrameCount  int64         // as the container says

	Default         bool
	AttachedPicture bool

	Video Video // of a video stream
	Audio Audio // of an audio stream
}

// Video is what is particular to a video stream.
type Video struct {
	Width, Height           int // as decoded, before rotation
	CodedWidth, CodedHeight int
	PixelFormat             string
	SampleAspect            Rational

	// Flip and Rotation turn a decoded frame into the displayed one: first
	// mirror it left to right if Flip, then rotate it clockwise by Rotation,
	// which is 0, 90, 180 or 270 degrees.
	Flip     bool
	Rotation int

	FieldOrder     string // progressive, tt, bb, tb, bt
	ColorRange     string // tv, pc
	ColorSpace     string
	ColorTransfer  string
	ColorPrimaries string
	BitsPerSample  int
	AverageRate    Rational // frames per second
	BaseRate       Rational // the lowest rate that fits all times
	ReorderFrames  int      // has_b_frames
}

// Audio is what is particular to an audio stream.
type Audio struct {
	SampleRate int // Hz
	Channels   int
	Layout     string // such as "stereo"; "" if unknown
}

// Probe reads the file at path by ffprobe. Its error is a [*ExitError] if that
// could not open or understand it.
func (t Tools) Probe(ctx context.Context, path string) (Probe, error) {
	input, err := InputArgs(path)
	if err != nil {
		return Probe{}, fmt.Errorf("probe: %w", err)
	}
	args := append([]string{"-hide_banner", "-v", "error", "-show_format", "-show_streams", "-of", "json"}, input...)
	out, err := capture(ctx, t.FFprobe, args)
	if err != nil {
		return Probe{}, fmt.Errorf("probe %s: %w", path, err)
	}
	probe, err := parseProbe(out)
	if err != nil {
		return Probe{}, fmt.Errorf("probe %s: %w", path, err)
	}
	return probe, nil
}

// VideoStream is the stream to take for the picture, nil if there is none:
// never an attached picture; the one marked default, then the one with the most
// pixels, then the first.
func (p *Probe) VideoStream() *Stream {
	var best *Stream
	for i := range p.Streams {
		s := &p.Streams[i]
		if s.Type == "video" && !s.AttachedPicture && (best == nil || betterVideo(s, best) < 0) {
			best = s
		}
	}
	return best
}

func betterVideo(a, b *Stream) int {
	if a.Default != b.Default {
		if a.Default {
			return -1
		}
		return 1
	}
	return cmp.Compare(pixels(b), pixels(a))
}

func pixels(s *Stream) int64 { return int64(s.Video.Width) * int64(s.Video.Height) }

// AudioStream is the stream to take for the sound, nil if there is none: the one
// marked default, else the first that can be decoded.
func (p *Probe) AudioStream() (best *Stream) {
	for i := range p.Streams {
		s := &p.Streams[i]
		isUsable := s.Type == "audio" && s.Codec != "" && s.Codec != "unknown" && s.Audio.SampleRate > 0 && s.Audio.Channels > 0
		if isUsable && (best == nil || s.Default && !best.Default) {
			best = s
		}
	}
	return best
}

// IsIndexed tells whether the container says where each frame of a stream lies, so
// that a seek to a whole second is exact. On a clock that is a part of the
// source's only, it can be off by a tick.
func (p *Probe) IsIndexed(s *Stream) bool {
	return s.TimeBase.Num == 1 && (strings.HasPrefix(p.Format, "mov,") || strings.HasPrefix(p.Format, "matroska"))
}

// SubtitleStreams are the subtitle streams, by rising index.
func (p *Probe) SubtitleStreams() []Stream { return p.ofType("subtitle") }

func (p *Probe) ofType(kind string) []Stream {
	return slices.DeleteFunc(slices.Clone(p.Streams), func(s Stream) bool { return s.Type != kind })
}
