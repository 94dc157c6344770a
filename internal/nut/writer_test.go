package nut

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// What ffmpeg makes of raw video of ours: the same pixels at the same times.
func TestWriteRawVideo(t *testing.T) {
	for _, c := range []struct {
		fourCC, pixels string
		frameBytes     int
		base           Rational
		times          []int64
	}{
		{FourCCYUV420P, "yuv420p", 320 * 180 * 3 / 2, Rational{1, 12800}, []int64{0, 512, 1024}},
		{FourCCGray, "gray", 320 * 180, Rational{1001, 30000}, []int64{5, 6, 9, 200000}},
		{FourCCBGR24, "bgr24", 320 * 180 * 3, Rational{1, 90000}, []int64{0, 4096 * 90000, 8192*90000 + 1}},
		{FourCCRGB24, "rgb24", 320 * 180 * 3, Rational{1, 1000000}, []int64{1, 2, 40000}},
	} {
		source := rand.NewChaCha8([32]byte{7})
		var frames []Frame
		var want strings.Builder
		for _, pts := range c.times {
			f := Frame{PTS: pts, Key: true, Data: make([]byte, c.frameBytes)}
			if _, err := source.Read(f.Data); err != nil {
				t.Fatal(err)
			}
			frames = append(frames, f)
			fmt.Fprintf(&want, "%d,%d\n", pts, len(f.Data))
		}
		stream := write(t, []Stream{{
			FourCC: c.fourCC, TimeBase: c.base, Width: 320, Height: 180, SampleAspect: Rational{1, 1},
		}}, frames)
		if got := run(t, stream, "-f", "nut", "-i", ffmpeg0, "-vsync", "passthrough", "-f", "rawvideo", "-pix_fmt", c.pixels); !bytes.Equal(got, join(frames, 0)) {
			t.Errorf("%s: other pixels, %d bytes", c.pixels, len(got))
		}
		if got := packets(t, stream); got != want.String() {
			t.Errorf("%s: packets\n%swant\n%s", c.pixels, got, want.String())
		}
	}
}

const ffmpeg0 = "pipe:3"

// packets lists "time,size" of each packet, as ffmpeg's framecrc muxer has it
// in the stream's own time base.
func packets(t *testing.T, stream []byte) string {
	t.Helper()
	var out strings.Builder
	text := run(t, stream, "-copyts", "-f", "nut", "-i", ffmpeg0, "-c", "copy", "-f", "framecrc")
	for line := range strings.Lines(string(text)) {
		if f := strings.Split(line, ","); !strings.HasPrefix(line, "#") {
			fmt.Fprintf(&out, "%s,%s\n", strings.TrimSpace(f[2]), strings.TrimSpace(f[4]))
		}
	}
	return out.String()
}

func TestWritePCM(t *testing.T) {
	samples := make([]byte, 3*16000*2)
	if _, err := rand.NewChaCha8([32]byte{8}).Read(samples); err != nil {
		t.Fatal(err)
	}
	var frames []Frame
	for chunk := range slices.Chunk(samples, 2048) {
		frames = append(frames, Frame{PTS: int64(1024 * len(frames)), Key: true, Data: chunk})
	}
	stream := write(t, []Stream{{
		Class: ClassAudio, FourCC: FourCCS16LE, TimeBase: Rational{1, 16000}, SampleRate: Rational{16000, 1}, Channels: 1,
	}}, frames)
	if got := run(t, stream, "-f", "nut", "-i", ffmpeg0, "-f", "s16le"); !bytes.Equal(got, samples) {
		t.Errorf("other samples, %d bytes", len(got))
	}
}

// What ffmpeg wrote, read and written again by us, is decoded to the same
// frames.
func TestRewriteH264AndAAC(t *testing.T) {
	original := run(t, nil, "-f", "lavfi", "-i", "testsrc2=s=320x180:r=25", "-f", "lavfi", "-i", "sine=r=16000", "-t", "2",
		"-c:v", "libx264", "-bf", "3", "-c:a", "aac", "-flags", "+bitexact", "-f", "nut")
	r, frames := readAll(t, original)
	again := write(t, r.Streams(), frames)
	decode := []string{"-f", "nut", "-i", ffmpeg0, "-map", "0", "-vsync", "passthrough", "-f", "framecrc"}
	if want, got := run(t, original, decode...), run(t, again, decode...); !bytes.Equal(got, want) || len(want) < 1000 {
		t.Errorf("decoded\n%s\nwant\n%s", got, want)
	}
}

// A round trip without ffmpeg, with all that a stream can have.
func TestRoundTrip(t *testing.T) {
	streams := []Stream{
		{FourCC: FourCCH264, TimeBase: Rational{1, 90000}, CodecData: bytes.Repeat([]byte{1, 2}, 4000),
			DecodeDelay: 2, Width: 1 << 16, Height: 1, SampleAspect: Rational{16, 11}},
		{Class: ClassAudio, FourCC: "\x55\x00", TimeBase: Rational{1, 44100}, SampleRate: Rational{44100, 1}, Channels: 6},
		{Class: ClassSubtitle, FourCC: "UTF8", TimeBase: Rational{1, 1000}},
	}
	frames := []Frame{
		{Stream: 0, PTS: 7200, Key: true, Data: make([]byte, 70000)},
		{Stream: 1, PTS: 0, Key: true, Data: []byte{1}},
		{Stream: 2, PTS: 1 << 50},
		{Stream: 0, PTS: 0, Data: make([]byte, 200000)},
	}
	r, got := readAll(t, write(t, streams, frames))
	if !reflect.DeepEqual(r.Streams(), streams) {
		t.Errorf("%+v", r.Streams())
	}
	if !reflect.DeepEqual(got, frames) {
		t.Error("other frames")
	}
}

