package nut

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"math/bits"
)

// A Reader reads a NUT stream from its beginning.
type Reader struct {
	in       *bufio.Reader
	maxFrame uint64
	main     *mainHeader
	streams  []Stream
	states   []streamState
	synced   bool   // a syncpoint has been read
	header   []byte // of the frame being read, for its checksum
}

// readBuffer is for headers: a payload larger than it is read without a copy,
// but for what came along with the header.
const readBuffer = 8 << 10

// NewReader reads the headers, up to the first frame. maxFrameBytes bounds the
// memory that Next takes for one frame; it may be at most 2 GiB.
func NewReader(in io.Reader, maxFrameBytes int) (*Reader, error) {
	r := &Reader{in: bufio.NewReaderSize(in, readBuffer), maxFrame: uint64(min(max(maxFrameBytes, 0), math.MaxInt32))}
	id := make([]byte, len(fileID))
	if _, err := io.ReadFull(r.in, id); err != nil {
		return nil, fmt.Errorf("read NUT file id: %w", noEOF(err))
	}
	if string(id) != fileID {
		return nil, fmt.Errorf("%w: begins with %q", ErrCorrupt, id)
	}
	payload, err := r.expect(mainStart)
	if err == nil {
		r.main, err = parseMainHeader(payload)
	}
	if err != nil {
		return nil, fmt.Errorf("read NUT main header: %w", err)
	}
	r.streams = make([]Stream, r.main.streams)
	r.states = make([]streamState, r.main.streams)
	for i := range r.streams {
		if payload, err = r.expect(streamStart); err != nil {
			return nil, fmt.Errorf("read NUT stream header %d: %w", i, err)
		}
		id, stream, state, err := r.main.parseStream(payload)
		if err == nil && id != i {
			err = fmt.Errorf("%w: stream %d", ErrCorrupt, id)
		}
		if err != nil {
			return nil, fmt.Errorf("read NUT stream header %d: %w", i, err)
		}
		r.streams[i], r.states[i] = stream, state
	}
	return r, nil
}

// Streams are the streams' headers. They are not to be changed.
func (r *Reader) Streams() []Stream { return r.streams }

// Next reads the next frame. Its Data is in buf if that is large enough. The
// error is io.EOF after the last frame, and wraps io.ErrUnexpectedEOF when the
// stream ends inside of one.
func (r *Reader) Next(buf []byte) (Frame, error) {
	for {
		first, err := r.in.Peek(1)
		if err != nil {
			return Frame{}, err // io.EOF between packets is the end
		}
		if first[0] == 'N' {
			if err = r.skipPacket(); err != nil {
				return Frame{}, fmt.Errorf("read NUT packet: %w", err)
			}
			continue
		}
		f, last, err := r.frame(buf)
		if err != nil {
			return Frame{}, fmt.Errorf("read NUT frame: %w", noEOF(err))
		}
		if !last {
			return f, nil
		}
	}
}

// skipPacket reads one packet that isn't a frame; only syncpoints matter, since
// headers in the middle are repetitions.
func (r *Reader) skipPacket() error {
	code, size, err := r.packetHeader()
	if err != nil {
		return err
	}
	switch code {
	case syncStart:
		payload, err := r.payload(size)
		if err != nil {
			return err
		}
		return r.sync(payload)
	case mainStart, streamStart, infoStart, indexStart:
		for size > 0 { // in steps, since Discard takes an int
			n, err := r.in.Discard(int(min(size, 1<<30)))
			if err != nil {
				return noEOF(err)
			}
			size -= uint64(n)
		}
		return nil
	default:
		return fmt.Errorf("%w: unknown start code %#x", ErrCorrupt, code)
	}
}

// expect reads a header packet with that start code.
func (r *Reader) expect(want uint64) ([]byte, error) {
	code, size, err := r.packetHeader()
	if err != nil {
		return nil, err
	}
	if code != want {
		return nil, fmt.Errorf("%w: start code %#x, not %#x", ErrCorrupt, code, want)
	}
	return r.payload(size)
}

// packetHeader reads a start code and the number of bytes that follow.
func (r *Reader) packetHeader() (code, size uint64, err error) {
	r.header = r.header[:0]
	for range 8 {
		b, err := r.byte()
		if err != nil {
			return 0, 0, err
		}
		code = code<<8 | uint64(b)
	}
	if size, err = r.varint(); err != nil {
		return 0, 0, err
	}
	if size > largePacket {
		err = r.checksum()
	}
	return code, size, err
}

// payload reads a packet's payload, and checks and drops its checksum.
func (r *Reader) payload(size uint64) ([]byte, error) {
	if size < 4 || size > maxHeaderBytes {
		return nil, fmt.Errorf("%w: header of %d bytes", ErrCorrupt, size)
	}
	payload := make([]byte, size)
	if _, err := io.ReadFull(r.in, payload); err != nil {
		return nil, noEOF(err)
	}
	if crc(payload) != 0 {
		return nil, fmt.Errorf("%w: checksum of a header", ErrCorrupt)
	}
	return payload[:size-4], nil
}

// sync takes the time of a syncpoint, from which all streams go on counting. It
// is signed, though the specification has no negative times: ffmpeg writes the
// decoding time, which is before 0 at the start of H.264 with B-frames.
func (r *Reader) sync(payload []byte) error {
	c := &cursor{rest: payload}
	n, bases := int64(c.v()), int64(len(r.main.timeBases))
	if c.err != nil {
		return c.err
	}
	id := (n%bases + bases) % bases
	at, from := (n-id)/bases, r.main.timeBases[id]
	for i := range r.states {
		to := r.states[i].timeBase
		pts, ok := mulDivFloor(at, uint64(from.Num*to.Den), uint64(from.Den*to.Num))
		if !ok {
			return fmt.Errorf("%w: time %d of a syncpoint", ErrCorrupt, at)
		}
		r.states[i].lastPTS = pts
	}
	r.synced = true
	return nil
}

// mulDivFloor is floor(n*mul/div), if that is a time that can be counted from.
func mulDivFloor(n int64, mul, div uint64) (int64, bool) {
	magnitude := uint64(n)
	if n < 0 {
		magnitude = -magnitude
	}
	hi, lo := bits.Mul64(magnitude, mul)
	if n < 0 {
		var carry uint64
		lo, carry = bits.Add64(lo, div-1, 0) // away from 0
		hi += carry
	}
	if hi >= div {
		return 0, false
	}
	q, _ := bits.Div64(hi, lo, div)
	if q > maxPTS {
		return 0, false
	}
	if n < 0 {
		return -int64(q), true
	}
	return int64(q), true
}

func (r *Reader) byte() (byte, error) {
	b, err := r.in.ReadByte()
	if err != nil {
		return 0, noEOF(err)
	}
	r.header = append(r.header, b)
	return b, nil
}

func (r *Reader) varint() (uint64, error) { return readVarint(r.byte) }

// checksum reads the checksum of all bytes since r.header was emptied.
func (r *Reader) checksum() error {
	want := crc(r.header)
	var sum [4]byte
	if _, err := io.ReadFull(r.in, sum[:]); err != nil {
		return noEOF(err)
	}
	if binary.BigEndian.Uint32(sum[:]) != want {
		return fmt.Errorf("%w: checksum", ErrCorrupt)
	}
	return nil
}

func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
