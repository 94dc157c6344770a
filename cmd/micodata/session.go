package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/spf13/pflag"

	"micodata/dataset"
	"micodata/engine"
	"micodata/internal/ffmpeg"
	"micodata/storage"
)

// workFlags are the settings of how a run works, which shape no bytes.
type workFlags struct {
	Workers       int    `json:"workers"`
	TempDir       string `json:"temp_dir"`
	AllowFailures bool   `json:"allow_failures"`
}

func (w *workFlags) workers() int {
	if w.Workers > 0 {
		return w.Workers
	}
	return runtime.NumCPU()
}

func (w *workFlags) tempDir() string {
	if w.TempDir != "" {
		return w.TempDir
	}
	return os.TempDir()
}

// session is an open dataset with the tools to work on it.
type session struct {
	app    *app
	flags  *pflag.FlagSet
	work   *workFlags
	store  storage.Store
	frozen *dataset.Frozen
	tools  ffmpeg.Tools
}

// open opens the dataset in dir. An existing one is wanted unless create is set.
func (a *app) open(ctx context.Context, flags *pflag.FlagSet, work *workFlags, dir string, create bool) (*session, error) {
	if err := checkFolder(dir, "dataset.json", create); err != nil {
		return nil, err
	}
	tools, err := ffmpeg.Find(ctx, a.global.ffmpeg)
	if err != nil {
		return nil, err
	}
	store, err := storage.NewLocal(dir)
	if err != nil {
		return nil, err
	}
	frozen, err := dataset.LoadFrozen(ctx, store)
	if err != nil {
		return nil, err
	}
	if frozen.Micodata == "" {
		frozen.Micodata = version()
	}
	return &session{app: a, flags: flags, work: work, store: store, frozen: frozen, tools: tools}, nil
}

// checkFolder refuses a folder that is not what the command works on before
// anything is made of it.
func checkFolder(dir, mark string, create bool) error {
	if strings.Contains(dir, "://") {
		return usagef("%s: datasets and sets are local folders in this version", dir)
	}
	fi, err := os.Stat(dir)
	switch {
	case errors.Is(err, os.ErrNotExist) && create:
		return nil
	case errors.Is(err, os.ErrNotExist):
		return usagef("%s: no such folder", dir)
	case err != nil:
		return &storage.Error{Op: "open", Path: dir, Err: err}
	case !fi.IsDir():
		return usagef("%s is a file; a folder is wanted", dir)
	}
	if create {
		return nil
	}
	if _, err := os.Stat(filepath.Join(dir, mark)); err != nil {
		return usagef("%s has no %s: it is not what this command works on", dir, mark)
	}
	return nil
}

// runStages takes parts through stages and shows their progress.
func (s *session) runStages(ctx context.Context, total int, parts partSource, stages []engine.Stage) error {
	p := s.app.newProgress(total)
	local := &engine.Local{
		Store: s.store, CPUSlots: s.work.workers(), Chains: 3, OnPart: p.part, Stop: s.app.stop,
	}
	err := local.Run(ctx, parts, stages)
	p.summary()
	return err
}

// finish turns failed rows into the command's error, unless the user allows
// them. It counts what is in the dataset, not only what this run did.
func (s *session) finish(ctx context.Context, stages ...string) error {
	if s.work.AllowFailures {
		return nil
	}
	var msgs []string
	for _, stage := range stages {
		r, err := stageReport(ctx, s.store, stage)
		if err != nil {
			return err
		}
		if r.Failed > 0 {
			msgs = append(msgs, stage+": "+counts(r.Report))
		}
	}
	if len(msgs) == 0 {
		return nil
	}
	return &failuresError{fmt.Sprintf("%s; the rest is complete (micodata status %s names them, --allow-failures accepts them)",
		strings.Join(msgs, "; "), s.store.Path(""))}
}
