package main

import (
	"github.com/spf13/cobra"

	"micodata/shards"
)

func (a *app) getCommand() *cobra.Command {
	column := ""
	cmd := &cobra.Command{
		Use:   "get OUT KEY --column C",
		Short: "One blob of a training set to standard output, by one range request",
		Args:  exactly("OUT", "KEY"),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			if column == "" {
				return usagef("get wants --column: image, video, audio, depth, normal or frames.N.image")
			}
			set, err := openSet(ctx, args[0])
			if err != nil {
				return err
			}
			blob, err := shards.Get(ctx, set, args[1], column)
			if err == nil {
				_, _ = a.out.Write(blob) // whose error is told at the end, as that of every print
			}
			return err
		},
	}
	cmd.Flags().StringVar(&column, "column", "", "image, video, audio, depth, normal, or of a frame frames.2.image (from 0)")
	return cmd
}
