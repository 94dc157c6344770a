package verify

import (
	"math"
	"testing"

	"micodata/internal/ffmpeg"
	"micodata/shards"
)

// texture is frame n of a picture that moves.
func texture(n int) (g grayThumb) {
	for i := range g {
		x, y := float64(i%thumbW+n), float64(i/thumbW)
		g[i] = uint8(128 + 60*math.Sin(x/5)*math.Cos(y/4))
	}
	return g
}

// A tuple that is gray throughout agrees with itself, and is not its source; nor is
// one gray still of a tuple that is else as it should be.
func TestGrayTuplesAreNotTheirSources(t *testing.T) {
	const n, fps = 30, 25.
	gray, flat := grayThumb{}, thumb{}
	for i := range gray {
		gray[i], flat[i] = 128, 128
	}
	for _, test := range []struct {
		frame func(int) grayThumb
		still thumb
		want  []string
	}{
		{texture, shown(texture(10)), nil},
		{texture, flat, []string{"image"}},
		{func(int) grayThumb { return gray }, flat, []string{"image", "video"}},
	} {
		clip := &clipMedia{video: new(ffmpeg.Stream)}
		for i := range n {
			clip.times, clip.thumbs = append(clip.times, float64(i)/fps), append(clip.thumbs, test.frame(i))
		}
		s := newSpan(&shards.Tuple{End: n / fps, FPS: fps}, clip, []still{{"image", 10 / fps, test.still}})
		for i := range n + reach {
			g := texture(i)
			s.takeFrame(float64(i)/fps, g[:])
		}
		found := map[string]bool{}
		for _, d := range s.problems(new(source)) {
			found[d.promise] = true
		}
		if len(found) != len(test.want) {
			t.Errorf("found %v, want %v", found, test.want)
		}
		for _, promise := range test.want {
			if !found[promise] {
				t.Errorf("%s not found among %v", promise, found)
			}
		}
	}
}

// shown is a still of a frame.
func shown(g grayThumb) (t thumb) {
	for i, v := range g {
		t[i] = float32(v)
	}
	return t
}
