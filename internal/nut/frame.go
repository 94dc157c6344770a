package nut

import (
	"fmt"
	"io"
)

// maxReserved bounds the fields of later versions in a frame's header.
const maxReserved = 256

// frame reads one frame. last says that it only marks the end of its stream.
func (r *Reader) frame(buf []byte) (f Frame, last bool, err error) {
	if !r.synced {
		return f, false, fmt.Errorf("%w: frame before the first syncpoint", ErrCorrupt)
	}
	code, flags, err := r.frameFlags()
	if err != nil {
		return f, false, err
	}
	f.Stream, f.Key = code.stream, flags&flagKey != 0
	if flags&flagStreamID != 0 {
		id, err := r.varint()
		if err != nil {
			return f, false, err
		}
		if id >= uint64(len(r.states)) {
			return f, false, fmt.Errorf("%w: stream %d", ErrCorrupt, id)
		}
		f.Stream = int(id)
	}
	if f.PTS, err = r.pts(&r.states[f.Stream], code, flags); err != nil {
		return f, false, err
	}
	size, elided, err := r.frameSize(code, flags)
	if err != nil {
		return f, false, err
	}
	if flags&flagChecksum != 0 {
		if err = r.checksum(); err != nil {
			return f, false, err
		}
	}
	r.states[f.Stream].lastPTS = f.PTS
	if flags&flagSideData != 0 {
		if size, err = r.skipSideData(size); err != nil {
			return f, false, err
		}
	}
	total := len(elided) + size
	if cap(buf) < total {
		buf = make([]byte, total)
	}
	f.Data = buf[:total]
	copy(f.Data, elided)
	_, err = io.ReadFull(r.in, f.Data[len(elided):])
	return f, flags&flagEOR != 0, err
}

func (r *Reader) frameFlags() (code *frameCode, flags uint64, err error) {
	r.header = r.header[:0]
	b, err := r.byte()
	if err != nil {
		return nil, 0, err
	}
	code = &r.main.codes[b]
	flags = code.flags
	if flags&flagCoded != 0 {
		coded, err := r.varint()
		if err != nil {
			return nil, 0, err
		}
		flags ^= coded
	}
	if flags&flagInvalid != 0 {
		return nil, 0, fmt.Errorf("%w: frame code %d", ErrCorrupt, b)
	}
	return code, flags, nil
}

// pts is the frame's time: the difference from the stream's last one, or the low
// bits of it, those nearest to the last, or all of it.
func (r *Reader) pts(s *streamState, code *frameCode, flags uint64) (int64, error) {
	pts := s.lastPTS
	if flags&flagCodedPTS == 0 {
		if code.ptsDelta > maxPTS || code.ptsDelta < -maxPTS {
			return 0, fmt.Errorf("%w: time difference %d", ErrCorrupt, code.ptsDelta)
		}
		pts += code.ptsDelta
	} else {
		coded, err := r.varint()
		if err != nil {
			return 0, err
		}
		if coded > maxPTS {
			return 0, fmt.Errorf("%w: time %d", ErrCorrupt, coded)
		}
		if n := int64(coded); n < 1<<s.msbShift {
			mask := int64(1)<<s.msbShift - 1
			from := s.lastPTS - mask/2
			pts = (n-from)&mask + from
		} else {
			pts = n - 1<<s.msbShift
		}
	}
	if pts > maxPTS || pts < -maxPTS {
		return 0, fmt.Errorf("%w: time %d", ErrCorrupt, pts)
	}
	return pts, nil
}

// frameSize reads the rest of a frame's header: the number of bytes that follow
// it, and those that were left out before them.
func (r *Reader) frameSize(code *frameCode, flags uint64) (size int, elided []byte, err error) {
	total := code.sizeLSB
	if flags&flagSizeMSB != 0 {
		msb, err := r.varint()
		if err != nil {
			return 0, nil, err
		}
		if msb > r.maxFrame { // so that the product does not overflow
			return 0, nil, r.tooLarge(msb)
		}
		total += msb * code.sizeMul
	}
	if total > r.maxFrame {
		return 0, nil, r.tooLarge(total)
	}
	if flags&flagMatchTime != 0 {
		if _, err = r.varint(); err != nil {
			return 0, nil, err
		}
	}
	idx := uint64(code.headerIdx)
	if flags&flagHeaderIdx != 0 {
		if idx, err = r.varint(); err != nil {
			return 0, nil, err
		}
	}
	if err = r.skipReserved(code, flags); err != nil {
		return 0, nil, err
	}
	if idx >= uint64(len(r.main.elisions)) {
		return 0, nil, fmt.Errorf("%w: elision header %d", ErrCorrupt, idx)
	}
	if total <= largePacket {
		elided = r.main.elisions[idx]
	}
	if uint64(len(elided)) > total {
		return 0, nil, fmt.Errorf("%w: frame of %d bytes without its first %d", ErrCorrupt, total, len(elided))
	}
	return int(total) - len(elided), elided, nil
}

func (r *Reader) tooLarge(size uint64) error {
	return fmt.Errorf("%w: frame of %d bytes, more than %d", ErrCorrupt, size, r.maxFrame)
}

func (r *Reader) skipReserved(code *frameCode, flags uint64) error {
	count := code.reserved
	if flags&flagReserved != 0 {
		var err error
		if count, err = r.varint(); err != nil {
			return err
		}
	}
	if count > maxReserved {
		return fmt.Errorf("%w: %d reserved fields", ErrCorrupt, count)
	}
	for range count {
		if _, err := r.varint(); err != nil {
			return err
		}
	}
	return nil
}

// skipSideData passes over the side data and the metadata at the start of a
// frame of size bytes, and returns how many are left.
func (r *Reader) skipSideData(size int) (int, error) {
	side := &limitedBytes{r: r, left: size}
	for range 2 {
		count, err := readVarint(side.next)
		if err != nil {
			return 0, err
		}
		for ; count > 0; count-- { // each takes a byte at least
			if err := side.skipItem(); err != nil {
				return 0, err
			}
		}
	}
	return side.left, nil
}

// limitedBytes reads what is counted as part of a frame.
type limitedBytes struct {
	r    *Reader
	left int
}

func (l *limitedBytes) next() (byte, error) {
	if l.left == 0 {
		return 0, fmt.Errorf("%w: side data longer than its frame", ErrCorrupt)
	}
	l.left--
	return l.r.in.ReadByte()
}

// skipItem passes over a name and a value, whose type is in its number: text,
// bytes, a signed number, a time, a fraction, or the number itself.
func (l *limitedBytes) skipItem() error {
	if err := l.skipBytes(); err != nil { // the name
		return err
	}
	value, err := readVarint(l.next)
	if err != nil {
		return err
	}
	switch kind := signed(value); {
	case kind == -1:
		return l.skipBytes()
	case kind == -2:
		if err := l.skipBytes(); err != nil { // the type's name
			return err
		}
		return l.skipBytes()
	case kind < -2:
		_, err := readVarint(l.next)
		return err
	}
	return nil
}

func (l *limitedBytes) skipBytes() error {
	n, err := readVarint(l.next)
	if err != nil {
		return err
	}
	for ; n > 0; n-- {
		if _, err := l.next(); err != nil {
			return err
		}
	}
	return nil
}
