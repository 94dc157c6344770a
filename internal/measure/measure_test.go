package measure_test

import (
	"encoding/binary"
	"math"
	"math/bits"
	"testing"

	"micodata/internal/measure"
)

// wave is a picture of soft waves, dx to the right.
func wave(w, h, dx int) []byte {
	luma := make([]byte, w*h)
	for i := range luma {
		x, y := i%w+dx, i/w
		luma[i] = byte(128 + 60*math.Sin(float64(x)/9) + 50*math.Cos(float64(y)/7))
	}
	return luma
}

func TestSharpness(t *testing.T) {
	const w, h = 20, 10
	flat, steps := make([]byte, w*h), make([]byte, w*h)
	for i := range steps {
		steps[i] = byte(i % w % 2 * 10)
	}
	if got := measure.Sharpness(flat, w, h, 1); got != 0 {
		t.Errorf("flat: %g", got)
	}
	// Columns of 0 and 10: the Laplacian is +-20 in turn.
	if got := measure.Sharpness(steps, w, h, 1); got != 400 {
		t.Errorf("columns: %g, want 400", got)
	}
	if got := measure.Sharpness(steps, w, h, 3); math.Abs(got-400) > 1 {
		t.Errorf("every third pixel: %g, want about 400", got)
	}
	if got := measure.Sharpness(steps[:4], 2, 2, 1); got != 0 {
		t.Errorf("2x2: %g", got)
	}
}

func TestBrightness(t *testing.T) {
	if got := measure.Brightness([]byte{0, 255, 255, 0}); got != 0.5 {
		t.Errorf("%g", got)
	}
}

func TestMotion(t *testing.T) {
	var m measure.Motion
	const w, h = 33, 21 // no multiple of the step
	for i := range 3 {
		luma := make([]byte, w*h)
		for k := range luma {
			luma[k] = byte(51 * i)
		}
		m.Add(luma, w, h)
		if i == 0 && m.Mean() != 0 {
			t.Errorf("one frame moves by %g", m.Mean())
		}
	}
	if got := m.Mean(); math.Abs(got-0.2) > 1e-12 {
		t.Errorf("frames 51 of 255 apart: %g", got)
	}
}

func TestSilence(t *testing.T) {
	const rate = 1000
	tone := func(n int, level float64) []byte {
		var pcm []byte
		for i := range n {
			v := int16(level * 32767 * float64(1-i%2*2))
			pcm = binary.LittleEndian.AppendUint16(pcm, uint16(v))
		}
		return pcm
	}
	for _, test := range []struct {
		pcm  []byte
		want float64
	}{
		{nil, 1},
		{tone(100, 0), 1},
		{tone(100, 0.5), 0},
		{append(tone(50, 0), tone(50, 0.5)...), 0.5},
		{tone(100, math.Pow(10, -49.9/20)), 0}, // just above -50 dBFS
		{tone(100, math.Pow(10, -50.5/20)), 1},
		{tone(3, 0.5), 0},                         // less than a window
		{append(tone(20, 0), tone(7, 0.5)...), 1}, // its end, which is no window, is loud
	} {
		for _, piece := range []int{len(test.pcm), 1, 3, 7} { // within samples and windows
			s := measure.NewSilence(rate, 1)
			for data := test.pcm; len(data) > 0; data = data[min(piece, len(data)):] {
				if n, err := s.Write(data[:min(piece, len(data))]); n != min(piece, len(data)) || err != nil {
					t.Fatal(n, err)
				}
			}
			if got := s.Share(); got != test.want {
				t.Errorf("%d bytes by %d: %g, want %g", len(test.pcm), piece, got, test.want)
			}
		}
	}
}

// Channels are measured together: one that is loud leaves no window silent, and a window
// is as long in time however many there are.
func TestSilenceOfChannels(t *testing.T) {
	const rate = 1000
	var pcm []byte
	for i := range 40 { // of two channels: 20 ms silent, 10 ms loud on the right, 10 ms silent
		right := int16(0)
		if i >= 20 && i < 30 {
			right = int16(16000 * (1 - i%2*2))
		}
		pcm = binary.LittleEndian.AppendUint16(pcm, 0)
		pcm = binary.LittleEndian.AppendUint16(pcm, uint16(right))
	}
	s := measure.NewSilence(rate, 2)
	_, _ = s.Write(pcm[:4*25]) // it never fails
	if got := s.Share(); got != 1 {
		t.Errorf("halfway %g, want 1", got)
	}
	_, _ = s.Write(pcm[4*25:])
	if got := s.Share(); got != 0.75 {
		t.Errorf("%g, want 0.75", got)
	}
}

func TestPHash(t *testing.T) {
	a := measure.PHash(wave(320, 180, 0), 320, 180, 320)
	if half := measure.PHash(wave(320, 180, 0), 320, 180, 320); half != a {
		t.Error("not the same twice")
	}
	noisy := wave(320, 180, 0)
	for i := range noisy {
		noisy[i] += byte(i * 7 % 5)
	}
	if d := bits.OnesCount64(a ^ measure.PHash(noisy, 320, 180, 320)); d > 4 {
		t.Errorf("noise changes %d bits", d)
	}
	if d := bits.OnesCount64(a ^ measure.PHash(wave(320, 180, 30), 320, 180, 320)); d < 10 {
		t.Errorf("another picture differs in %d bits only", d)
	}
	if a>>63 != 1 {
		t.Error("the first bit is the mean, which is above the median")
	}
	measure.PHash(make([]byte, 6), 3, 2, 3) // smaller than the grid
}
