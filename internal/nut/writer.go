package nut

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
)

// A Writer writes a NUT stream for a pipe: without an index. After each frame
// all bytes are with the underlying writer, so that there is nothing to close.
type Writer struct {
	out      *bufio.Writer // of headers
	under    io.Writer     // of out
	streams  []Stream
	pos      int64 // bytes written
	syncedAt int64 // pos at the last syncpoint, -1 before the first
	scratch  []byte
}

// maxDistance is how far apart syncpoints may be, the most that ffmpeg takes.
const maxDistance = 1 << 16

// frameCodeCoded is the one frame code in use, of which all fields are coded.
const frameCodeCoded = 1

// NewWriter writes the headers. There must be one to 256 streams.
func NewWriter(w io.Writer, streams []Stream) (*Writer, error) {
	if len(streams) == 0 || len(streams) > maxStreams {
		return nil, fmt.Errorf("write NUT: %d streams", len(streams))
	}
	nw := &Writer{out: bufio.NewWriter(w), under: w, streams: streams, syncedAt: -1}
	nw.write([]byte(fileID))
	nw.packet(mainStart, nw.mainHeader())
	for i := range streams {
		header, err := streamHeader(i, &streams[i])
		if err != nil {
			return nil, fmt.Errorf("write NUT stream %d: %w", i, err)
		}
		nw.packet(streamStart, header)
	}
	if err := nw.out.Flush(); err != nil {
		return nil, fmt.Errorf("write NUT headers: %w", err)
	}
	return nw, nil
}

func (w *Writer) mainHeader() []byte {
	p := appendVarints(nil, 3 /* version */, uint64(len(w.streams)), maxDistance, uint64(len(w.streams)))
	for _, s := range w.streams {
		p = appendVarints(p, uint64(s.TimeBase.Num), uint64(s.TimeBase.Den))
	}
	// The frame codes: 0 is invalid, 1 has all fields coded, the rest is
	// invalid; each run with as few fields as give it the right length.
	p = appendVarints(p, flagInvalid, 0)
	p = appendVarints(p, flagCoded, 0)
	p = appendVarints(p, flagInvalid, 6, 0, 1, 0, 0, 0, 256-2-1 /* 'N' is not counted */)
	return appendVarints(p, 0) // elision headers
}

func streamHeader(i int, s *Stream) ([]byte, error) {
	const most = math.MaxInt32
	num, den := s.TimeBase.Num, s.TimeBase.Den
	switch {
	case num <= 0 || den <= 0 || num > most || den > most || gcd(num, den) != 1:
		return nil, fmt.Errorf("time base %d/%d", num, den)
	case len(s.FourCC) != 2 && len(s.FourCC) != 4:
		return nil, fmt.Errorf("codec name %q", s.FourCC)
	case len(s.CodecData) > maxHeaderBytes/2:
		return nil, fmt.Errorf("%d bytes of codec data", len(s.CodecData))
	case s.DecodeDelay < 0:
		return nil, fmt.Errorf("decode delay %d", s.DecodeDelay)
	}
	p := appendVarints(nil, uint64(i), uint64(s.Class), uint64(len(s.FourCC)))
	p = append(p, s.FourCC...)
	p = appendVarints(p, uint64(i), // its time base
		0,    // msb_pts_shift: times are written whole
		most, // max_pts_distance: every frame has a checksum anyway
		uint64(s.DecodeDelay), 0, uint64(len(s.CodecData)))
	p = append(p, s.CodecData...)
	switch s.Class {
	case ClassVideo:
		if s.Width <= 0 || s.Height <= 0 || s.SampleAspect.Num < 0 || s.SampleAspect.Den < 0 {
			return nil, fmt.Errorf("size %dx%d, sample aspect %v", s.Width, s.Height, s.SampleAspect)
		}
		p = appendVarints(p, uint64(s.Width), uint64(s.Height),
			uint64(s.SampleAspect.Num), uint64(s.SampleAspect.Den), 0)
	case ClassAudio:
		if s.SampleRate.Num <= 0 || s.SampleRate.Den <= 0 || s.Channels <= 0 {
			return nil, fmt.Errorf("%v Hz, %d channels", s.SampleRate, s.Channels)
		}
		p = appendVarints(p, uint64(s.SampleRate.Num), uint64(s.SampleRate.Den), uint64(s.Channels))
	case ClassSubtitle, ClassData:
	default:
		return nil, fmt.Errorf("class %d", s.Class)
	}
	return p, nil
}

func gcd(a, b int64) int64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

var errFrame = errors.New("frame cannot be written")

// WriteFrame writes one frame. Frames come in decoding order, those of different
// streams as they are to be read; times must not be negative.
func (w *Writer) WriteFrame(f Frame) error {
	return w.WriteFrameFrom(f, len(f.Data), func(out io.Writer) error {
		_, err := out.Write(f.Data)
		return err
	})
}

// WriteFrameFrom writes one frame as WriteFrame does, but for its Data: those are
// what payload writes, exactly size bytes.
func (w *Writer) WriteFrameFrom(f Frame, size int, payload func(io.Writer) error) error {
	if f.Stream < 0 || f.Stream >= len(w.streams) || f.PTS < 0 || f.PTS > maxPTS/maxStreams {
		return fmt.Errorf("%w: stream %d, time %d", errFrame, f.Stream, f.PTS)
	}
	// Half the distance leaves room for any frame's header.
	if w.syncedAt < 0 || w.pos-w.syncedAt > maxDistance/2 {
		w.syncedAt = w.pos
		at := uint64(f.PTS)*uint64(len(w.streams)) + uint64(f.Stream)
		w.packet(syncStart, appendVarints(nil, at, 0 /* back_ptr, for seeking */))
	}
	flags := uint64(flagCodedPTS | flagStreamID | flagSizeMSB | flagChecksum)
	if f.Key {
		flags |= flagKey
	}
	p := append(w.scratch[:0], frameCodeCoded)
	p = appendVarints(p, flags, uint64(f.Stream), uint64(f.PTS)+1 /* +1: it is whole */, uint64(size))
	p = binary.BigEndian.AppendUint32(p, crc(p))
	w.scratch = p
	w.write(p)
	err := w.out.Flush()
	if err == nil {
		err = payload(w.under)
		w.pos += int64(size)
	}
	if err != nil {
		return fmt.Errorf("write NUT frame: %w", err)
	}
	return nil
}

// packet writes a packet that is no frame.
func (w *Writer) packet(code uint64, payload []byte) {
	p := binary.BigEndian.AppendUint64(nil, code)
	p = appendVarint(p, uint64(len(payload)+4))
	if len(payload)+4 > largePacket {
		p = binary.BigEndian.AppendUint32(p, crc(p))
	}
	w.write(p)
	w.write(payload)
	w.write(binary.BigEndian.AppendUint32(nil, crc(payload)))
}

// write leaves its error to the next Flush.
func (w *Writer) write(p []byte) {
	n, _ := w.out.Write(p)
	w.pos += int64(n)
}

func appendVarints(p []byte, values ...uint64) []byte {
	for _, v := range values {
		p = appendVarint(p, v)
	}
	return p
}
