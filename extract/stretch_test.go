package extract

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"micodata/dataset"
	"micodata/internal/ffmpeg"
	"micodata/internal/table"
)

// packets makes a stream of one packet a tick of 1/10 s: "K" can be decoded from,
// "x" is complained about, "X" both, "|" loses what follows, "0" gives no frame.
// Where a digit follows a letter, it is how many ticks later than decoded the
// packet is shown.
func packets(s string) []ffmpeg.Packet {
	var all []ffmpeg.Packet
	for _, c := range s {
		if c >= '1' && c <= '9' {
			all[len(all)-1].PTS += int64(c - '0')
			continue
		}
		at := int64(len(all))
		p := ffmpeg.Packet{PTS: at, DTS: at, Duration: 1, Frames: 1, Key: strings.ContainsRune("KX", c)}
		switch c {
		case 'x', 'X':
			p.Decoder = "h264: no frame!"
		case '|':
			p.Demuxer = "matroska: no cluster"
		case '0':
			p.Frames = 0
		}
		all = append(all, p)
	}
	return all
}

func TestDamageGoesOnToTheNextWholeKeyframe(t *testing.T) {
	for _, test := range []struct {
		name, packets string
		stream        ffmpeg.Stream
		want          string
	}{
		{"whole", "K....K..", ffmpeg.Stream{}, ""},
		{"in one group", "K..x..K...", ffmpeg.Stream{}, "0.3-0.6"},
		{"the keyframe", "K..X..K...", ffmpeg.Stream{}, "0.3-0.6"},
		{"two groups", "K.x.X..K..", ffmpeg.Stream{}, "0.2-0.7"},
		{"two places", "K.x.K..xK.", ffmpeg.Stream{}, "0.2-0.4 0.7-0.8"},
		{"to the end", "K..x..", ffmpeg.Stream{}, "0.3-0.6"},
		{"a packet lost", "K..|..K.", ffmpeg.Stream{}, "0.4-0.6"},
		{"the next group lost", "K..|K...", ffmpeg.Stream{}, ""},
		// A P frame that two B frames, shown before it, need; a keyframe that two
		// before it are shown after, which are of the group before.
		{"reordered", "K.x2..K2...", ffmpeg.Stream{}, "0.3-0.7"},
		{"sound", "KKXKKK", ffmpeg.Stream{Type: "audio"}, "0.2-0.4"},
		{"lossless sound", "KKXKKK", ffmpeg.Stream{Type: "audio", Codec: "flac"}, "0.2-0.3"},
		{"no frame", "K..0..K.", ffmpeg.Stream{}, ""},
		{"no frame of AV1", "K..0..K.", ffmpeg.Stream{Codec: "av1"}, "0.3-0.6"},
	} {
		test.stream.TimeBase = ffmpeg.Rational{Num: 1, Den: 10}
		m := &media{format: "mov", start: 5}
		f := m.newDamageFinder(test.stream)
		for _, p := range packets(test.packets) {
			p.PTS, p.DTS = p.PTS+50, p.DTS+50
			f.add(p)
		}
		var got []string
		for _, s := range f.end() {
			if s.from < s.to-sameTime {
				got = append(got, fmt.Sprintf("%.1f-%.1f", s.from, s.to))
			}
		}
		if strings.Join(got, " ") != test.want {
			t.Errorf("%s: damaged %v, want %s", test.name, got, test.want)
		}
	}
}

// TestDamageOfATransportStream has a clock that ffmpeg counts from the streams
// that are decoded, undoing its jumps.
func TestDamageOfATransportStream(t *testing.T) {
	m := &media{format: "mpegts", start: 1.4, video: ffmpeg.Stream{Start: 3 * time.Second}, audio: &ffmpeg.Stream{Start: 2900 * time.Millisecond}}
	f := m.newDamageFinder(ffmpeg.Stream{TimeBase: ffmpeg.Rational{Num: 1, Den: 10}})
	for i, p := range packets("K...K...K.x.K...") {
		p.PTS, p.DTS = p.PTS+30, p.DTS+30
		switch {
		case i >= 8:
			p.PTS, p.DTS = p.PTS-8, p.DTS-8 // another recording
		case i >= 4:
			p.PTS, p.DTS = p.PTS+5000, p.DTS+5000
		}
		f.add(p)
	}
	if found := f.end(); len(found) != 1 || math.Abs(found[0].from-1.1) > sameTime || math.Abs(found[0].to-1.3) > sameTime {
		t.Errorf("damaged %v, want 1.1 to 1.3 s", found)
	}
}

func TestDamageIsBoundedInMemory(t *testing.T) {
	f := (&media{}).newDamageFinder(ffmpeg.Stream{TimeBase: ffmpeg.Rational{Num: 1, Den: 10}})
	for range maxStretches + 10 {
		for _, p := range packets("XK") {
			p.PTS, p.DTS = ffmpeg.NoTime, ffmpeg.NoTime // one after the other
			f.add(p)
		}
	}
	found := f.end()
	last := found[len(found)-1]
	if len(found) != maxStretches || last.to-last.from < 1.9 {
		t.Errorf("%d stretches, the last of %g s", len(found), last.to-last.from)
	}
}

func TestDamageInWords(t *testing.T) {
	d := damage{
		video: []stretch{{2, 3, "h264: a"}, {5, 6, "h264: b"}, {7, 8, "h264: c"}},
		sound: []stretch{{2.5, 2.6, "aac: d"}},
	}
	for _, test := range []struct {
		start, end float64
		want       []string
	}{
		{0, 2, nil},
		{1, 2.0001, nil}, // a rounding
		{3, 5, nil},
		{1, 2.55, []string{"its video is damaged between 2.000 s and 3.000 s of the source: h264: a",
			"its sound is damaged between 2.500 s and 2.600 s of the source: aac: d"}},
		{2.9, 7.5, []string{"its video is damaged in 3 places between 2.000 s and 8.000 s of the source; first: h264: a"}},
	} {
		row := dataset.Clip{Start: test.start, End: test.end, Outcome: dataset.Outcome{Status: dataset.OK}, Audio: table.Blob{Bytes: []byte("fLaC")}}
		d.mark(&row)
		var got []string
		for _, e := range row.Errors {
			got = append(got, e.Error)
		}
		if fmt.Sprint(got) != fmt.Sprint(test.want) {
			t.Errorf("[%g, %g): %q, want %q", test.start, test.end, got, test.want)
		}
	}
	failed := dataset.Clip{Start: 2, End: 3, Outcome: dataset.Outcome{Status: dataset.Failed}}
	if d.mark(&failed); len(failed.Errors) > 0 {
		t.Errorf("a row that failed says %v", failed.Errors)
	}
}
