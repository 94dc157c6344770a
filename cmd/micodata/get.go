package main

import (
	"errors"

	"github.com/spf13/cobra"

	"micodata/shards"
	"micodata/storage"
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
			var none *shards.NoBlobError
			var failed *storage.Error
			switch {
			case errors.As(err, &none):
				return &failuresError{none.Text}
			case errors.As(err, &failed), ctx.Err() != nil:
				return err
			case err != nil:
				return usagef("%v", err)
			}
			_, err = a.out.Write(blob)
			return err
		},
	}
	cmd.Flags().StringVar(&column, "column", "", "image, video, audio, depth, normal, or of a frame frames.2.image (from 0)")
	return cmd
}
