package ffmpeg

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestProbe(t *testing.T) {
	path := sample(t, "a.mp4")
	p, err := tools(t).Probe(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if p.Format != "mov,mp4,m4a,3gp,3g2,mj2" || p.Title != "a title" || p.Duration != time.Second ||
		p.Bytes != info.Size() || len(p.Streams) != 2 {
		t.Errorf("%+v", p)
	}
	v := p.VideoStream()
	if v == nil || v.Codec != "h264" || v.TimeBase != (Rational{1, 10240}) || v.DurationPTS != 10240 ||
		v.Duration != time.Second || v.FrameCount != 10 || !v.Default || v.Video.AverageRate != (Rational{10, 1}) ||
		v.Video.Width != 64 || v.Video.Height != 48 || v.Video.PixelFormat != "yuv420p" ||
		v.Video.SampleAspect != (Rational{1, 1}) || v.Video.FieldOrder != "progressive" || v.Video.BitsPerSample != 8 {
		t.Errorf("video %+v", v)
	}
	audio := p.AudioStream()
	if audio == nil || audio.Codec != "aac" || audio.Language != "deu" || audio.Index != 1 ||
		audio.Audio != (Audio{16000, 1, "mono"}) {
		t.Errorf("audio %+v", audio)
	}
	if subtitles := p.SubtitleStreams(); len(subtitles) != 0 {
		t.Errorf("subtitles %+v", subtitles)
	}
}

func TestProbeNotMedia(t *testing.T) {
	for name, content := range map[string]string{"empty.mp4": "", "page.mp4": "<!DOCTYPE html><html></html>"} {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		_, err := tools(t).Probe(t.Context(), path)
		var exit *ExitError
		if !errors.As(err, &exit) || exit.Tool != "ffprobe" || exit.Stderr == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// ffmpeg's rotate tag is counterclockwise, so that 270 is a picture to be turned
// clockwise by 90.
func TestProbeRotation(t *testing.T) {
	path := sample(t, "a.mp4")
	for tag, want := range map[string]int{"0": 0, "90": 270, "180": 180, "270": 90} {
		turned := filepath.Join(t.TempDir(), "r.mp4")
		run(t, "-i", "file:"+path, "-c", "copy", "-metadata:s:v", "rotate="+tag, "file:"+turned)
		p, err := tools(t).Probe(t.Context(), turned)
		if err != nil {
			t.Fatal(err)
		}
		if v := p.VideoStream().Video; v.Rotation != want || v.Flip {
			t.Errorf("rotate=%s: %d, flip %v", tag, v.Rotation, v.Flip)
		}
	}
}

func TestOrientation(t *testing.T) {
	for _, c := range []struct {
		name     string
		rows     string // of the matrix, without its third column
		fallback float64
		flip     bool
		rotation int
	}{
		{"none", "0: 65536 0 0\n1: 0 65536 0\n", 0, false, 0},
		{"clockwise", "0: 0 65536 0\n1: -65536 0 0\n", -90, false, 90},
		{"half", "0: -65536 0 0\n1: 0 -65536 0\n", 180, false, 180},
		{"counterclockwise", "0: 0 -65536 0\n1: 65536 0 0\n", 90, false, 270},
		{"mirror", "0: -65536 0 0\n1: 0 65536 0\n", 0, true, 0},
		{"upside down", "0: 65536 0 0\n1: 0 -65536 0\n", 0, true, 180},
		{"transpose", "0: 0 65536 0\n1: 65536 0 0\n", 0, true, 270},
		{"almost", "0: 65000 1000 0\n1: -1000 65000 0\n", 0, false, 0},
		{"singular", "0: 0 0 0\n1: 0 0 0\n", -90, false, 90},
		{"short", "0: 1", 1e300, false, 0},
	} {
		flip, rotation := orientation(sideDataJSON{DisplayMatrix: c.rows, Rotation: c.fallback})
		if flip != c.flip || rotation != c.rotation {
			t.Errorf("%s: flip %v, rotation %d", c.name, flip, rotation)
		}
	}
}

func TestVideoStreamChoice(t *testing.T) {
	stream := func(i, width int, isDefault, picture bool) Stream {
		return Stream{Index: i, Type: "video", Default: isDefault, AttachedPicture: picture, Video: Video{Width: width, Height: 1}}
	}
	for _, c := range []struct {
		name    string
		streams []Stream
		want    int // -1: none
	}{
		{"none", []Stream{{Type: "audio"}}, -1},
		{"only a cover", []Stream{stream(0, 9, true, true)}, -1},
		{"default first", []Stream{stream(0, 9, false, false), stream(1, 4, true, false)}, 1},
		{"then the largest", []Stream{stream(0, 4, true, false), stream(1, 9, true, false)}, 1},
		{"then the first", []Stream{stream(3, 4, true, false), stream(5, 4, true, false)}, 3},
	} {
		got := (&Probe{Streams: c.streams}).VideoStream()
		if got == nil && c.want >= 0 || got != nil && got.Index != c.want {
			t.Errorf("%s: %+v", c.name, got)
		}
	}
}

func FuzzParseProbe(f *testing.F) {
	f.Add([]byte(`{"format":{"format_name":"mov","start_time":"-1.5","duration":"1e300","tags":{"TITLE":"x"}}}`))
	f.Add([]byte(`{"streams":[{"index":1,"codec_type":"video","width":-1,"sample_aspect_ratio":"0:1","r_frame_rate":"1/0",
		"side_data_list":[{"displaymatrix":"\n0: 0 65536 0\n1: -65536 0 0\n","rotation":-90}]},{"index":0}],"format":{}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := parseProbe(data)
		if err != nil {
			return
		}
		if p.Duration < 0 || p.Bytes < 0 {
			t.Errorf("%+v", p)
		}
		for i, s := range p.Streams {
			if i > 0 && s.Index < p.Streams[i-1].Index {
				t.Errorf("stream %d after %d", s.Index, p.Streams[i-1].Index)
			}
			if s.Duration < 0 || s.DurationPTS < 0 || s.FrameCount < 0 || s.Video.Width < 0 || s.Video.Height < 0 ||
				s.Video.Rotation%90 != 0 || s.Video.Rotation < 0 || s.Video.Rotation > 270 || s.TimeBase.Den < 0 {
				t.Errorf("%+v", s)
			}
		}
	})
}

func TestAudioStream(t *testing.T) {
	usable := Stream{Type: "audio", Codec: "aac", Audio: Audio{SampleRate: 48000, Channels: 2}}
	main := usable
	main.Default = true
	unknown := Stream{Type: "audio", Codec: "unknown", Default: true, Audio: usable.Audio}
	for name, c := range map[string]struct {
		streams []Stream
		want    int
	}{
		"the first":              {[]Stream{{Type: "video"}, usable, usable}, 1},
		"the default":            {[]Stream{usable, main, main}, 1},
		"one that can be played": {[]Stream{unknown, {Type: "audio", Codec: "aac"}, usable}, 2},
		"none":                   {[]Stream{unknown, {Type: "video", Codec: "h264"}}, -1},
	} {
		p := Probe{Streams: c.streams}
		var want *Stream
		if c.want >= 0 {
			want = &p.Streams[c.want]
		}
		if got := p.AudioStream(); got != want {
			t.Errorf("%s: %+v, want stream %d", name, got, c.want)
		}
	}
}
