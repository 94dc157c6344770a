package extract

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"

	"golang.org/x/sync/errgroup"

	"micodata/dataset"
	"micodata/internal/ffmpeg"
	"micodata/internal/subtitle"
)

// track is one language's subtitles of a source.
type track struct {
	lang string
	cues []subtitle.Cue // on the source's clock
}

// subtitles reads the sidecars of a source and its embedded tracks, in this
// order. Those that cannot be read are as if they were not there.
func (e *extraction) subtitles(ctx context.Context, probe *ffmpeg.Probe) ([]track, error) {
	var tracks []track
	for _, s := range e.src.Sidecars {
		data, err := readSidecar(s.Path)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) || errors.Is(err, errNoFile) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read subtitles: %w", err)
		}
		tracks = append(tracks, track{lang: s.Lang, cues: subtitle.Parse(data)})
	}
	embedded, err := e.embedded(ctx, probe)
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

// embedded extracts the text tracks of the media, all by one run of ffmpeg.
func (e *extraction) embedded(ctx context.Context, probe *ffmpeg.Probe) ([]track, error) {
	streams := slices.DeleteFunc(probe.SubtitleStreams(), func(s ffmpeg.Stream) bool { return !subtitle.IsText(s.Codec) })
	if len(streams) == 0 {
		return nil, nil
	}
	args, err := ffmpeg.InputArgs(e.m.path)
	if err != nil {
		return nil, err
	}
	for i, s := range streams {
		args = append(args, "-map", fmt.Sprintf("0:%d", s.Index), "-c:s", "subrip", "-f", "srt", ffmpeg.OutputURL(0, i))
	}
	p, err := e.env.Tools.Start(ctx, ffmpeg.Job{Args: args, Outputs: len(streams), Limits: decodeLimits(e.m.duration)})
	if err != nil {
		return nil, err
	}
	texts := make([][]byte, len(streams))
	var g errgroup.Group
	for i := range streams {
		r := p.Output(i)
		g.Go(func() (err error) {
			defer r.Close()
			texts[i], err = io.ReadAll(io.LimitReader(r, subtitle.MaxBytes))
			return err
		})
	}
	readErr := g.Wait()
	err = p.Wait()
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	var exit *ffmpeg.ExitError
	if err != nil && !errors.As(err, &exit) {
		return nil, itemError(err, e.m.path, dataset.Corrupt)
	}
	if readErr != nil {
		return nil, fmt.Errorf("read embedded subtitles: %w", readErr)
	}
	var tracks []track
	for i, s := range streams {
		if cues := subtitle.Parse(texts[i]); len(cues) > 0 {
			tracks = append(tracks, track{lang: s.Language, cues: cues})
		}
	}
	return tracks, nil
}

// cuesWithin are the cues of all tracks shown in [start, end), track by track,
// with times from start on.
func cuesWithin(tracks []track, start, end float64) []dataset.Cue {
	var cues []dataset.Cue
	for _, t := range tracks {
		for _, c := range subtitle.Within(t.cues, start, end) {
			cues = append(cues, dataset.Cue{Start: c.Start, End: c.End, Text: c.Text, Lang: t.lang})
		}
	}
	return cues
}
