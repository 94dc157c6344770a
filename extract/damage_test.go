package extract_test

import (
	"bytes"
	"cmp"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"micodata/dataset"
	"micodata/internal/testmedia"
)

// damaged is what a test knows of the damage in a source.
type damaged struct {
	stream      string // "v:0" or "a:0"
	from, until float64
	end         float64 // when what needs the garbled packets has passed
	clips       []int   // that meet it
}

// check makes sure that those clips, and no others, say what of them is damaged,
// and where.
func (d damaged) check(t *testing.T, rows []dataset.Clip) {
	t.Helper()
	what := map[string]string{"v:0": "video", "a:0": "sound"}[d.stream]
	for i, row := range rows {
		if row.Status != dataset.OK {
			continue
		}
		if !slices.Contains(d.clips, i) {
			if len(row.Errors) > 0 {
				t.Errorf("%s [%g, %g) is whole, and says %v", row.Key, row.Start, row.End, row.Errors)
			}
			continue
		}
		if len(row.Errors) != 1 || row.Errors[0].Stage != dataset.StageExtract || row.Errors[0].Class != dataset.Corrupt {
			t.Errorf("%s [%g, %g) says %v", row.Key, row.Start, row.End, row.Errors)
			continue
		}
		where, said, _ := strings.Cut(row.Errors[0].Error, " of the source: ")
		var from, to float64
		_, err := fmt.Sscanf(where, "its "+what+" is damaged between %f s and %f s", &from, &to)
		// Not every garbled packet is noticed.
		if err != nil || from < d.from-0.001 || from > d.until || math.Abs(to-d.end) > 0.001 {
			t.Errorf("%s says %q (%v), want damage from [%g, %g) to %g", row.Key, where, err, d.from, d.until, d.end)
		}
		if len(said) < 10 || strings.ContainsAny(said, "\n@/") {
			t.Errorf("%s: the decoder said %q", row.Key, said)
		}
	}
}

// TestDamageIsInItsClips garbles one group of pictures, or some of the sound, of
// media that are cut once a group.
func TestDamageIsInItsClips(t *testing.T) {
	small := testmedia.FlashBeepOptions{Duration: 6, Width: 160, Height: 90}
	with := func(change func(o *testmedia.FlashBeepOptions)) testmedia.FlashBeepOptions {
		o := small
		change(&o)
		return o
	}
	bframes := []string{"-preset", "veryfast", "-bf", "3", "-x264-params", "b-adapt=0:scenecut=0:keyint=25:min-keyint=25"}
	ts := with(func(o *testmedia.FlashBeepOptions) { o.Ext = ".ts" })
	for name, test := range map[string]struct {
		media testmedia.FlashBeepOptions
		damaged
	}{
		"picture":     {small, damaged{"v:0", 2.4, 2.48, 3, []int{2}}},
		"whole group": {small, damaged{"v:0", 2, 3, 3, []int{2}}},
		"two groups":  {small, damaged{"v:0", 2.88, 3.08, 4, []int{2, 3}}},
		"last":        {small, damaged{"v:0", 5.8, 5.84, 6, []int{5}}},
		"B-frames":    {with(func(o *testmedia.FlashBeepOptions) { o.Encoder = bframes }), damaged{"v:0", 2.0, 2.04, 3, []int{2}}},
		// The first sound comes 0.021 s before the first picture.
		"ts":         {ts, damaged{"v:0", 2.4, 2.48, 3.0213, []int{2}}},
		"late video": {with(func(o *testmedia.FlashBeepOptions) { o.VideoDelay = 0.6 }), damaged{"v:0", 2.6, 2.64, 3.6, []int{2}}},
		// The packet after the last garbled one, from 3.52 s on, needs that.
		"sound":    {small, damaged{"a:0", 3.3, 3.5, 3.5413, []int{3}}},
		"ts sound": {ts, damaged{"a:0", 3.3, 3.5, 3.5413, []int{3}}},
	} {
		t.Run(name, func(t *testing.T) {
			media := testmedia.MakeFlashBeep(t, test.media)
			w := newWorkplace(t, source(t, testmedia.Garble(t, media.Path, test.stream, test.from, test.until)))
			w.env.Settings.Cut, w.env.Settings.MinClip, w.env.Settings.Frames = "fixed:1s", 100*time.Millisecond, 2
			rows := w.run(t)
			if len(rows) < 6 {
				t.Fatalf("%d rows", len(rows))
			}
			for i, row := range rows {
				if row.Status == dataset.OK && !slices.Contains(test.clips, i) {
					checkFrames(t, row, media.FramePTS)
				}
			}
			test.check(t, rows)
		})
	}
}

// garbledSecond is a source of 6 s with four scenes, whose third second is
// garbled.
func garbledSecond(t *testing.T) (path string, pts []float64, d damaged) {
	t.Helper()
	o := testmedia.CounterOptions{Frames: 150, Width: 160, Height: 90, Cuts: []int{25, 75, 100}}
	d = damaged{"v:0", 2, 3, 3, nil}
	return testmedia.Garble(t, testmedia.Counter(t, o), d.stream, d.from, d.until), o.PTS(), d
}

