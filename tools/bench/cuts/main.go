// Command cuts finds the cuts of one video and nothing else: the cut detector's
// share of an extraction, for the benchmarks.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"micodata/extract/scenecut"
	"micodata/internal/ffmpeg"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: cuts VIDEO")
		os.Exit(2)
	}
	ffmpeg.BatchScheduling()
	frames, cuts, err := find(context.Background(), os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, "cuts:", err)
		os.Exit(1)
	}
	fmt.Fprintln(os.Stdout, frames, "frames,", cuts, "cuts")
}

func find(ctx context.Context, path string) (frames, cuts int, err error) {
	tools, err := ffmpeg.Find(ctx, "")
	if err != nil {
		return 0, 0, err
	}
	probe, err := tools.Probe(ctx, path)
	if err != nil {
		return 0, 0, err
	}
	v := probe.VideoStream()
	if v == nil {
		return 0, 0, errors.New("no video")
	}
	plan, err := scenecut.NewPlan(scenecut.Source{Width: v.Video.Width, Height: v.Video.Height, PixFmt: v.Video.PixelFormat})
	if err != nil {
		return 0, 0, err
	}
	input, err := ffmpeg.InputArgs(path, "-threads", "1", "-noautorotate")
	if err != nil {
		return 0, 0, err
	}
	job := ffmpeg.Job{Args: append([]string{"-filter_complex_threads", "1"}, input...), Outputs: 1}
	var pads []string
	for i, m := range plan.Maps() {
		job.Args = append(job.Args, plan.MapArgs(ffmpeg.InputURL(i))...)
		job.Inputs = append(job.Inputs, func(_ context.Context, w io.Writer) error {
			for { // the map repeats for as long as it is read
				if _, err := w.Write(m); err != nil {
					return err
				}
			}
		})
		pads = append(pads, fmt.Sprintf("%d:v", i+1))
	}
	job.Args = append(job.Args, "-filter_complex", plan.Filter(fmt.Sprintf("0:%d", v.Index), pads, "taps"), "-map", "[taps]")
	job.Args = append(append(job.Args, plan.OutputArgs()...), ffmpeg.OutputURL(len(job.Inputs), 0))
	p, err := tools.Start(ctx, job)
	if err != nil {
		return 0, 0, err
	}
	scorer, detector := scenecut.NewScorer(plan), scenecut.NewDetector(scenecut.DefaultThreshold, scenecut.DefaultMinSceneFrames)
	buf := make([]byte, plan.FrameBytes())
	for {
		if _, err = io.ReadFull(p.Output(0), buf); err != nil {
			break
		}
		frames++
		if detector.Push(scorer.Score(buf)) {
			cuts++
		}
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return frames, cuts, errors.Join(err, p.Wait())
}
