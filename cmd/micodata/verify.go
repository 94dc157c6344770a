package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"micodata/engine"
	"micodata/internal/ffmpeg"
	"micodata/shards/verify"
)

// verifyWork are the settings of how verify works.
type verifyWork struct {
	Workers int    `json:"workers"`
	TempDir string `json:"temp_dir"`
}

func (a *app) verifyCommand() *cobra.Command {
	sample, dir, noSources, asJSON, flags := 0.05, "", false, false, verifyWork{}
	cmd := &cobra.Command{
		Use:   "verify OUT [--sample P]",
		Short: "Re-read a training set and check everything that is promised of it",
		Args:  exactly("OUT"),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			if !(sample >= 0 && sample <= 1) { // nor NaN
				return usagef("--sample is a share from 0 to 1, not %v", sample)
			}
			work := workFlags{Workers: flags.Workers, TempDir: flags.TempDir}
			err := work.validate()
			if err != nil {
				return err
			}
			env := verify.Env{Sample: sample, WithoutSources: noSources, Workers: work.workers(), TempDir: work.tempDir()}
			if env.Out, err = openSet(ctx, args[0]); err != nil {
				return err
			}
			if env.Dataset, err = datasetOf(ctx, args[0], dir); err != nil {
				return err
			}
			if env.Tools, err = ffmpeg.Find(ctx, a.global.ffmpeg); err != nil {
				return err
			}
			counter := a.newCounter("shards verified")
			env.Progress = counter.count
			report, err := verify.Set(ctx, env)
			counter.close()
			if errors.Is(err, context.Canceled) {
				return verifyStopped{}
			}
			if err != nil {
				return err
			}
			if asJSON {
				enc := json.NewEncoder(a.out)
				enc.SetIndent("", "  ")
				if err := enc.Encode(report); err != nil {
					return err
				}
			} else {
				for _, p := range report.Problems {
					fmt.Fprintln(a.out, oneLine(p.String())) // a key may hold anything
				}
			}
			sources := ""
			if !noSources {
				sources = "; " + sourcesText(report.Sources)
			}
			if n := report.Unnamed; n > 0 {
				sources += fmt.Sprintf("; %d maps do not name their picture (label --again makes them anew)", n)
			}
			if n := report.Found; n > 0 {
				return &failuresError{fmt.Sprintf("%s: %d problems in %d tuples (%d re-decoded%s)", args[0], n, report.Tuples, report.Sampled, sources)}
			}
			if !asJSON {
				fmt.Fprintf(a.out, "%s: %d tuples in %d shards are whole; %d were re-decoded and keep every promise%s\n",
					args[0], report.Tuples, report.Shards, report.Sampled, sources)
			}
			return nil
		},
	}
	f := cmd.Flags()
	f.Float64Var(&sample, "sample", sample, "share of the tuples to re-decode, at least one a shard")
	f.BoolVar(&noSources, "no-sources", false, "do not compare these tuples with their sources")
	f.StringVar(&dir, "dataset", "", "the dataset's folder, for sources that it holds (default OUT/.dataset, if there is one)")
	f.BoolVar(&asJSON, "json", false, "print JSON")
	bind(f, &flags)
	return cmd
}

// verifyStopped is what an interrupt leaves of verify, which makes nothing.
type verifyStopped struct{}

func (verifyStopped) Error() string { return "stopped before all was checked" }
func (verifyStopped) Unwrap() error { return engine.ErrInterrupted }

// sourcesText tells how many tuples were compared with their sources, and why
// others were not.
func sourcesText(r verify.SourceReport) string {
	text := fmt.Sprintf("%d were compared with their sources", r.Compared)
	var not []string
	var n int64
	for _, reason := range slices.Sorted(maps.Keys(r.NotCompared)) {
		n += r.NotCompared[reason]
		not = append(not, fmt.Sprintf("%d %s", r.NotCompared[reason], reason))
	}
	if n == 0 {
		return text
	}
	return fmt.Sprintf("%s, %d were not (source %s)", text, n, strings.Join(not, ", "))
}