func TestDamageIsFoundHoweverClipsAreCut(t *testing.T) {
	path, pts, d := garbledSecond(t)
	for name, test := range map[string]struct {
		cut   string
		max   time.Duration
		mode  string
		spans []dataset.Span
		clips []int
	}{
		"by content": {cut: "content", max: time.Minute, clips: []int{1}},
		"copied":     {cut: "content", max: time.Minute, mode: "copy", clips: []int{1}},
		"no video":   {cut: "content", max: time.Minute, mode: "none", clips: []int{1}},
		// [0, 6) in pieces of 1.5 s.
		"split": {cut: "none", max: 1500 * time.Millisecond, clips: []int{1}},
		"layers": {cut: "content", max: time.Minute, clips: []int{1, 2, 3},
			spans: []dataset.Span{{Start: 0.4, End: 2}, {Start: 1.2, End: 2.48}, {Start: 1.8, End: 4}, {Start: 2.8, End: 3.6}, {Start: 3, End: 5}}},
	} {
		t.Run(name, func(t *testing.T) {
			s := source(t, path)
			s.Spans = test.spans
			w := newWorkplace(t, s)
			w.env.Settings.Cut, w.env.Settings.MaxClip, w.env.Settings.Frames = test.cut, test.max, 2
			w.env.Settings.ClipMode = cmp.Or(test.mode, w.env.Settings.ClipMode)
			rows := w.run(t)
			if len(rows) < 4 {
				t.Fatalf("%d rows", len(rows))
			}
			for i, row := range rows {
				if row.Status == dataset.OK && !slices.Contains(test.clips, i) && test.mode != "none" {
					checkFrames(t, row, pts)
				}
			}
			d.clips = test.clips
			d.check(t, rows)
		})
	}
}

// TestDamageIsTheSameEveryTime runs a part with a damaged source among healthy
// ones over and over.
func TestDamageIsTheSameEveryTime(t *testing.T) {
	path, pts, d := garbledSecond(t)
	d.clips = []int{1}
	var sources []dataset.Source
	for i, path := range []string{testmedia.Counter(t, testmedia.CounterOptions{Width: 160, Height: 90}), path,
		testmedia.Counter(t, testmedia.CounterOptions{Width: 160, Height: 90, Ext: ".ts"})} {
		s := source(t, path)
		s.ID = fmt.Sprint("source-", i)
		sources = append(sources, s)
	}
	var first []byte
	for i := range 10 {
		w := newWorkplace(t, sources...)
		w.env.Workers = []int{1, 2, 4}[i%3]
		rows := w.run(t)
		data := w.bytesOf(t)
		if first != nil {
			if !bytes.Equal(first, data) {
				t.Fatalf("run %d, with %d workers, makes other bytes", i, w.env.Workers)
			}
			continue
		}
		first = data
		for _, id := range []string{"source-0", "source-2"} {
			for _, row := range rows {
				if row.SourceID == id && (row.Status != dataset.OK || len(row.Errors) > 0) {
					t.Errorf("%s is whole, and says %s %v", row.Key, row.Error, row.Errors)
				}
			}
		}
		own := slices.DeleteFunc(rows, func(row dataset.Clip) bool { return row.SourceID != "source-1" })
		d.check(t, own)
		checkFrames(t, own[2], pts)
	}
}

// TestDamageAfterTheClockJumped joins two recordings, of which the second is
// garbled.
func TestDamageAfterTheClockJumped(t *testing.T) {
	whole := testmedia.Counter(t, testmedia.CounterOptions{Ext: ".ts"})
	d := damaged{"v:0", 4, 4.4, 5, []int{4}}
	var joined []byte
	for _, path := range []string{whole, testmedia.Garble(t, whole, d.stream, 1, 1.4)} {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		joined = append(joined, data...)
	}
	w := newWorkplace(t, source(t, testmedia.Blob(t, "joined.ts", joined)))
	w.env.Settings.Cut = "fixed:1s"
	rows := w.run(t)
	if len(rows) != 6 {
		t.Fatalf("%d rows", len(rows))
	}
	d.check(t, rows)
}

// TestLostPacketsAreDamage wipes out a cluster of a Matroska file: no decoder ever
// sees what was in it.
func TestLostPacketsAreDamage(t *testing.T) {
	media, err := os.ReadFile(testmedia.Counter(t, testmedia.CounterOptions{Frames: 150, Ext: ".mkv"}))
	if err != nil {
		t.Fatal(err)
	}
	cluster := []byte{0x1f, 0x43, 0xb6, 0x75}
	var at []int // a cluster begins with each keyframe
	for i := 0; ; i++ {
		n := bytes.Index(media[i:], cluster)
		if n < 0 {
			break
		}
		i += n
		at = append(at, i)
	}
	if len(at) != 6 {
		t.Fatalf("%d clusters", len(at))
	}
	copy(media[at[2]:at[3]], bytes.Repeat([]byte{0xff}, at[3]-at[2]))
	s := source(t, testmedia.Blob(t, "lost.mkv", media))
	s.Spans = []dataset.Span{{Start: 0, End: 1.5}, {Start: 1.5, End: 3.5}, {Start: 3.5, End: 5}}
	rows := newWorkplace(t, s).run(t)
	damaged{"v:0", 2, 3, 3, []int{1}}.check(t, rows)
}
