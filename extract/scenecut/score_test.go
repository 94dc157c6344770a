package scenecut

import (
	"bytes"
	"testing"
)

func TestScoreBlackToWhite(t *testing.T) {
	p := mustPlan(t, 1280, 720, "yuv420p")
	samples := p.FrameBytes() / 3
	frame := func(luma byte) []byte {
		return append(bytes.Repeat([]byte{luma}, samples), bytes.Repeat([]byte{128}, 2*samples)...)
	}
	s := NewScorer(p)
	for i, step := range []struct {
		luma        byte
		score, diff float64
	}{
		{16, 0, 0}, {16, 0, 0}, {235, 85, 1}, {235, 0, 0}, {16, 85, 1},
	} {
		if score := s.Score(frame(step.luma)); score != step.score || s.LumaDiff() != step.diff {
			t.Errorf("frame %d: score %g and luma difference %g, want %g and %g", i, score, s.LumaDiff(), step.score, step.diff)
		}
	}
	black := frame(16)
	if n := testing.AllocsPerRun(10, func() { s.Score(black) }); n != 0 {
		t.Errorf("%g allocations a frame", n)
	}
}

func TestScoreOfWrongLengthPanics(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("short frame: no panic")
		}
	}()
	NewScorer(mustPlan(t, 1280, 720, "yuv420p")).Score(make([]byte, 100))
}

// Expected values are those of cv2.cvtColor(..., cv2.COLOR_BGR2HSV).
func TestHSV(t *testing.T) {
	tables := newHSVTables()
	for _, c := range [][6]int32{
		{0, 0, 0, 0, 0, 0}, {255, 255, 255, 0, 0, 255}, {128, 128, 128, 0, 0, 128},
		{0, 0, 255, 0, 255, 255}, {0, 255, 0, 60, 255, 255}, {255, 0, 0, 120, 255, 255},
		{128, 0, 255, 165, 255, 255}, // hue below zero wraps
		{255, 255, 0, 90, 255, 255}, {10, 20, 30, 15, 170, 30}, {1, 2, 3, 15, 170, 3}, {201, 77, 54, 115, 186, 201},
	} {
		h, s, v := tables.hsv(c[0], c[1], c[2])
		if h != c[3] || s != c[4] || v != c[5] {
			t.Errorf("BGR %v: HSV %d %d %d, want %v", c[:3], h, s, v, c[3:])
		}
	}
}

func TestClampEveryLane(t *testing.T) {
	for v := int32(-512); v < 768; v++ {
		want := min(max(v, 0), 255)
		b, g, r := newPixel(v+clampBias, clampBias-v/2, clampBias+100).clamp().bgr()
		if wantG := min(max(-v/2, 0), 255); b != want || g != wantG || r != 100 {
			t.Errorf("%d: clamped to %d %d %d, want %d %d 100", v, b, g, r, want, wantG)
		}
	}
}
