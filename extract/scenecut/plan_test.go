package scenecut

import (
	"encoding/binary"
	"errors"
	"slices"
	"testing"
)

func mustPlan(t testing.TB, width, height int, pixFmt string) Plan {
	t.Helper()
	p, err := NewPlan(Source{Width: width, Height: height, PixFmt: pixFmt})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestNewPlanShapes(t *testing.T) {
	for _, c := range []struct {
		width, height        int
		pixFmt               string
		cellsWide, cellsHigh int
		mapWidth, mapHeight  int
		maps                 int
		outFmt               string
	}{
		{1280, 720, "yuv420p", 64, 36, 128, 72, 4, "gray"},
		{1280, 720, "yuvj420p", 64, 36, 128, 72, 4, "gray"},
		{1280, 720, "yuv420p10le", 64, 36, 128, 72, 2, "bgr24"},
		{854, 480, "yuv420p", 66, 37, 132, 74, 4, "gray"},  // 854/13 = 65.7, 480/13 = 36.9
		{321, 181, "yuv420p", 64, 36, 128, 72, 2, "bgr24"}, // odd size
		{320, 181, "yuv420p", 64, 36, 128, 72, 2, "bgr24"}, // odd height alone
		{130, 75, "yuv444p", 65, 38, 130, 76, 2, "bgr24"},  // 37.5 goes to the even 38
		{130, 74, "yuv420p", 65, 37, 130, 74, 4, "gray"},   // factor 2
		{126, 64, "yuv420p", 126, 64, 126, 64, 4, "gray"},  // factor 1: not resized
		{16, 16, "yuv420p", 16, 16, 16, 16, 4, "gray"},     // the reference refuses this
		{4096, 16, "yuv420p", 64, 1, 128, 2, 4, "gray"},    // and this
	} {
		p := mustPlan(t, c.width, c.height, c.pixFmt)
		if w, h := p.Cells(); w != c.cellsWide || h != c.cellsHigh {
			t.Errorf("%dx%d: cells %dx%d, want %dx%d", c.width, c.height, w, h, c.cellsWide, c.cellsHigh)
		}
		w, h := p.MapSize()
		if w != c.mapWidth || h != c.mapHeight {
			t.Errorf("%dx%d: maps of %dx%d, want %dx%d", c.width, c.height, w, h, c.mapWidth, c.mapHeight)
		}
		maps := p.Maps()
		if len(maps) != c.maps || len(maps[0]) != 2*w*h || p.PixFmt() != c.outFmt || p.FrameBytes() != 3*w*h {
			t.Errorf("%dx%d %s: %d maps of %d bytes, frames of %d bytes %s", c.width, c.height, c.pixFmt,
				len(maps), len(maps[0]), p.FrameBytes(), p.PixFmt())
		}
	}
}

func TestNewPlanErrors(t *testing.T) {
	for _, src := range []Source{
		{},
		{Width: 640, Height: 0, PixFmt: "yuv420p"},
		{Width: -640, Height: 360, PixFmt: "yuv420p"},
		{Width: 65537, Height: 360, PixFmt: "yuv420p"},
		{Width: 640, Height: 65537, PixFmt: "yuv420p"},
		{Width: 640, Height: 360},
		{Width: 640, Height: 360, PixFmt: "yuv420p,movie=x"},
	} {
		if _, err := NewPlan(src); !errors.Is(err, ErrSource) {
			t.Errorf("%+v: error %v, want ErrSource", src, err)
		}
	}
}

// At factor 20 the middle of the first cell lies between pixels 9 and 10, with equal weights.
func TestMapsHoldTheTaps(t *testing.T) {
	p := mustPlan(t, 1280, 720, "yuv420p")
	maps := p.Maps()
	at := func(m, column, row int) int {
		return int(binary.LittleEndian.Uint16(maps[m][2*(row*128+column):]))
	}
	for column, want := range map[int]int{0: 9, 1: 10, 2: 29, 127: 1270} {
		if x, chroma := at(0, column, 5), at(2, column, 5); x != want || chroma != want/2 {
			t.Errorf("column %d: x %d and %d in chroma, want %d and %d", column, x, chroma, want, want/2)
		}
	}
	for row, want := range map[int]int{0: 9, 1: 10, 71: 710} {
		if y, chroma := at(1, 7, row), at(3, 7, row); y != want || chroma != want/2 {
			t.Errorf("row %d: y %d and %d in chroma, want %d and %d", row, y, chroma, want, want/2)
		}
	}
	if want := slices.Repeat([]int32{1024}, 128); !slices.Equal(p.x.weight, want) {
		t.Errorf("weights %v, want all 1024", p.x.weight)
	}
}

func TestFilterWithWrongPadsPanics(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("two map pads for four maps: no panic")
		}
	}()
	mustPlan(t, 1280, 720, "yuv420p").Filter("0:v", []string{"1:v", "2:v"}, "taps")
}

// Every map of any size must stay inside the picture, and a frame of any content must score within 0..255.
func FuzzPlan(f *testing.F) {
	f.Add(1280, 720, "yuv420p", byte(200))
	f.Add(129, 3, "yuvj420p", byte(0))
	f.Add(1, 1, "rgb24", byte(255))
	f.Add(65536, 17, "gray", byte(16))
	f.Fuzz(func(t *testing.T, width, height int, pixFmt string, fill byte) {
		p, err := NewPlan(Source{Width: width, Height: height, PixFmt: pixFmt})
		if err != nil || p.FrameBytes() > 1<<20 {
			return
		}
		limits := []int{width, height, (width + 1) / 2, (height + 1) / 2}
		for i, frame := range p.Maps() {
			for ; len(frame) > 0; frame = frame[2:] {
				if at := int(binary.LittleEndian.Uint16(frame)); at >= limits[i] {
					t.Fatalf("%dx%d: map %d reads %d of %d", width, height, i, at, limits[i])
				}
			}
		}
		s, taps := NewScorer(p), make([]byte, p.FrameBytes())
		first := s.Score(taps)
		for i := range taps {
			taps[i] = fill + byte(i)
		}
		if second := s.Score(taps); first != 0 || second < 0 || second > 255 {
			t.Fatalf("scores %g and %g", first, second)
		}
	})
}
