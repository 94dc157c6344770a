package extract_test

import (
	"cmp"
	"fmt"
	"image"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"micodata/dataset"
	"micodata/internal/testmedia"
)

// unevenTimes are frame times 11 to 120 ms apart.
func unevenTimes(n int) []float64 {
	r := rand.New(rand.NewPCG(3, 4))
	var times []float64
	at := 0.
	for range n {
		times = append(times, at)
		at += 0.011 + 0.109*r.Float64()
	}
	return times
}

// counters are clips whose frames carry their number.
func counters() map[string]testmedia.CounterOptions {
	cuts := []int{40, 97, 130, 180}
	return map[string]testmedia.CounterOptions{
		"constant": {Frames: 220, Cuts: cuts},
		"ntsc":     {Frames: 220, Cuts: cuts, FPS: testmedia.Rational{Num: 30000, Den: 1001}, Encoder: []string{"-bf", "2", "-preset", "veryfast"}},
		"uneven":   {VFRTimes: unevenTimes(220), Cuts: cuts},
		"matroska": {VFRTimes: unevenTimes(220), Cuts: cuts, Ext: ".mkv"},
		"ts":       {Frames: 220, Cuts: cuts, Ext: ".ts"},
	}
}

// checkFrames decodes a clip's video and makes sure that it has the source's
// frames with start <= time < end, each at its time.
func checkFrames(t *testing.T, row dataset.Clip, pts []float64) {
	t.Helper()
	if row.Status != dataset.OK {
		t.Errorf("%s: %s", row.Key, row.Error)
		return
	}
	const tick = 1. / 40000 // no clock here is coarser
	first := slices.IndexFunc(pts, func(p float64) bool { return p >= row.Start-tick })
	n := 0
	for first+n < len(pts) && pts[first+n] < row.End-tick {
		n++
	}
	frames, w, h, times := testmedia.DecodeGray(t, testmedia.Blob(t, "clip.mp4", row.Video.Bytes))
	if len(frames) != n || int(row.FrameCount) != n {
		t.Errorf("%s [%g, %g): %d frames (the row says %d), want %d", row.Key, row.Start, row.End, len(frames), row.FrameCount, n)
		return
	}
	for i, f := range frames {
		number, ok := testmedia.ReadCounter(f, w, h, w)
		if !ok || number != first+i {
			t.Errorf("%s: frame %d shows %d (%v), want %d", row.Key, i, number, ok, first+i)
		}
		want := pts[first+i] - row.Start
		if math.Abs(times[i]-want) > tick {
			t.Errorf("%s: frame %d at %.6f s, want %.6f", row.Key, i, times[i], want)
		}
	}
	checkStills(t, row, pts)
}

// checkStills makes sure that each still is the frame its time says.
func checkStills(t *testing.T, row dataset.Clip, pts []float64) {
	t.Helper()
	check := func(name string, at float64, jpeg []byte) {
		img, ok := decodeJPEG(t, jpeg).(*image.YCbCr)
		if !ok {
			t.Fatalf("%s: %s is not YCbCr", row.Key, name)
		}
		n, ok := testmedia.ReadCounter(img.Y, img.Rect.Dx(), img.Rect.Dy(), img.YStride)
		if !ok || n >= len(pts) || math.Abs(pts[n]-row.Start-at) > 1e-4 {
			t.Errorf("%s: %s at %g s is frame %d (%v)", row.Key, name, at, n, ok)
		}
	}
	check("key frame", row.ImageTime, row.Image.Bytes)
	length := row.End - row.Start
	if length > 1 && (row.ImageTime < length/3 || row.ImageTime >= length*2/3) {
		t.Errorf("%s: key frame at %g s of %g, not in the middle third", row.Key, row.ImageTime, length)
	}
	for i, f := range row.Frames {
		check(fmt.Sprintf("frame %d", i), f.Time, f.Image.Bytes)
		middle := (float64(i) + 0.5) / float64(len(row.Frames)) * length
		if off := math.Abs(f.Time - middle); off > 0.08+1./10/2 {
			t.Errorf("%s: frame %d at %g s, %g from where it should be", row.Key, i, f.Time, off)
		}
	}
}

func TestCutsByContentAreExact(t *testing.T) {
	for name, o := range counters() {
		t.Run(name, func(t *testing.T) {
			w := newWorkplace(t, source(t, testmedia.Counter(t, o)))
			w.env.Settings.Frames = 3
			rows := w.run(t)
			pts := shifted(o)
			starts := append([]int{0}, o.Cuts...)
			if len(rows) != len(starts) {
				t.Fatalf("%d clips, want %d", len(rows), len(starts))
			}
			for i, row := range rows {
				if math.Abs(row.Start-pts[starts[i]]) > 1e-6 {
					t.Errorf("clip %d starts at %.6f, want %.6f", i, row.Start, pts[starts[i]])
				}
				checkFrames(t, row, pts)
			}
		})
	}
}

// shifted are a counter's frame times on its container's clock: that of a
// transport stream starts with its first packet, later than 0.
func shifted(o testmedia.CounterOptions) []float64 {
	pts := o.PTS()
	first := pts[0]
	for i := range pts {
		pts[i] -= first
		if o.Ext == ".mkv" || o.VFRTimes != nil {
			pts[i] = math.Round(pts[i]*1000) / 1000
		}
	}
	return pts
}

