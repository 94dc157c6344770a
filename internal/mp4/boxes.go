package mp4

import (
	"fmt"
	"math"

	mp4ff "github.com/Eyevinn/mp4ff/mp4"
)

// movieBox makes all of moov but the chunks' offsets.
func movieBox(tracks []*track) (*mp4ff.MoovBox, error) {
	scale := movieScale(tracks)
	mvhd := mp4ff.CreateMvhd()
	mvhd.Timescale = scale
	mvhd.NextTrackID = uint32(len(tracks) + 1)
	moov := mp4ff.NewMoovBox()
	moov.AddChild(mvhd)
	for i, t := range tracks {
		trak, shown, err := t.box(uint32(i+1), scale)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", t.kind, err)
		}
		moov.AddChild(trak)
		mvhd.Duration = max(mvhd.Duration, shown)
	}
	mvhd.Version = version(mvhd.Duration)
	return moov, nil
}

// movieScale is a scale in which all tracks' times are whole, if 32 bits can
// hold it, else that of the last track, whose edit list is in it.
func movieScale(tracks []*track) uint32 {
	scale := uint64(1)
	for _, t := range tracks {
		a, b := scale, uint64(t.scale)
		for b != 0 {
			a, b = b, a%b
		}
		if scale = scale / a * uint64(t.scale); scale > math.MaxUint32 {
			return tracks[len(tracks)-1].scale
		}
	}
	return uint32(scale)
}

// version of a box that has 64 bits for a duration from version 1 on.
func version(duration uint64) byte {
	if duration > math.MaxUint32 {
		return 1
	}
	return 0
}

// box makes trak, and says how long it is shown in units of 1/movieScale s.
func (t *track) box(id, movieScale uint32) (*mp4ff.TrakBox, uint64, error) {
	length := t.duration() - uint64(t.priming)
	shown := (length*uint64(movieScale) + uint64(t.scale) - 1) / uint64(t.scale)

	tkhd := mp4ff.CreateTkhd()
	tkhd.Flags = 3 // enabled, in the movie
	tkhd.TrackID, tkhd.Duration, tkhd.Version = id, shown, version(shown)
	tkhd.Width, tkhd.Height = mp4ff.Fixed32(t.width<<16), mp4ff.Fixed32(t.height<<16)
	var media mp4ff.Box = mp4ff.CreateVmhd()
	if t.kind == "audio" {
		tkhd.Volume = 0x0100
		media = mp4ff.CreateSmhd()
	}
	trak := mp4ff.NewTrakBox()
	trak.AddChild(tkhd)
	if t.priming > 0 {
		trak.AddChild(t.editList(shown))
	}

	hdlr, err := mp4ff.CreateHdlr(t.kind)
	if err != nil {
		return nil, 0, err
	}
	hdlr.Name = t.kind
	mdhd := &mp4ff.MdhdBox{Timescale: t.scale, Duration: t.duration()}
	mdhd.SetLanguage("und")
	dinf := &mp4ff.DinfBox{}
	dinf.AddChild(mp4ff.CreateDref())
	stbl, err := t.tables()
	if err != nil {
		return nil, 0, err
	}
	minf := mp4ff.NewMinfBox()
	minf.AddChild(media)
	minf.AddChild(dinf)
	minf.AddChild(stbl)
	mdia := mp4ff.NewMdiaBox()
	mdia.AddChild(mdhd)
	mdia.AddChild(hdlr)
	mdia.AddChild(minf)
	trak.AddChild(mdia)
	return trak, shown, nil
}

func (t *track) editList(shown uint64) *mp4ff.EdtsBox {
	edts := &mp4ff.EdtsBox{}
	edts.AddChild(&mp4ff.ElstBox{
		Version: version(shown),
		Entries: []mp4ff.ElstEntry{{SegmentDuration: shown, MediaTime: t.priming, MediaRateInteger: 1}},
	})
	return edts
}

// tables makes stbl.
func (t *track) tables() (*mp4ff.StblBox, error) {
	stbl := mp4ff.NewStblBox()
	stsd := mp4ff.NewStsdBox()
	stsd.AddChild(t.entry)
	stbl.AddChild(stsd)

	stts := &mp4ff.SttsBox{}
	stts.SampleTimeDelta, stts.SampleCount = runs(t.durations)
	stbl.AddChild(stts)
	if t.offsets != nil {
		ctts := &mp4ff.CttsBox{Version: 1}
		values, counts := runs(t.offsets)
		if err := ctts.AddSampleCountsAndOffset(counts, values); err != nil {
			return nil, err
		}
		stbl.AddChild(ctts)
	}
	if t.keys != nil {
		stbl.AddChild(&mp4ff.StssBox{SampleNumber: t.keys})
	}
	stbl.AddChild(t.stsc)
	stsz := &mp4ff.StszBox{SampleNumber: uint32(len(t.data))}
	for _, d := range t.data {
		stsz.SampleSize = append(stsz.SampleSize, uint32(len(d)))
	}
	stbl.AddChild(stsz)
	stbl.AddChild(t.stco)
	return stbl, nil
}

// runs is run-length coding.
func runs[T comparable](list []T) (values []T, counts []uint32) {
	for i, v := range list {
		if i > 0 && v == list[i-1] {
			counts[len(counts)-1]++
			continue
		}
		values, counts = append(values, v), append(counts, 1)
	}
	return values, counts
}
