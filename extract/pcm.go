package extract

import "math"

// pcm is a stretch of a source's sound in 16-bit samples, little-endian and
// interleaved, on the source's clock: sample i is heard i/rate seconds after the
// container's start. What was never decoded is silence.
type pcm struct {
	rate, channels int
	pieces         []piece // rising, without overlap
	bytes          int     // in all pieces
	done           bool    // nothing follows
}

// piece is sound without a gap.
type piece struct {
	at   int64 // of the first sample
	data []byte
}

// pieceBytes is what is kept together: a third of a second of stereo.
const pieceBytes = 64 << 10

// maxJitter is by how many seconds a packet's time may differ from where the
// last one ended without being taken for a gap or an overlap. Matroska rounds
// times to 1 ms and live recorders err by some; the shortest lost packet, of
// Opus, is 20 ms.
const maxJitter = 0.010

func (p *pcm) frameBytes() int { return 2 * p.channels }

// end is the sample up to which the sound is known.
func (p *pcm) end() int64 {
	if p.done {
		return math.MaxInt64
	}
	return p.next()
}

// next is the sample after the last one there is.
func (p *pcm) next() int64 {
	if len(p.pieces) == 0 {
		return math.MinInt64
	}
	last := p.pieces[len(p.pieces)-1]
	return last.at + int64(len(last.data)/p.frameBytes())
}

// add appends a copy of a packet. Of one whose time lies before the end, what
// overlaps is lost.
func (p *pcm) add(at int64, data []byte) {
	size := p.frameBytes()
	data = data[:len(data)-len(data)%size]
	if len(p.pieces) > 0 {
		next := p.next()
		if off := at - next; math.Abs(float64(off)) <= maxJitter*float64(p.rate) {
			at = next
		} else if off < 0 {
			data, at = data[min(int64(len(data)), -off*int64(size)):], next
		}
		if last := &p.pieces[len(p.pieces)-1]; at == next && len(last.data)+len(data) <= cap(last.data) {
			last.data = append(last.data, data...)
			p.bytes += len(data)
			return
		}
	}
	if len(data) == 0 {
		return
	}
	kept := append(make([]byte, 0, max(pieceBytes, len(data))), data...)
	p.pieces = append(p.pieces, piece{at: at, data: kept})
	p.bytes += len(data)
}

// forget drops pieces that lie wholly before the given sample, except the last,
// which tells where the sound ends.
func (p *pcm) forget(before int64) {
	n := 0
	for n < len(p.pieces)-1 && p.pieces[n+1].at <= before {
		p.bytes -= len(p.pieces[n].data)
		p.pieces[n] = piece{}
		n++
	}
	p.pieces = p.pieces[n:]
}

// slice copies the samples [from, to).
func (p *pcm) slice(from, to int64) []byte {
	size := int64(p.frameBytes())
	out := make([]byte, max(0, to-from)*size)
	for _, piece := range p.pieces {
		if piece.at >= to {
			break
		}
		data, at := piece.data, (piece.at-from)*size
		if at < 0 {
			data, at = data[min(int64(len(data)), -at):], 0
		}
		copy(out[at:], data)
	}
	return out
}

// sampleAt is the sample of sound at rate Hz that is heard at a time in seconds.
func sampleAt(rate int, seconds float64) int64 { return int64(math.Round(seconds * float64(rate))) }