func TestWriterRefuses(t *testing.T) {
	good := Stream{FourCC: FourCCGray, TimeBase: Rational{1, 25}, Width: 4, Height: 2}
	for what, change := range map[string]func(*Stream){
		"time base":  func(s *Stream) { s.TimeBase = Rational{2, 50} },
		"no base":    func(s *Stream) { s.TimeBase = Rational{} },
		"codec name": func(s *Stream) { s.FourCC = "GRAY8" },
		"width":      func(s *Stream) { s.Width = 0 },
		"class":      func(s *Stream) { s.Class = 4 },
		"channels":   func(s *Stream) { s.Class, s.SampleRate = ClassAudio, Rational{1, 1} },
	} {
		bad := good
		change(&bad)
		if _, err := NewWriter(io.Discard, []Stream{good, bad}); err == nil {
			t.Error(what)
		}
	}
	if _, err := NewWriter(io.Discard, nil); err == nil {
		t.Error("no streams")
	}
	w, err := NewWriter(io.Discard, []Stream{good})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range []Frame{{Stream: 1}, {Stream: -1}, {PTS: -1}, {PTS: 1 << 62}} {
		if err := w.WriteFrame(f); !errors.Is(err, errFrame) {
			t.Errorf("%+v: %v", f, err)
		}
	}
}

type brokenPipe struct{ left int }

var errBroken = errors.New("broken")

func (b *brokenPipe) Write(p []byte) (int, error) {
	if b.left -= len(p); b.left < 0 {
		return 0, errBroken
	}
	return len(p), nil
}

func TestWriterReportsErrors(t *testing.T) {
	streams := []Stream{{FourCC: FourCCGray, TimeBase: Rational{1, 25}, Width: 4, Height: 2}}
	if _, err := NewWriter(&brokenPipe{}, streams); !errors.Is(err, errBroken) {
		t.Errorf("err = %v", err)
	}
	w, err := NewWriter(&brokenPipe{left: 1000}, streams)
	if err != nil {
		t.Fatal(err)
	}
	if err = w.WriteFrame(Frame{Data: make([]byte, 1000)}); !errors.Is(err, errBroken) {
		t.Errorf("err = %v", err)
	}
}

func FuzzReader(f *testing.F) {
	streams := []Stream{
		{FourCC: FourCCGray, TimeBase: Rational{1, 25}, Width: 4, Height: 2},
		{Class: ClassAudio, FourCC: FourCCS16LE, TimeBase: Rational{1, 16000}, SampleRate: Rational{16000, 1}, Channels: 1},
	}
	var out bytes.Buffer
	w, err := NewWriter(&out, streams)
	if err == nil {
		err = errors.Join(w.WriteFrame(Frame{PTS: 1, Key: true, Data: []byte("12345678")}),
			w.WriteFrame(Frame{Stream: 1, PTS: 9999999, Data: []byte("12")}))
	}
	if err != nil {
		f.Fatal(err)
	}
	f.Add(out.Bytes())
	f.Add(out.Bytes()[:out.Len()-1])
	f.Add([]byte(fileID))
	f.Fuzz(func(t *testing.T, data []byte) {
		const limit = 1 << 16
		r, err := NewReader(bytes.NewReader(data), limit)
		for err == nil {
			var frame Frame
			frame, err = r.Next(nil)
			if len(frame.Data) > limit || frame.Stream >= len(r.Streams()) {
				t.Fatalf("frame of %d bytes of stream %d", len(frame.Data), frame.Stream)
			}
		}
	})
}

// FuzzFrames goes past the checksums: it gives its bytes to the parts that read
// headers and frames.
func FuzzFrames(f *testing.F) {
	w := &Writer{streams: make([]Stream, 1)}
	w.streams[0].TimeBase = Rational{1, 25}
	f.Add(w.mainHeader(), []byte("\x00\x00\x04Y800\x00\x00\x01\x00\x00\x00\x04\x02\x00\x00\x00"), []byte("\x01\x38\x00\x02\x0812345678"))
	f.Add([]byte("\x04\x00\x01\x00\x01\x01\x01\xd0\x20\x08\x01\x01\x00\x00\x01\x81\x7f\x00\x00"), []byte("\x00\x02\x00\x00\x07"), []byte("A"))
	f.Fuzz(func(t *testing.T, mainPayload, streamPayload, frames []byte) {
		h, err := parseMainHeader(mainPayload)
		if err != nil {
			return
		}
		id, stream, state, err := h.parseStream(streamPayload)
		if err != nil {
			return
		}
		const limit = 1 << 16
		r := &Reader{
			in: bufio.NewReader(bytes.NewReader(frames)), maxFrame: limit, synced: true,
			main: h, streams: make([]Stream, h.streams), states: make([]streamState, h.streams),
		}
		for i := range r.streams {
			r.states[i].timeBase = Rational{1, 1}
		}
		r.streams[id], r.states[id] = stream, state
		for err == nil {
			var frame Frame
			frame, err = r.Next(nil)
			if len(frame.Data) > limit || frame.PTS > maxPTS || frame.PTS < -maxPTS {
				t.Fatalf("frame of %d bytes at %d", len(frame.Data), frame.PTS)
			}
		}
	})
}
