package mp4

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"micodata/internal/ffmpeg"
	"micodata/internal/nut"
)

func tools(t *testing.T) ffmpeg.Tools {
	t.Helper()
	found, err := ffmpeg.Find(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// run starts ffmpeg and returns its output, which goes to the first pipe.
func run(t *testing.T, args ...string) []byte {
	t.Helper()
	p, err := tools(t).Start(context.Background(), ffmpeg.Job{
		Args: append([]string{"-xerror"}, append(args, ffmpeg.OutputURL(0, 0))...), Outputs: 1,
	})
	if err != nil {
		t.Fatal(err)
	}
	out, err := io.ReadAll(p.Output(0))
	if err = errors.Join(err, p.Wait()); err != nil {
		t.Fatal(err)
	}
	return out
}

const (
	fps        = 25
	clipFrames = 40 // frames of the first clip, at whose end an IDR frame is forced
	allFrames  = 75
	rate       = 16000 // Hz
	priming    = 1024  // samples that ffmpeg's AAC encoder puts first
)

// picture is H.264 with B-frames, coded packets and all, in two closed groups.
func picture(t *testing.T) (nut.Stream, []nut.Frame) {
	t.Helper()
	return packets(t, run(t, "-f", "lavfi", "-i", fmt.Sprintf("testsrc2=s=320x180:r=%d:d=3", fps), "-c:v", "libx264",
		"-threads", "1", "-bf", "3", "-x264-params", "b-adapt=0:scenecut=0:open-gop=0",
		"-force_key_frames", fmt.Sprint(float64(clipFrames)/fps), "-forced-idr", "1",
		"-avoid_negative_ts", "disabled", "-f", "nut"))
}

// sound is a second of silence with a click of one sample in its middle, as AAC.
func sound(t *testing.T) Audio {
	t.Helper()
	expr := fmt.Sprintf("aevalsrc='if(eq(n,%d),1,0)':s=%d:d=1", rate/2, rate)
	s, frames := packets(t, run(t, "-f", "lavfi", "-i", expr, "-c:a", "aac", "-b:a", "96k", "-f", "nut"))
	a := Audio{SampleRate: rate, Channels: 1, Config: s.CodecData, PrimingSamples: priming, TotalSamples: rate}
	for _, f := range frames {
		a.Packets = append(a.Packets, f.Data)
	}
	return a
}

func packets(t *testing.T, stream []byte) (nut.Stream, []nut.Frame) {
	t.Helper()
	r, err := nut.NewReader(bytes.NewReader(stream), 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	var frames []nut.Frame
	for {
		f, err := r.Next(nil)
		if errors.Is(err, io.EOF) {
			return r.Streams()[0], frames
		}
		if err != nil {
			t.Fatal(err)
		}
		frames = append(frames, f)
	}
}

// clip is the packets first to end, moved to time 0.
func clip(s nut.Stream, packets []nut.Frame, first, end int) Video {
	unit := s.TimeBase.Den / s.TimeBase.Num / fps
	v := Video{
		Width: s.Width, Height: s.Height, TimeBase: s.TimeBase, Config: s.CodecData,
		Duration: int64(end-first) * unit,
	}
	for _, p := range packets[first:end] {
		v.Samples = append(v.Samples, Sample{Data: p.Data, PTS: p.PTS - int64(first)*unit, Key: p.Key})
	}
	return v
}

// save writes a movie to a file and gives its name.
func save(t *testing.T, m Movie) string {
	t.Helper()
	var out, again bytes.Buffer
	if err := errors.Join(Write(&out, m), Write(&again, m)); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(out.Bytes(), again.Bytes()) {
		t.Error("other bytes the second time")
	}
	path := filepath.Join(t.TempDir(), "clip.mp4")
	if err := os.WriteFile(path, out.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}
