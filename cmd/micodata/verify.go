package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"micodata/internal/ffmpeg"
	"micodata/shards"
	"micodata/storage"
)

func (a *app) verifyCommand() *cobra.Command {
	sample := 0.05
	cmd := &cobra.Command{
		Use:   "verify OUT [--sample P]",
		Short: "Re-read a training set and check everything that is promised of it",
		Args:  exactly("OUT"),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			if sample < 0 || sample > 1 {
				return usagef("--sample is a share from 0 to 1, not %v", sample)
			}
			if err := checkFolder(args[0], "manifest.json", false); err != nil {
				return err
			}
			tools, err := ffmpeg.Find(ctx, a.global.ffmpeg)
			if err != nil {
				return err
			}
			store, err := storage.NewLocal(args[0])
			if err != nil {
				return err
			}
			report, err := shards.Verify(ctx, shards.VerifyEnv{Out: store, Tools: tools, Sample: sample})
			if err != nil {
				return err
			}
			for _, p := range report.Problems {
				fmt.Fprintln(a.out, p)
			}
			if n := report.Found; n > 0 {
				return &failuresError{fmt.Sprintf("%s: %d problems in %d tuples (%d re-decoded)", args[0], n, report.Tuples, report.Sampled)}
			}
			fmt.Fprintf(a.out, "%s: %d tuples in %d shards are whole; %d were re-decoded and keep every promise\n",
				args[0], report.Tuples, report.Shards, report.Sampled)
			return nil
		},
	}
	cmd.Flags().Float64Var(&sample, "sample", sample, "share of the tuples to re-decode, at least one a shard")
	return cmd
}
