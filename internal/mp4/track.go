package mp4

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"

	mp4ff "github.com/Eyevinn/mp4ff/mp4"
)

// track is one track, in units of 1/scale s.
type track struct {
	kind      string // "video", "audio"
	scale     uint32
	data      [][]byte // in decoding order
	durations []uint32 // of data, in decoding time
	offsets   []int32  // presentation after decoding; nil: none
	keys      []uint32 // sample numbers from 1; nil: all
	priming   int64    // what the edit list hides
	entry     mp4ff.Box
	width     int
	height    int

	stsc *mp4ff.StscBox
	stco *mp4ff.StcoBox
}

func (t *track) duration() uint64 {
	var sum uint64
	for _, d := range t.durations {
		sum += uint64(d)
	}
	return sum
}

// maxTicks keeps times and their differences in the 32 bits of the boxes.
const maxTicks = math.MaxInt32

func videoTrack(v *Video) (*track, error) {
	num, den := v.TimeBase.Num, v.TimeBase.Den
	switch {
	case num <= 0 || den <= 0 || den > math.MaxUint32:
		return nil, fmt.Errorf("time base %d/%d", num, den)
	case v.Width <= 0 || v.Height <= 0 || v.Width > math.MaxUint16 || v.Height > math.MaxUint16:
		return nil, fmt.Errorf("size %dx%d", v.Width, v.Height)
	case len(v.Samples) == 0:
		return nil, errors.New("no frames")
	case v.Duration <= 0 || v.Duration > maxTicks/num:
		return nil, fmt.Errorf("duration %d in units of %d/%d s", v.Duration, num, den)
	}
	t := &track{kind: "video", scale: uint32(den), width: v.Width, height: v.Height}
	if err := t.time(v); err != nil {
		return nil, err
	}
	config, err := parseConfig(v.Config)
	if err != nil {
		return nil, err
	}
	if err := config.checkSize(v.Width, v.Height); err != nil {
		return nil, err
	}
	t.entry = config.sampleEntry(v)
	for i, s := range v.Samples {
		data, err := config.sample(s.Data)
		if err != nil {
			return nil, fmt.Errorf("frame %d: %w", i, err)
		}
		t.data = append(t.data, data)
		if s.Key {
			t.keys = append(t.keys, uint32(i+1))
		}
	}
	if !v.Samples[0].Key {
		return nil, errors.New("the first frame is no key frame")
	}
	if len(t.keys) == len(t.data) {
		t.keys = nil
	}
	return t, nil
}

// time makes the decoding times, which are the presentation times in rising
// order, and the offsets from them.
func (t *track) time(v *Video) error {
	times := make([]int64, len(v.Samples))
	for i, s := range v.Samples {
		times[i] = s.PTS
	}
	slices.Sort(times)
	if times[0] != 0 {
		return fmt.Errorf("the first frame shown is at %d, not 0", times[0])
	}
	num := v.TimeBase.Num
	for i, start := range times {
		end := v.Duration
		if i+1 < len(times) {
			end = times[i+1]
		}
		if end <= start || end > v.Duration {
			return fmt.Errorf("frame shown from %d to %d of %d", start, end, v.Duration)
		}
		t.durations = append(t.durations, uint32((end-start)*num))
		t.offsets = append(t.offsets, int32((v.Samples[i].PTS-start)*num))
	}
	if !slices.ContainsFunc(t.offsets, func(o int32) bool { return o != 0 }) {
		t.offsets = nil
	}
	return nil
}

// packetSamples is the length of an AAC packet. (That of 960 samples is for
// broadcast only; no encoder here makes it.)
const packetSamples = 1024

func audioTrack(a *Audio) (*track, error) {
	end := int64(a.PrimingSamples) + int64(a.TotalSamples)
	packets := (end + packetSamples - 1) / packetSamples
	switch {
	case a.SampleRate <= 0 || a.SampleRate > math.MaxInt32 || a.Channels <= 0 || a.Channels > math.MaxUint16:
		return nil, fmt.Errorf("%d Hz, %d channels", a.SampleRate, a.Channels)
	case len(a.Config) < 2:
		return nil, fmt.Errorf("AudioSpecificConfig of %d bytes", len(a.Config))
	case a.PrimingSamples < 0 || a.TotalSamples <= 0 || end > maxTicks:
		return nil, fmt.Errorf("%d samples after %d of padding", a.TotalSamples, a.PrimingSamples)
	case packets > int64(len(a.Packets)):
		return nil, fmt.Errorf("%d packets do not hold %d samples", len(a.Packets), end)
	}
	t := &track{kind: "audio", scale: uint32(a.SampleRate), priming: int64(a.PrimingSamples), data: a.Packets[:packets]}
	for range packets {
		t.durations = append(t.durations, uint32(min(packetSamples, end)))
		end -= packetSamples
	}
	rate := a.SampleRate
	if rate > math.MaxUint16 {
		rate = 0 // it has 16 bits; AudioSpecificConfig is what counts
	}
	t.entry = mp4ff.CreateAudioSampleEntryBox("mp4a", uint16(a.Channels), 16, uint16(rate), mp4ff.CreateEsdsBox(a.Config))
	return t, nil
}

// chunk is a run of samples of one track that lie together.
type chunk struct {
	track      *track
	first, end int    // samples, from 0
	start      uint64 // in units of the track
}

func (c chunk) bytes() uint64 {
	var n uint64
	for _, d := range c.track.data[c.first:c.end] {
		n += uint64(len(d))
	}
	return n
}

// interleave cuts each track into chunks of half a second and orders them by
// time, the picture first.
func interleave(tracks []*track) []chunk {
	var chunks []chunk
	for _, t := range tracks {
		c := chunk{track: t}
		at := uint64(0)
		for i, d := range t.durations {
			if at-c.start >= uint64(t.scale+1)/2 {
				c.end = i
				chunks = append(chunks, c)
				c = chunk{track: t, first: i, start: at}
			}
			at += uint64(d)
		}
		c.end = len(t.durations)
		chunks = append(chunks, c)
	}
	slices.SortStableFunc(chunks, func(a, b chunk) int { // both products have less than 64 bits
		return cmp.Compare(a.start*uint64(b.track.scale), b.start*uint64(a.track.scale))
	})
	for _, t := range tracks {
		t.chunkTable(chunks)
	}
	return chunks
}

func (t *track) chunkTable(chunks []chunk) {
	t.stco, t.stsc = &mp4ff.StcoBox{}, &mp4ff.StscBox{}
	number, last := uint32(0), uint32(0)
	for _, c := range chunks {
		if c.track != t {
			continue
		}
		number++
		if n := uint32(c.end - c.first); n != last {
			t.stsc.Entries = append(t.stsc.Entries, mp4ff.StscEntry{FirstChunk: number, SamplesPerChunk: n})
			last = n
		}
	}
	t.stsc.SetSingleSampleDescriptionID(1)
	t.stco.ChunkOffset = make([]uint32, number) // filled in by Write
}
