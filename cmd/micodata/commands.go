package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"micodata/dataset"
	"micodata/engine"
	"micodata/extract"
	"micodata/ingest"
)

// listFlags say how lists are read; what matters of them is in the parts.
type listFlags struct {
	URLCol     string `json:"url_col"`
	IDCol      string `json:"id_col"`
	TextCol    string `json:"text_col"`
	TitleCol   string `json:"title_col"`
	LicenseCol string `json:"license_col"`
	ClipsCol   string `json:"clips_col"`
}

// fetchFlags bound what is fetched from URLs.
type fetchFlags struct {
	AllowPrivate bool          `json:"allow_private"`
	FetchTimeout time.Duration `json:"fetch_timeout"`
	FetchStall   time.Duration `json:"fetch_stall"`
	Redirects    int           `json:"redirects"`
	Attempts     int           `json:"attempts"`
}

func defaultFetch() fetchFlags {
	return fetchFlags{FetchTimeout: time.Hour, FetchStall: time.Minute, Redirects: 10, Attempts: 5}
}

func (f fetchFlags) options() ingest.HTTPOptions {
	redirects := f.Redirects
	if redirects == 0 {
		redirects = -1 // none; 0 would be the default
	}
	return ingest.HTTPOptions{AllowPrivate: f.AllowPrivate, Timeout: f.FetchTimeout, StallTimeout: f.FetchStall, Redirects: redirects, Attempts: f.Attempts}
}

func (l listFlags) options(a *app, skip ...string) ingest.ListOptions {
	return ingest.ListOptions{URLCol: l.URLCol, IDCol: l.IDCol, TextCol: l.TextCol, TitleCol: l.TitleCol,
		LicenseCol: l.LicenseCol, ClipsCol: l.ClipsCol, Stdin: stoppable{a.in, a.signals.stop}, Skip: skip,
		Warn: func(err error) { a.note(err.Error()) }}
}

func sourcesWanted(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return usagef("%s wants at least one SOURCE: a video, a folder, a glob, a URL, a list, or - for a list on standard input", cmd.Name())
	}
	return nil
}

func (a *app) ingestCommand() *cobra.Command {
	settings, list, fetch, work, out := defaultIngest(), listFlags{}, defaultFetch(), workFlags{}, ""
	cmd := &cobra.Command{
		Use:   "ingest SOURCE... -o DATASET",
		Short: "Raw video sources into a dataset: fetched, probed, hashed",
		Args:  sourcesWanted,
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			if out == "" {
				return usagef("ingest wants -o DATASET, the folder to ingest into")
			}
			s, err := a.open(ctx, cmd.Flags(), &work, out, true)
			if err != nil {
				return err
			}
			stage, err := s.ingestStage(ctx, &settings, fetch.options())
			if err != nil {
				return err
			}
			parts := s.listedParts(ctx, args, list.options(a, out), settings.PartSources)
			if err := s.runStages(ctx, 0, parts, []engine.Stage{stage}); err != nil {
				return err
			}
			return s.finish(ctx, dataset.StageIngest)
		},
	}
	f := cmd.Flags()
	f.StringVarP(&out, "output", "o", "", "the dataset's folder")
	bind(f, &settings)
	bind(f, &list)
	bind(f, &fetch)
	bind(f, &work)
	return cmd
}

func (a *app) extractCommand() *cobra.Command {
	settings, work := extract.DefaultSettings(), workFlags{}
	cmd := &cobra.Command{
		Use:   "extract DATASET",
		Short: "Cut clips, key frames, frames, audio and aligned subtitles",
		Args:  exactly("DATASET"),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			s, err := a.open(ctx, cmd.Flags(), &work, args[0], false)
			if err != nil {
				return err
			}
			n, err := s.ingestedCount(ctx)
			if err != nil {
				return err
			}
			stage, err := s.extractStage(ctx, &settings)
			if err != nil {
				return err
			}
			if ended, err := s.ingestEnded(ctx, n); err != nil {
				return err
			} else if !ended {
				a.note(fmt.Sprintf("%s is not ingested to the end of its list; extracting the %d parts that are there", args[0], n))
			}
			if err := s.runStages(ctx, n, engine.Parts(n), []engine.Stage{stage}); err != nil {
				return err
			}
			return s.finish(ctx, dataset.StageIngest, dataset.StageExtract)
		},
	}
	bind(cmd.Flags(), &settings)
	bind(cmd.Flags(), &work)
	return cmd
}

func (a *app) labelCommand() *cobra.Command {
	geo, label, work := defaultGeometry(), defaultLabels(), workFlags{}
	var only []string
	again := false
	cmd := &cobra.Command{
		Use:   "label DATASET [--only NAME]",
		Short: "Estimate depth and normals of the clips' key frames, or of all their frames",
		Args:  exactly("DATASET"),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			s, err := a.open(ctx, cmd.Flags(), &work, args[0], false)
			if err != nil {
				return err
			}
			s.again = again
			if len(only) > 0 {
				label.Labels = only
			}
			n, err := s.extractedCount(ctx)
			if err != nil {
				return err
			}
			labelers, err := s.labelStages(ctx, &geo, label)
			if err != nil {
				return err
			}
			defer labelers.close()
			if len(labelers.outputs) == 0 {
				return usagef("label: no labeler was asked for; depth and normal are known")
			}
			if err := s.runStages(ctx, n, engine.Parts(n), labelers.stages); err != nil {
				return err
			}
			return s.finish(ctx, labelers.outputs...)
		},
	}
	cmd.Flags().StringSliceVar(&only, "only", nil, "these labelers only: depth, normal")
	cmd.Flags().BoolVar(&again, "again", false, "where labels were made otherwise, with another model for one, remove them and make them anew")
	bind(cmd.Flags(), &geo)
	bind(cmd.Flags(), &label)
	bind(cmd.Flags(), &work)
	return cmd
}
