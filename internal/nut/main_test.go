package nut

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"

	"micodata/internal/ffmpeg"
)

const maxFrame = 64 << 20

// run gives ffmpeg one input, or none, and returns its output.
func run(t *testing.T, input []byte, args ...string) []byte {
	t.Helper()
	tools, err := ffmpeg.Find(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	job := ffmpeg.Job{Args: args, Outputs: 1}
	if input != nil {
		job.Inputs = []ffmpeg.Feed{ffmpeg.Copy(bytes.NewReader(input))}
	}
	job.Args = append(job.Args, ffmpeg.OutputURL(len(job.Inputs), 0))
	p, err := tools.Start(context.Background(), job)
	if err != nil {
		t.Fatal(err)
	}
	out, err := io.ReadAll(p.Output(0))
	if err = errors.Join(err, p.Wait()); err != nil {
		t.Fatal(err)
	}
	return out
}

// readAll reads all frames, each into a buffer of its own.
func readAll(t *testing.T, stream []byte) (*Reader, []Frame) {
	t.Helper()
	r, err := NewReader(bytes.NewReader(stream), maxFrame)
	if err != nil {
		t.Fatal(err)
	}
	var frames []Frame
	for {
		f, err := r.Next(nil)
		if errors.Is(err, io.EOF) {
			return r, frames
		}
		if err != nil {
			t.Fatal(err)
		}
		frames = append(frames, f)
	}
}

// write makes a stream of the frames.
func write(t *testing.T, streams []Stream, frames []Frame) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := NewWriter(&out, streams)
	for i := 0; err == nil && i < len(frames); i++ {
		err = w.WriteFrame(frames[i])
	}
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// join puts the payloads of one stream behind each other.
func join(frames []Frame, stream int) []byte {
	var out []byte
	for _, f := range frames {
		if f.Stream == stream {
			out = append(out, f.Data...)
		}
	}
	return out
}
