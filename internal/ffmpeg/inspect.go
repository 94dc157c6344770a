package ffmpeg

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
)

// An Inspection is a decode of one stream that shows which packets ffmpeg
// complains about.
type Inspection struct {
	Path   string
	Format string // Probe.Format
	Stream int    // Stream.Index
	Limits Limits
}

// A Packet is a packet of a stream and what came of it. Times are in units of
// the stream's time base, on the file's own clock; NoTime is one that is not
// known.
type Packet struct {
	PTS, DTS, Duration int64
	Key                bool // decoding can start here
	Discard            bool // decoded, but not shown
	Frames             int  // that the decoder gave between this packet and the next
	// Decoder is the first error that was reported of this packet, as in "h264:
	// no frame!", Demuxer that of what comes after it; "" if all is well.
	Decoder, Demuxer string
}

// NoTime is a time that is not known.
const NoTime = math.MinInt64

// Inspect decodes a stream from its beginning and calls visit for each packet, in
// decoding order, until visit returns false. The error is as in [Process.Wait];
// packets before it have been visited.
//
// It is ffprobe that decodes, since that does one thing at a time: it writes a
// packet out, then decodes it, then reads the next. So errors stand in one stream
// of lines with the packets, after the one they are about. ffmpeg from 7 on
// demuxes, decodes and filters in threads of their own, which report in any order.
func (t Tools) Inspect(ctx context.Context, in Inspection, visit func(Packet) bool) error {
	input, err := InputArgs(in.Path, "-threads", "1")
	if err != nil {
		return fmt.Errorf("inspect: %w", err)
	}
	// repeat: a message that is said again is written again.
	args := append([]string{"-hide_banner", "-v", "repeat+level+error", "-select_streams", strconv.Itoa(in.Stream),
		"-show_packets", "-show_frames", "-show_entries", "packet=pts,dts,duration,flags:frame=pts", "-of", "compact"}, input...)
	r := &inspector{demuxer: in.Format, visit: visit}
	p, err := Start(ctx, t.FFprobe, Job{Args: args, Stdout: r, OneOutput: true, Limits: in.Limits})
	if err != nil {
		return err
	}
	err = p.Wait()
	if r.isDone {
		return nil
	}
	r.next(nil)
	return err
}

// An inspector reads ffprobe's lines.
type inspector struct {
	demuxer string
	visit   func(Packet) bool
	line    []byte  // begun, at most maxLine bytes of it
	packet  *Packet // the last; nil before the first
	isDone  bool    // visit wants no more
}

// maxLine bounds what is kept of a line.
const maxLine = 1 << 10

var errInspected = errors.New("no more is asked for")

// Write takes the next bytes; an error ends the process.
func (r *inspector) Write(b []byte) (int, error) {
	n := len(b)
	for len(b) > 0 {
		part, rest, isWhole := bytes.Cut(b, []byte("\n"))
		r.line = append(r.line, part[:min(len(part), maxLine-len(r.line))]...)
		if isWhole {
			r.take(string(r.line))
			r.line = r.line[:0]
		}
		if r.isDone {
			return 0, errInspected
		}
		b = rest
	}
	return n, nil
}

// next visits the last packet, all of which is known when another one comes.
func (r *inspector) next(p *Packet) {
	if r.packet != nil && !r.visit(*r.packet) {
		r.isDone = true
	}
	r.packet = p
}

func (r *inspector) take(line string) {
	switch {
	case strings.HasPrefix(line, "packet|"):
		r.next(parsePacket(line))
	case r.packet == nil:
		// What is said while the file is opened is said again when it is read.
	case strings.HasPrefix(line, "frame|"):
		r.packet.Frames++
	default:
		r.complain(line)
	}
}

// said matches an error of a part of ffmpeg: its name and the message.
var said = regexp.MustCompile(`^(?:\[[^]]* @ [^]]*\] )*\[([^]]*) @ [^]]*\] \[(?:error|fatal|panic)\] (.*)`)

func (r *inspector) complain(line string) {
	m := said.FindStringSubmatch(line)
	if m == nil {
		return
	}
	text := m[1] + ": " + oneLine(m[2])
	switch m[1] {
	case "NULL":
		// A parser, of the packet that comes next: its decoder will say so.
	case r.demuxer:
		if r.packet.Demuxer == "" {
			r.packet.Demuxer = text
		}
	default:
		if r.packet.Decoder == "" {
			r.packet.Decoder = text
		}
	}
}

// parsePacket reads a line such as "packet|pts=1024|dts=512|duration=512|flags=K_".
func parsePacket(line string) *Packet {
	p := &Packet{PTS: NoTime, DTS: NoTime}
	for field := range strings.SplitSeq(line, "|") {
		name, value, _ := strings.Cut(field, "=")
		n, err := strconv.ParseInt(value, 10, 64)
		switch {
		case name == "flags":
			p.Key, p.Discard = strings.Contains(value, "K"), strings.Contains(value, "D")
		case err != nil: // "N/A"
		case name == "pts":
			p.PTS = n
		case name == "dts":
			p.DTS = n
		case name == "duration":
			p.Duration = n
		}
	}
	return p
}