func TestGivenSpansAreExact(t *testing.T) {
	for name, o := range counters() {
		if name == "constant" || name == "matroska" {
			continue // the others are harder
		}
		t.Run(name, func(t *testing.T) {
			pts := shifted(o)
			s := source(t, testmedia.Counter(t, o))
			end := pts[len(pts)-1]
			r := rand.New(rand.NewPCG(5, 6))
			for i := range 4 { // in no order, overlapping
				start := r.Float64() * (end - 1)
				s.Spans = append(s.Spans, dataset.Span{ClipID: fmt.Sprint("clip ", i), Start: start, End: start + 0.3 + r.Float64()*(end-start-0.3), Text: fmt.Sprint("text ", i)})
			}
			// Between two frames, on frames, and beyond the end.
			s.Spans = append(s.Spans, dataset.Span{Start: pts[10], End: pts[20]}, dataset.Span{Start: pts[30] + 0.001, End: pts[31]},
				dataset.Span{Start: end + 5, End: end + 6})
			w := newWorkplace(t, s)
			w.env.Settings.Frames = 2
			rows := w.run(t)
			if len(rows) != len(s.Spans) {
				t.Fatalf("%d rows for %d spans", len(rows), len(s.Spans))
			}
			empty := slices.Clone(s.Spans[len(s.Spans)-2:]) // no frame lies in these
			slices.SortFunc(s.Spans, func(a, b dataset.Span) int { return cmp.Compare(a.Start, b.Start) })
			for i, row := range rows {
				span := s.Spans[i]
				if row.Text != span.Text || span.ClipID != "" && row.ClipID != span.ClipID || span.ClipID == "" && row.ClipID != row.Key {
					t.Errorf("%s: clip id %q, text %q of span %+v", row.Key, row.ClipID, row.Text, span)
				}
				if slices.Contains(empty, span) {
					if row.Start != span.Start || row.Status != dataset.Failed || row.Class != dataset.TooShort {
						t.Errorf("%s [%g, %g) without a frame is %s %s", row.Key, row.Start, row.End, row.Status, row.Class)
					}
					continue
				}
				first, _ := slices.BinarySearch(pts, span.Start-1e-9)
				if row.End != span.End || math.Abs(row.Start-pts[first]) > 1e-5 {
					t.Errorf("%s is [%v, %v), the span [%v, %v)", row.Key, row.Start, row.End, span.Start, span.End)
				}
				checkFrames(t, row, pts)
			}
		})
	}
}

// TestLateSpansAreExact is about spans that are reached by a seek.
func TestLateSpansAreExact(t *testing.T) {
	for name, o := range map[string]testmedia.CounterOptions{
		"mp4": {Frames: 1000, GOP: 250, Encoder: []string{"-preset", "veryfast", "-x264-params", "open-gop=1:bframes=3"}},
		"mkv": {VFRTimes: unevenTimes(700), Ext: ".mkv"},
	} {
		t.Run(name, func(t *testing.T) {
			o.Width, o.Height = 160, 90
			pts := shifted(o)
			s := source(t, testmedia.Counter(t, o))
			s.Spans = []dataset.Span{{Start: 21.23, End: 22.4}, {Start: 37, End: 38.5}}
			rows := newWorkplace(t, s).run(t)
			for _, row := range rows {
				checkFrames(t, row, pts)
			}
		})
	}
}

// TestLongScenesAreSplit also covers cutting at fixed intervals and not at all.
func TestLongScenesAreSplit(t *testing.T) {
	o := testmedia.CounterOptions{Frames: 220, Cuts: []int{40, 160, 180}} // 1.6, 4.8, 0.8 and 1.6 s
	for _, test := range []struct {
		cut              string
		minClip, maxClip time.Duration
		want             []int // frames at which clips start
		skipped          []int // clips
	}{
		{"content", time.Second, 2 * time.Second, []int{0, 40, 80, 120, 160, 180}, []int{4}},
		{"none", time.Second, 3 * time.Second, []int{0, 74, 147}, nil}, // ceil(220/3)
		{"fixed:2s", time.Second, time.Minute, []int{0, 50, 100, 150, 200}, []int{4}},
		{"fixed:5s", time.Second, 2600 * time.Millisecond, []int{0, 63, 125, 173}, nil},
	} {
		t.Run(test.cut, func(t *testing.T) {
			w := newWorkplace(t, source(t, testmedia.Counter(t, o)))
			w.env.Settings.Cut, w.env.Settings.MinClip, w.env.Settings.MaxClip, w.env.Settings.Frames = test.cut, test.minClip, test.maxClip, 2
			rows := w.run(t)
			pts := o.PTS()
			if len(rows) != len(test.want) {
				t.Fatalf("%d clips, want %d", len(rows), len(test.want))
			}
			for i, row := range rows {
				if row.Key != dataset.Key(row.SourceID, i) {
					t.Errorf("row %d is %s", i, row.Key)
				}
				if math.Abs(row.Start-pts[test.want[i]]) > 1e-6 {
					t.Errorf("clip %d starts at %g s, want frame %d", i, row.Start, test.want[i])
				}
				if slices.Contains(test.skipped, i) {
					if row.Status != dataset.Skipped || row.Class != dataset.TooShort || row.Video.Bytes != nil {
						t.Errorf("clip %d: %s %s", i, row.Status, row.Class)
					}
					continue
				}
				checkFrames(t, row, pts)
			}
		})
	}
}
