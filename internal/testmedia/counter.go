package testmedia

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"testing"
)

// Rational is a frame rate of Num/Den frames a second.
type Rational struct{ Num, Den int }

// CounterOptions describes a clip whose frames carry their number. The zero
// value is 75 frames of 320x180 at 25 a second in an MP4 without sound.
type CounterOptions struct {
	Width, Height int      // even, at least 80x32; default 320x180
	FPS           Rational // default 25/1; not used if VFRTimes is given
	Frames        int      // default 75, at most 65536; len(VFRTimes) if that is given

	// VFRTimes are the presentation times of the frames in seconds, rising.
	// They are rounded to 1 ms, which every container can hold.
	VFRTimes []float64

	// Cuts are the frames at which a new scene begins. A cut scores above 35 in
	// PySceneDetect's ContentDetector, any other frame below 3.
	Cuts []int

	GOP     int      // frames between keyframes; default 25
	Ext     string   // container, by extension; default ".mp4"
	Encoder []string // more video options for ffmpeg, after those for x264 ultrafast
}

func (o CounterOptions) withDefaults() CounterOptions {
	o.Width, o.Height = cmp.Or(o.Width, usualWidth), cmp.Or(o.Height, usualHeight)
	o.FPS = cmp.Or(o.FPS, Rational{usualFPS, 1})
	o.Frames = cmp.Or(len(o.VFRTimes), o.Frames, usualFrames)
	o.GOP = cmp.Or(o.GOP, 25)
	o.Ext = cmp.Or(o.Ext, ".mp4")
	return o
}

// PTS returns the presentation time of each frame in seconds, the first frame's
// being 0 unless VFRTimes says otherwise. Matroska rounds them to 1 ms.
func (o CounterOptions) PTS() []float64 {
	o = o.withDefaults()
	pts := make([]float64, o.Frames)
	for n := range pts {
		if o.VFRTimes != nil {
			pts[n] = math.Round(o.VFRTimes[n]*1000) / 1000
		} else {
			pts[n] = float64(n*o.FPS.Den) / float64(o.FPS.Num)
		}
	}
	return pts
}

// Counter returns the path of a clip in which frame n shows the number n, to be
// read by ReadCounter. Its background moves gently within a scene.
func Counter(t testing.TB, o CounterOptions) string {
	t.Helper()
	o = o.withDefaults()
	frames := paint(t, o, nil)
	return encoded(t, "counter"+o.Ext, arguments(o.videoInput(), o.videoOutput()), frames)
}

// videoInput reads the painted frames from standard input.
func (o CounterOptions) videoInput() []string {
	return []string{"-f", "rawvideo", "-pix_fmt", "yuv420p", "-video_size", fmt.Sprintf("%dx%d", o.Width, o.Height),
		"-framerate", fmt.Sprintf("%d/%d", o.FPS.Num, o.FPS.Den), "-i", "pipe:0"}
}

// videoOutput encodes them, each at its time. Constant rates are left to the
// encoder's own time base, which holds them without rounding.
func (o CounterOptions) videoOutput() []string {
	args := x264("-g", strconv.Itoa(o.GOP), "-color_range", "tv")
	if o.VFRTimes != nil {
		ticks := make([]int64, o.Frames)
		for n, pts := range o.PTS() {
			ticks[n] = int64(math.Round(pts * 90000))
		}
		args = append(args, "-vf", "settb=1/90000,setpts='"+lookup(0, ticks)+"'", "-enc_time_base", "1:90000")
	}
	return append(args, o.Encoder...)
}

// lookup is an expression for ffmpeg with the value of ticks[N-first]. It is a
// balanced tree, as the parser refuses a flat sum of some hundred terms.
func lookup(first int, ticks []int64) string {
	if len(ticks) == 1 {
		return strconv.FormatInt(ticks[0], 10)
	}
	half := len(ticks) / 2
	return fmt.Sprintf("if(lt(N,%d),%s,%s)", first+half, lookup(first, ticks[:half]), lookup(first+half, ticks[half:]))
}

// palette is the background of successive scenes, in limited-range BT.601 Y'CbCr: a
// dull red, blue, yellow and green, far apart in hue and lightness both.
var palette = [...][3]byte{{80, 100, 190}, {50, 180, 110}, {150, 60, 150}, {60, 110, 90}}

// paint returns the frames as consecutive yuv420p pictures; those in flashes are white.
func paint(t testing.TB, o CounterOptions, flashes []int) []byte {
	t.Helper()
	if o.Width < 80 || o.Height < 32 || o.Width%2+o.Height%2 != 0 || o.Frames < 1 || o.Frames > 1<<16 {
		t.Fatalf("testmedia: cannot count %d frames of %dx%d", o.Frames, o.Width, o.Height)
	}
	if pts := o.PTS(); len(slices.Compact(slices.Clone(pts))) < len(pts) || !slices.IsSorted(pts) {
		t.Fatalf("testmedia: frame times must rise by 1 ms at least: %v", pts)
	}
	w, h := o.Width, o.Height
	size := w * h * 3 / 2
	all := make([]byte, o.Frames*size)
	scene := 0
	for n := range o.Frames {
		if slices.Contains(o.Cuts, n) {
			scene++
		}
		colour, swing := palette[scene%len(palette)], 8
		if slices.Contains(flashes, n) {
			colour, swing = [3]byte{235, 128, 128}, 0
		}
		paintFrame(all[n*size:][:size], w, h, n, colour, swing)
	}
	return all
}

// paintFrame draws a luma ramp of +-swing that moves 2 pixels a frame, and the counter's strip below it.
func paintFrame(b []byte, w, h, n int, colour [3]byte, swing int) {
	row, strip := make([]byte, w), make([]byte, w)
	for x := range w {
		phase := (x + 2*n) % w
		row[x] = byte(int(colour[0]) - swing + 4*swing*min(phase, w-phase)/w)
		strip[x] = 16
		if counterBlocks(n)[x*blocks/w] {
			strip[x] = 235
		}
	}
	top := (h - h/stripShare) &^ 1
	chroma := b[w*h:]
	for y := range h {
		line := row
		if y >= top {
			line = strip
		}
		copy(b[y*w:], line)
	}
	for i := range chroma {
		plane, y := i/(w*h/4), i%(w*h/4)/(w/2)
		chroma[i] = colour[1+plane]
		if 2*y >= top {
			chroma[i] = 128
		}
	}
}
