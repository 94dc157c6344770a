package subtitle

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"golang.org/x/sync/errgroup"

	"micodata/internal/ffmpeg"
)

// Track is the subtitles of one language.
type Track struct {
	Lang string // "" if it is not said
	Cues []Cue  // on the source's clock
}

// Embedded reads the text tracks inside the medium at path, all by one run of
// ffmpeg within limits; there is no run if there are none. Those that cannot be
// read are left out. The error is the context's, a [*ffmpeg.TimeoutError] or one
// of this machine.
func Embedded(ctx context.Context, tools ffmpeg.Tools, path string, probe *ffmpeg.Probe, limits ffmpeg.Limits) ([]Track, error) {
	streams := slices.DeleteFunc(probe.SubtitleStreams(), func(s ffmpeg.Stream) bool { return !IsText(s.Codec) })
	if len(streams) == 0 {
		return nil, nil
	}
	args, err := ffmpeg.InputArgs(path)
	if err != nil {
		return nil, err
	}
	for i, s := range streams {
		args = append(args, "-map", fmt.Sprintf("0:%d", s.Index), "-c:s", "subrip", "-f", "srt", ffmpeg.OutputURL(0, i))
	}
	p, err := tools.Start(ctx, ffmpeg.Job{Args: args, Outputs: len(streams), Limits: limits})
	if err != nil {
		return nil, err
	}
	texts := make([][]byte, len(streams))
	var g errgroup.Group
	for i := range streams {
		r := p.Output(i)
		g.Go(func() (err error) {
			defer r.Close()
			texts[i], err = io.ReadAll(io.LimitReader(r, MaxBytes))
			return err
		})
	}
	readErr := g.Wait()
	err = p.Wait()
	var exit *ffmpeg.ExitError
	if err != nil && (ctx.Err() != nil || !errors.As(err, &exit)) {
		return nil, err
	}
	if readErr != nil {
		return nil, fmt.Errorf("read embedded subtitles: %w", readErr)
	}
	var tracks []Track
	for i, s := range streams {
		if cues := Parse(texts[i]); len(cues) > 0 {
			tracks = append(tracks, Track{Lang: s.Language, Cues: cues})
		}
	}
	return tracks, nil
}
