package extract

import (
	"slices"

	"micodata/internal/mp4"
)

// codedVideo is a stretch of a source's video as it is coded there: packets in
// decoding order, from the first that a clip still needs.
type codedVideo struct {
	packets []packet
	bytes   int
}

// maxCodedVideo bounds the packets, in bytes. A clip has half of it at most, since
// a row takes no more of video; the rest is for what comes ahead of the frames,
// which is not the same every time.
const maxCodedVideo = 2 * maxCoded

func (v *codedVideo) add(pk packet) {
	v.packets = append(v.packets, pk)
	v.bytes += len(pk.data)
	n := 0
	for v.bytes > maxCodedVideo {
		v.bytes -= len(v.packets[n].data)
		n++
	}
	v.packets = slices.Delete(v.packets, 0, n)
}

// forget drops packets that are shown before the given tick, until one is not.
func (v *codedVideo) forget(before int64) {
	n := 0
	for n < len(v.packets) && v.packets[n].at < before {
		v.bytes -= len(v.packets[n].data)
		n++
	}
	v.packets = slices.Delete(v.packets, 0, n)
}

// start is the index of the IDR picture that is shown at the given tick: what
// follows it in decoding order needs nothing before it. It is -1 if there is
// none. isKnown is false while packets may come that tell; isWhole says that none
// will.
func (v *codedVideo) start(at int64, isWhole bool) (index int, isKnown bool) {
	for i, pk := range v.packets {
		if pk.at < at {
			continue
		}
		// An IDR picture comes before all that is shown after it.
		if pk.at == at && pk.key && mp4.IsIDR(pk.data) {
			return i, true
		}
		return -1, true
	}
	return -1, isWhole
}

// holds tells whether as many packets have come since the clip's start as it has
// frames.
func (v *codedVideo) holds(c *clip) bool {
	first, isKnown := v.start(c.start, false)
	return isKnown && (first < 0 || len(v.packets)-first >= len(c.times))
}

// copyTo gives a clip its frames as they are coded, if that is exact: the packets
// from its IDR picture on are its frames, all of them and no other.
func (v *codedVideo) copyTo(c *clip) bool {
	first, _ := v.start(c.start, true)
	n := len(c.times)
	if first < 0 || len(v.packets)-first < n {
		return false
	}
	packets := v.packets[first : first+n]
	times, bytes := make([]int64, n), 0
	for i, pk := range packets {
		times[i] = pk.at
		bytes += len(pk.data)
	}
	slices.Sort(times)
	if !slices.Equal(times, c.times) || bytes > maxCoded {
		return false
	}
	for _, pk := range packets {
		c.frames = append(c.frames, coded{lane: videoLane, at: pk.at - c.start, key: pk.key && mp4.IsIDR(pk.data), data: pk.data})
	}
	c.hasVideo = true
	return true
}
