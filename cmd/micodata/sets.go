package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"micodata/dataset"
	"micodata/engine"
	"micodata/extract"
	"micodata/gpu"
	"micodata/ingest"
	"micodata/pseudolabel"
	"micodata/pseudolabel/card"
	"micodata/shards"
	"micodata/shards/export"
	"micodata/storage"
)

// upstream are the settings of what shard and run do before they write a set.
type upstream struct {
	extract extract.Settings
	geo     geometrySettings
	label   labelFlags
	work    workFlags
}

func newUpstream(f *pflag.FlagSet) *upstream {
	u := &upstream{extract: extract.DefaultSettings(), geo: defaultGeometry(), label: defaultLabels()}
	bind(f, &u.extract)
	bind(f, &u.geo)
	bind(f, &u.label)
	bind(f, &u.work)
	return u
}

func (a *app) shardCommand() *cobra.Command {
	settings, out, exclude := shards.DefaultSettings(), "", ""
	cmd := &cobra.Command{
		Use:   "shard DATASET -o OUT",
		Short: "Write the training set; first runs whatever is missing before it",
		Args:  exactly("DATASET"),
	}
	up := newUpstream(cmd.Flags())
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		ctx := cmd.Context()
		if out == "" {
			return usagef("shard wants -o OUT, the folder for the training set")
		}
		s, err := a.open(ctx, cmd.Flags(), &up.work, args[0], false)
		if err != nil {
			return err
		}
		if exclude != "" {
			if s.exclude, err = readKeys(exclude); err != nil {
				return err
			}
		}
		n, err := s.ingestedCount(ctx)
		if err != nil {
			return err
		}
		if ended, err := s.ingestEnded(ctx, n); err != nil {
			return err
		} else if !ended {
			return usagef("%s is not ingested to the end of its list: run its micodata ingest again first", args[0])
		}
		return s.build(ctx, up, &settings, out, func(stages []engine.Stage) error {
			return s.runStages(ctx, n, engine.Parts(n), stages)
		})
	}
	cmd.Flags().StringVarP(&out, "output", "o", "", "the training set's folder")
	cmd.Flags().StringVar(&exclude, "exclude", "", "file of keys and source ids, a line each, to take out of the set for good; other shards stay as they are")
	bind(cmd.Flags(), &settings)
	return cmd
}

// readKeys reads the file of --exclude. One without keys is a mistake.
func readKeys(name string) ([]string, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, usagef("--exclude: %v", err)
	}
	defer f.Close()
	keys, err := shards.ReadKeys(f)
	if err == nil && len(keys) == 0 {
		err = errors.New("no keys in it")
	}
	if err != nil {
		return nil, usagef("--exclude %s: %v", name, err)
	}
	return keys, nil
}

func (a *app) runCommand() *cobra.Command {
	in, list, fetch, settings := defaultIngest(), listFlags{}, defaultFetch(), shards.DefaultSettings()
	var out, dir string
	cmd := &cobra.Command{
		Use:   "run SOURCE... -o OUT",
		Short: "From raw video to the training set in one go",
		Args:  sourcesWanted,
	}
	up := newUpstream(cmd.Flags())
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		ctx := cmd.Context()
		if out == "" {
			return usagef("run wants -o OUT, the folder for the training set")
		}
		if dir == "" {
			dir = below(out, datasetInSet)
		}
		s, err := a.open(ctx, cmd.Flags(), &up.work, dir, true)
		if err != nil {
			return err
		}
		first, err := s.ingestStage(ctx, &in, fetch.options())
		if err != nil {
			return err
		}
		parts := s.listedParts(ctx, args, list.options(a, out, dir), in.PartSources)
		return s.build(ctx, up, &settings, out, func(stages []engine.Stage) error {
			return s.runStages(ctx, 0, parts, append([]engine.Stage{first}, stages...))
		})
	}
	cmd.Flags().StringVarP(&out, "output", "o", "", "the training set's folder")
	cmd.Flags().StringVar(&dir, "dataset", "", "the dataset's folder (default OUT/.dataset)")
	bind(cmd.Flags(), &in)
	bind(cmd.Flags(), &list)
	bind(cmd.Flags(), &fetch)
	bind(cmd.Flags(), &settings)
	return cmd
}

// build runs the stages that feed a training set, then writes it.
func (s *session) build(ctx context.Context, up *upstream, settings *shards.Settings, out string, runStages func([]engine.Stage) error) error {
	if err := settings.Validate(); err != nil {
		return usagef("%v", err)
	}
	if err := checkApart(s.store.Path(""), out); err != nil {
		return err
	}
	store, err := openStore(ctx, out, shards.ManifestName, true)
	if err != nil {
		return err
	}
	was, err := shards.Existing(ctx, store)
	if err != nil { // before hours of work
		return err
	}
	if len(s.exclude) > 0 && was != nil {
		if err := s.adoptSet(was, up, settings); err != nil {
			return err
		}
	}
	return s.buildInto(ctx, up, settings, store, runStages)
}

