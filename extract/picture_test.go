package extract

import (
	"testing"

	"micodata/dataset"
	"micodata/internal/ffmpeg"
)

func TestSizes(t *testing.T) {
	for _, test := range []struct {
		v                  ffmpeg.Video
		clip, image, small size
	}{
		{ffmpeg.Video{Width: 1280, Height: 720}, size{640, 360}, size{1280, 720}, size{683, 384}},
		{ffmpeg.Video{Width: 1920, Height: 1080, Rotation: 90}, size{202, 360}, size{720, 1280}, size{384, 683}},
		{ffmpeg.Video{Width: 321, Height: 181}, size{320, 180}, size{321, 181}, size{321, 181}},
		{ffmpeg.Video{Width: 720, Height: 576, SampleAspect: ffmpeg.Rational{Num: 16, Den: 11}}, size{654, 360}, size{1047, 576}, size{698, 384}},
		{ffmpeg.Video{Width: 720, Height: 576, SampleAspect: ffmpeg.Rational{Num: 1, Den: 65535}}, size{450, 360}, size{720, 576}, size{480, 384}},
		{ffmpeg.Video{Width: 1, Height: 1}, size{2, 2}, size{1, 1}, size{1, 1}},
		{ffmpeg.Video{Width: 16384, Height: 2}, size{16384, 2}, size{1280, 1}, size{1280, 1}},
		{ffmpeg.Video{Width: 2, Height: 16000}, size{2, 360}, size{1, 1280}, size{1, 1280}},
	} {
		shown := shownSize(test.v)
		if got := clipSize(shown, 360); got != test.clip {
			t.Errorf("%+v: clip %v, want %v", test.v, got, test.clip)
		}
		if got := imageSize(shown, 1280); got != test.image {
			t.Errorf("%+v: image %v, want %v", test.v, got, test.image)
		}
		if got := smallSize(shown, 384, 1280); got != test.small {
			t.Errorf("%+v: uniform frames %v, want %v", test.v, got, test.small)
		}
	}
}

// TestCandidatesAreBounded asks for more, of larger pictures, than may be held.
func TestCandidatesAreBounded(t *testing.T) {
	for _, test := range []struct {
		frames, longest int
		ok              bool
	}{
		{8, 7680, true}, {64, 1920, true}, {64, 3840, false}, {16, 7680, false},
	} {
		s := DefaultSettings()
		s.Frames, s.ImageMax = test.frames, test.longest
		probe := &ffmpeg.Probe{Streams: []ffmpeg.Stream{{
			Type: "video", Codec: "hevc", TimeBase: ffmpeg.Rational{Num: 1, Den: 12800},
			Video: ffmpeg.Video{Width: 7680, Height: 4320, PixelFormat: "yuv420p"},
		}}}
		_, err := newMedia("8k.mp4", probe, s, false)
		if item, is := dataset.AsItem(err); (err == nil) != test.ok || err != nil && (!is || item.Class != dataset.TooLarge) {
			t.Errorf("%d frames of up to %d pixels: %v", test.frames, test.longest, err)
		}
	}
}

func TestClockHoldsTimes(t *testing.T) {
	for _, test := range []struct {
		base ffmpeg.Rational
		want clock
	}{
		{ffmpeg.Rational{Num: 1, Den: 12800}, 51200}, {ffmpeg.Rational{Num: 1, Den: 1000}, 64000},
		{ffmpeg.Rational{Num: 1001, Den: 24000}, 48000}, {ffmpeg.Rational{Num: 1, Den: 90000}, 90000},
		{ffmpeg.Rational{}, 90000}, {ffmpeg.Rational{Num: 1, Den: 1e9}, 1e6}, {ffmpeg.Rational{Num: 10, Den: 1}, 65536},
	} {
		if got := clockOf(test.base); got != test.want {
			t.Errorf("%v: %d ticks a second, want %d", test.base, got, test.want)
		}
	}
	c := clock(48000)
	for _, ticks := range []int64{0, 1, -1, 2002, 1e10 + 1} {
		if got := c.ticks(c.seconds(ticks)); got != ticks {
			t.Errorf("tick %d becomes %d", ticks, got)
		}
	}
	if got := c.ticks(0.00003); got != 2 {
		t.Errorf("30 us are tick %d, want the first not before", got)
	}
}
