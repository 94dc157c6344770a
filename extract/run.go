package extract

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/sync/errgroup"

	"micodata/dataset"
	"micodata/internal/ffmpeg"
	"micodata/storage"
)

// Env is what [Run] works with.
type Env struct {
	Store       storage.Store
	Tools       ffmpeg.Tools
	Settings    Settings
	Fingerprint string // of the stage, for the part's metadata
	// TempDir is where rows wait until their source has ended, and media of stores
	// that are no folder. Default os.TempDir().
	TempDir string
	// Workers is how many sources are worked on at once. Each keeps about one
	// core busy: its ffmpegs have one thread each, and at most two run. Default 1.
	Workers int
	// Acquire waits for a CPU slot that other work shares; release gives it back.
	// Each source takes one. nil: nothing is shared.
	Acquire func(ctx context.Context) (release func(), err error)

	filters func() (map[string]bool, error)
}

// Run makes extract part number part from the ingest part of that number and
// commits it. Whatever is wrong with a source or a clip is in its row; an error
// is one of the storage, of a missing program or of the context, and leaves no
// part. If somebody else commits the part meanwhile, that is as good.
//
// In the report, Cost.Bytes is the media's.
func Run(ctx context.Context, env Env, part int) (dataset.Report, error) {
	if err := env.Settings.Validate(); err != nil {
		return dataset.Report{}, fmt.Errorf("extract settings: %w", err)
	}
	env.filters = sync.OnceValues(func() (map[string]bool, error) { return env.Tools.Filters(ctx) })
	return run(ctx, &env, part)
}

func run(ctx context.Context, env *Env, part int) (report dataset.Report, err error) {
	var sources []*dataset.Source
	_, err = dataset.ReadPart(ctx, env.Store, dataset.SourceSchema, dataset.StageIngest, part, func(s *dataset.Source) error {
		sources = append(sources, s)
		return nil
	})
	if err != nil {
		return report, err
	}
	w, err := dataset.CreatePart(ctx, env.Store, dataset.ClipSchema,
		dataset.PartInfo{Stage: dataset.StageExtract, Part: part, Fingerprint: env.Fingerprint})
	if err != nil {
		return report, err
	}
	defer w.Abort()
	rows := newRows(w, env.TempDir, len(sources))
	defer func() { err = errors.Join(err, rows.close()) }()
	if err := extractAll(ctx, env, sources, rows); err != nil {
		return report, err
	}
	for _, s := range sources {
		rows.report.Cost.Bytes += s.Bytes
	}
	if err := w.Commit(ctx); err != nil && !errors.Is(err, fs.ErrExist) {
		return report, err
	}
	return rows.report, nil
}

func extractAll(ctx context.Context, env *Env, sources []*dataset.Source, rows *rows) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(max(1, env.Workers))
	for i, s := range sources {
		g.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			if env.Acquire != nil {
				release, err := env.Acquire(ctx)
				if err != nil {
					return err
				}
				defer release()
			}
			e := &extraction{env: env, src: s, place: i, rows: rows}
			return e.run(ctx)
		})
	}
	return g.Wait()
}

// localMedia is a source's media as a file, and what removes it if it is a copy.
func (env *Env) localMedia(ctx context.Context, s *dataset.Source) (path string, remove func(), err error) {
	stay := func() {}
	if filepath.IsAbs(s.Media) {
		return s.Media, stay, nil
	}
	if _, ok := env.Store.(*storage.Local); ok {
		return env.Store.Path(s.Media), stay, nil
	}
	object, err := env.Store.Open(ctx, s.Media)
	if err != nil {
		return "", nil, err
	}
	defer object.Close()
	path, err = copyToTemp(env.TempDir, object)
	if err != nil {
		return "", nil, fmt.Errorf("fetch %s: %w", s.Media, err)
	}
	return path, func() { _ = os.Remove(path) }, nil
}

// checkFilters makes sure that this ffmpeg has what the source needs beyond what
// every build has.
func (env *Env) checkFilters(m *media) error {
	if m.color.hdr == "" {
		return nil
	}
	have, err := env.filters()
	if err != nil {
		return err
	}
	if !have["zscale"] || !have["tonemap"] {
		return dataset.Fail(dataset.UnsupportedCodec, "HDR (%s): this ffmpeg has no zscale or tonemap filter", m.color.hdr)
	}
	return nil
}