// adoptSet takes from a set what it was made with, so that who takes something out
// of it need not know.
func (s *session) adoptSet(m *shards.Manifest, up *upstream, settings *shards.Settings) error {
	labels := []string{}
	for stage := range m.Stages {
		if name, ok := strings.CutPrefix(stage, "label/"); ok {
			labels = append(labels, name)
		}
	}
	slices.Sort(labels)
	if err := adopt(s.flags, &up.label, map[string]any{"labels": labels}); err != nil {
		return err
	}
	own := map[string]any{}
	eachField(reflect.ValueOf(&m.Settings).Elem(), func(key string, v reflect.Value) { own[key] = v.Interface() })
	return adopt(s.flags, settings, own)
}

func (s *session) buildInto(ctx context.Context, up *upstream, settings *shards.Settings, out storage.Store, runStages func([]engine.Stage) error) error {
	cut, err := s.extractStage(ctx, &up.extract)
	if err != nil {
		return err
	}
	label, err := s.labelStages(ctx, &up.geo, up.label)
	if err != nil {
		return err
	}
	defer label.close()
	stages := append([]engine.Stage{cut}, label.stages...)
	failing := append([]string{dataset.StageIngest, dataset.StageExtract}, label.outputs...)
	if err := runStages(stages); err != nil {
		return err
	}
	result, err := s.write(ctx, settings, out, label)
	if errors.Is(err, shards.ErrNoTuples) {
		return s.nothing(ctx, err.Error(), dataset.StageIngest, dataset.StageExtract)
	}
	if err != nil {
		return err
	}
	if n := len(result.Unknown); n > 0 && !s.work.AllowFailures {
		return &failuresError{fmt.Sprintf("--exclude: %d of its %d lines are keys or source ids of no tuple of the set, such as %q; %d tuples are taken out of the set by now (--allow-failures accepts this)",
			n, len(s.exclude), result.Unknown[0], result.Excluded)}
	}
	if n := result.Stages[shards.StageShard].Failed; n > 0 && !s.work.AllowFailures {
		return &failuresError{fmt.Sprintf("shard: %d clips were left out, since their source's id names different media in another part (notes in %s name them); the rest is complete",
			n, out.Path(shards.ManifestName))}
	}
	return s.finish(ctx, failing...)
}

// write makes the training set from the dataset's parts.
func (s *session) write(ctx context.Context, settings *shards.Settings, out storage.Store, label *labelers) (shards.Result, error) {
	begin := time.Now()
	counter := s.app.newCounter("shards written")
	result, err := shards.Write(ctx, shards.Env{
		Progress: counter.count,
		Dataset:  s.store, Out: out, Settings: *settings, Frozen: s.frozen, Labels: label.outputs, Version: version(), Models: label.models, Exclude: s.exclude, TempDir: s.work.tempDir(),
	})
	counter.close()
	if err != nil {
		return result, err
	}
	took := time.Since(begin)
	if log := s.app.logger(); log != nil {
		log.Info("set done", "tuples", result.Tuples, "shards", result.Shards,
			"bytes", result.Bytes, "seconds", took.Seconds(), "out", out.Path(""))
		return result, nil
	}
	taken := ""
	if result.Excluded > 0 {
		taken = fmt.Sprintf(", %d more taken out of it", result.Excluded)
	}
	fmt.Fprintf(s.app.err, "shard: %d tuples in %d shards, %.1f MB, in %s: %s%s\n",
		result.Tuples, result.Shards, float64(result.Bytes)/1e6, took.Round(10*time.Millisecond), out.Path(""), taken)
	return result, nil
}

// isUsage tells mistakes of the user that other packages found.
func isUsage(err error) bool {
	var (
		u      *ingest.UsageError
		other  *shards.OtherSetError
		theirs *shards.ForeignError
		folder *export.OtherFolderError
		layout *dataset.VersionError
		model  *card.Error
		name   *card.NameError
		device *gpu.NameError
		unfit  *pseudolabel.OptionError
	)
	return errors.As(err, &u) || errors.As(err, &other) || errors.As(err, &theirs) || errors.As(err, &folder) || errors.As(err, &layout) ||
		errors.As(err, &model) || errors.As(err, &name) || errors.As(err, &device) || errors.As(err, &unfit)
}
