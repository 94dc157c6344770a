package testmedia

import (
	"fmt"
	"math"
	"slices"
	"testing"
)

func TestCounterReadsBack(t *testing.T) {
	odd := []float64{0, 0.033, 0.05, 0.1, 0.133, 0.233, 0.253, 0.9, 0.933, 2.5}
	long := make([]float64, 300)
	for n := range long {
		long[n] = float64(n*n%7+20*n) / 1000
	}
	for name, c := range map[string]struct {
		o         CounterOptions
		tolerance float64 // of the container's clock, seconds
	}{
		"usual":      {o: CounterOptions{}},
		"ntsc":       {o: CounterOptions{Width: 640, Height: 360, FPS: Rational{30000, 1001}, Frames: 40}},
		"vfr mp4":    {o: CounterOptions{VFRTimes: odd}},
		"vfr mkv":    {o: CounterOptions{VFRTimes: odd, Ext: ".mkv"}},
		"many times": {o: CounterOptions{VFRTimes: long, Width: 80, Height: 32}},
		"b-frames":   {o: CounterOptions{Encoder: []string{"-preset", "veryfast", "-bf", "3"}, GOP: 50}},
		"mjpeg":      {o: CounterOptions{Encoder: []string{"-c:v", "mjpeg", "-pix_fmt", "yuvj420p"}, Frames: 20, Ext: ".mkv"}, tolerance: 0.0005},
		"film mkv":   {o: CounterOptions{FPS: Rational{24000, 1001}, Ext: ".mkv"}, tolerance: 0.0005},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			frames, w, h, pts := DecodeGray(t, Counter(t, c.o))
			want := c.o.PTS()
			if len(frames) != len(want) {
				t.Fatalf("%d frames, want %d", len(frames), len(want))
			}
			for n, f := range frames {
				if math.Abs(pts[n]-want[n]) > c.tolerance+1e-6 {
					t.Errorf("frame %d at %v, want %v", n, pts[n], want[n])
				}
				if got, ok := ReadCounter(f, w, h, w); got != n || !ok {
					t.Errorf("frame %d reads %d, %v", n, got, ok)
				}
			}
		})
	}
}

func TestCounterSurvivesScaling(t *testing.T) {
	path := Counter(t, CounterOptions{Frames: 40})
	for _, size := range []string{"160:90", "227:128", "640:360", "100:100"} {
		raw, _ := output(t, []string{"-v", "error", "-i", path, "-vf", "scale=" + size, "-c:v", "libx264", "-preset", "ultrafast",
			"-threads", "1", "-pix_fmt", "yuv444p", "-f", "matroska", "pipe:1"})
		frames, w, h, _ := DecodeGray(t, Blob(t, "scaled.mkv", raw))
		if len(frames) != 40 || fmt.Sprintf("%d:%d", w, h) != size {
			t.Fatalf("%d frames of %dx%d, want 40 of %s", len(frames), w, h, size)
		}
		for n, f := range frames {
			if got, ok := ReadCounter(f, w, h, w); got != n || !ok {
				t.Errorf("at %s frame %d reads %d, %v", size, n, got, ok)
			}
		}
	}
}

func TestReadCounterRange(t *testing.T) {
	const w, h = 80, 32
	frame := make([]byte, w*h*3/2)
	for n := range 1 << bits {
		if n%251 != 0 && n != 1<<bits-1 {
			continue
		}
		paintFrame(frame, w, h, n, palette[0], 8)
		if got, ok := ReadCounter(frame, w, h, w); got != n || !ok {
			t.Fatalf("%d reads %d, %v", n, got, ok)
		}
	}
}

func TestReadCounterRefuses(t *testing.T) {
	const w, h = 80, 32
	painted := func() []byte {
		frame := make([]byte, w*h*3/2)
		paintFrame(frame, w, h, 1234, palette[0], 8)
		return frame
	}
	flipped := painted()
	slices.Reverse(flipped[:w*h])
	shifted, wrong := painted(), painted()
	for y := h - h/stripShare; y < h; y++ {
		copy(shifted[y*w+w/blocks:][:w-w/blocks], painted()[y*w:])
		for x := range w / blocks { // the lowest bit
			wrong[y*w+17*w/blocks+x] ^= 235 ^ 16
		}
	}
	for name, f := range map[string][]byte{
		"flat": make([]byte, w*h), "upside down": flipped, "shifted by a block": shifted, "one bit wrong": wrong, "short": painted()[:w*h-1],
	} {
		if n, ok := ReadCounter(f, w, h, w); ok {
			t.Errorf("%s reads as %d", name, n)
		}
	}
}

func FuzzReadCounter(f *testing.F) {
	frame := make([]byte, 80*32*3/2)
	paintFrame(frame, 80, 32, 4321, palette[0], 8)
	f.Add(frame, 80, 32, 80)
	f.Add(frame, 60, 40, 64)
	f.Add(frame, 80, math.MaxInt, math.MaxInt)
	f.Add([]byte{}, 0, -1, 5)
	f.Fuzz(func(t *testing.T, gray []byte, w, h, stride int) {
		if n, ok := ReadCounter(gray, w, h, stride); ok && (n < 0 || n >= 1<<bits) {
			t.Errorf("read %d", n)
		}
	})
}

// TestCounterCuts scores each frame as PySceneDetect's ContentDetector does
// (mean absolute change of hue, saturation and value, over three).
func TestCounterCuts(t *testing.T) {
	o := CounterOptions{Frames: 300, Cuts: []int{40, 77, 130, 155, 220}}
	o = o.withDefaults()
	raw, _ := output(t, []string{"-v", "error", "-i", Counter(t, o), "-vf", "scale=64:36:flags=area", "-pix_fmt", "rgb24", "-f", "rawvideo", "pipe:1"})
	const size = 64 * 36 * 3
	if len(raw) != o.Frames*size {
		t.Fatalf("%d bytes", len(raw))
	}
	for n := 1; n < o.Frames; n++ {
		score := contentScore(raw[(n-1)*size:][:size], raw[n*size:][:size])
		if cut := slices.Contains(o.Cuts, n); cut && score < 35 || !cut && score > 3 {
			t.Errorf("frame %d scores %.1f, cut: %v", n, score, cut)
		}
	}
}

func contentScore(a, b []byte) float64 {
	var sum float64
	for i := 0; i < len(a); i += 3 {
		h1, s1, v1 := hsv(a[i], a[i+1], a[i+2])
		h2, s2, v2 := hsv(b[i], b[i+1], b[i+2])
		sum += math.Abs(h1-h2) + math.Abs(s1-s2) + math.Abs(v1-v2)
	}
	return sum / float64(len(a)/3) / 3
}

// hsv converts as OpenCV does for 8 bits: hue 0 to 180, the others 0 to 255.
func hsv(r8, g8, b8 byte) (h, s, v float64) {
	r, g, b := float64(r8), float64(g8), float64(b8)
	v = max(r, g, b)
	d := v - min(r, g, b)
	if d == 0 {
		return 0, 0, v
	}
	switch v {
	case r:
		h = 30 * (g - b) / d
	case g:
		h = 60 + 30*(b-r)/d
	default:
		h = 120 + 30*(r-g)/d
	}
	if h < 0 {
		h += 180
	}
	return h, 255 * d / v, v
}
