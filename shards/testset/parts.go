package testset

import (
	"testing"

	"micodata/dataset"
	"micodata/internal/table"
)

// Parts are two parts of two sources each: six good clips, a clip that failed, a
// source that could not be fetched, a clip without depth, one without sound.
func Parts(t testing.TB) []Part {
	t.Helper()
	lost := NewSource("lost")
	lost.Outcome = dataset.Outcome{Status: dataset.Failed, Class: dataset.Network, Error: "connection reset"}
	failed := dataset.Outcome{Status: dataset.Skipped, Class: dataset.TooShort, Error: "0.4 s"}
	spoken := NewSource("c")
	spoken.Texts = []dataset.Text{{Text: "an alt text", Kind: "alt"}, {Text: "from elsewhere", Kind: "imported", Lang: "en"}}
	p := []Part{
		{Sources: []*dataset.Source{NewSource("a"), lost}},
		{Sources: []*dataset.Source{NewSource("b"), spoken}},
	}
	row := func(n int, key string) Row { return NewRow(Make(t, n, 0), key, float64(2*n)) }
	p[0].Rows = []Row{row(0, "a.00000"), FailedRow("a.00001", failed), row(1, "a.00002"), FailedRow("lost.00000", lost.Outcome)}
	p[1].Rows = []Row{row(2, "b.00000"), row(3, "b.00001"), row(4, "c.00000"), row(5, "c.00001")}
	noDepth := p[1].Rows[1].Depth
	noDepth.Depth, noDepth.Meta, noDepth.Outcome = table.Blob{}, nil, dataset.Outcome{Status: dataset.Failed, Class: dataset.Labeler, Error: "NaN"}
	mute := p[1].Rows[2].Clip
	mute.Audio, mute.AudioRate, mute.AudioChannels = table.Blob{}, 0, 0
	mute.Silence = 1
	mute.Subtitles = nil
	mute.Errors = []dataset.StageError{{Stage: "extract/audio", Class: dataset.Corrupt, Error: "no packet decodes"}}
	return p
}

// PartsWithFrames are [Parts] whose clips have the maps of their frames too.
func PartsWithFrames(t testing.TB) []Part {
	t.Helper()
	p := Parts(t)
	for _, part := range p {
		for i, r := range part.Rows {
			part.Rows[i] = WithFrames(r)
		}
	}
	return p
}

// PartsWithLostMaps are [PartsWithFrames] of which depth maps were lost, and say so:
// of a.00002 those of frames 1 and 6, of b.00001 that of the key frame alone.
func PartsWithLostMaps(t testing.TB) []Part {
	t.Helper()
	p := PartsWithFrames(t)
	lacks := p[0].Rows[2].Depth
	for _, i := range []int{1, 6} {
		lacks.Frames[i].Map = table.Blob{}
		lacks.Errors = append(lacks.Errors, dataset.FrameError(dataset.StageDepth, i, dataset.Fail(dataset.Labeler, "NaN")))
	}
	p[1].Rows[1].Depth.Meta = p[1].Rows[0].Depth.Meta // of its frames
	return p
}
