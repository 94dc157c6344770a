package extract

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"micodata/dataset"
	"micodata/internal/ffmpeg"
	"micodata/internal/subtitle"
)

// subtitles reads the sidecars of a source and its embedded tracks, in this
// order. Those that cannot be read are as if they were not there.
func (e *extraction) subtitles(ctx context.Context, probe *ffmpeg.Probe) ([]subtitle.Track, error) {
	var tracks []subtitle.Track
	for _, s := range e.src.Sidecars {
		data, err := readSidecar(s.Path)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) || errors.Is(err, errNoFile) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read subtitles: %w", err)
		}
		tracks = append(tracks, subtitle.Track{Lang: s.Lang, Cues: subtitle.Parse(data)})
	}
	embedded, err := subtitle.Embedded(ctx, e.env.Tools, e.m.path, probe, decodeLimits(e.m.duration))
	if timeout := new(ffmpeg.TimeoutError); errors.As(err, &timeout) {
		err = itemError(err, e.m.path, dataset.Corrupt)
	}
	return append(tracks, embedded...), err
}

var errNoFile = errors.New("not a regular file")

func readSidecar(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errNoFile
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, subtitle.MaxBytes))
}

// cuesWithin are the cues of all tracks shown in [start, end), track by track,
// with times from start on.
func cuesWithin(tracks []subtitle.Track, start, end float64) []dataset.Cue {
	var cues []dataset.Cue
	for _, t := range tracks {
		for _, c := range subtitle.Within(t.Cues, start, end) {
			cues = append(cues, dataset.Cue{Start: c.Start, End: c.End, Text: c.Text, Lang: t.Lang})
		}
	}
	return cues
}
