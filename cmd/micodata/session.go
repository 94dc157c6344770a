package main

import (
	"context"
	"fmt"
	"os"
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
	Metrics       string `json:"metrics"` // address to serve at, "" for none
}

func (w *workFlags) workers() int {
	if w.Workers > 0 {
		return w.Workers
	}
	return runtime.NumCPU()
}

// maxWorkers bounds what is worked on at once: each worker takes memory and
// processes, and no machine has more cores.
const maxWorkers = 4096

func (w *workFlags) validate() error {
	if w.Workers < 0 || w.Workers > maxWorkers {
		return usagef("--workers %d: want a number from 1 to %d, or 0 for one a core", w.Workers, maxWorkers)
	}
	if fi, err := os.Stat(w.tempDir()); err != nil || !fi.IsDir() {
		return usagef("--temp-dir %s: no such folder", w.tempDir())
	}
	return nil
}

func (w *workFlags) tempDir() string {
	if w.TempDir != "" {
		return w.TempDir
	}
	return os.TempDir()
}

// session is an open dataset with the tools to work on it.
type session struct {
	app     *app
	flags   *pflag.FlagSet
	work    *workFlags
	store   storage.Store
	frozen  *dataset.Frozen
	tools   ffmpeg.Tools
	slots   *engine.Slots // shared by all CPU work
	exclude []string      // keys and source ids to take out of the set
	again   bool          // label anew what was labelled otherwise
	meters  *meters       // nil: nobody asked
}

// open opens the dataset in dir. An existing one is wanted unless create is set.
func (a *app) open(ctx context.Context, flags *pflag.FlagSet, work *workFlags, dir string, create bool) (*session, error) {
	if err := work.validate(); err != nil {
		return nil, err
	}
	// The tools first: a folder is not made for nothing.
	tools, err := a.findTools(ctx)
	if err != nil {
		return nil, err
	}
	store, err := openStore(ctx, dir, datasetMark, create)
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
	s := &session{app: a, flags: flags, work: work, store: store, frozen: frozen, tools: tools, slots: engine.NewSlots(work.workers())}
	if work.Metrics != "" {
		s.meters, err = a.serveMetrics(work.Metrics)
	}
	return s, err
}

// findTools finds an ffmpeg that has what every stage needs: found out later, it
// would be a failed row of every source.
func (a *app) findTools(ctx context.Context) (ffmpeg.Tools, error) {
	tools, err := ffmpeg.Find(ctx, a.global.ffmpeg)
	if err != nil {
		return tools, err
	}
	lacks, err := tools.Missing(ctx)
	if err != nil {
		return tools, err
	}
	if len(lacks) > 0 {
		return tools, &missingError{[]string{fmt.Sprintf("%s was built without %s; install a full build of ffmpeg", tools.FFmpeg, strings.Join(lacks, ", "))}}
	}
	return tools, nil
}

// runStages takes parts through stages and shows their progress.
func (s *session) runStages(ctx context.Context, total int, parts partSource, stages []engine.Stage) error {
	// Not before: a command that is refused leaves nothing.
	if err := s.frozen.Save(ctx, s.store); err != nil {
		return err
	}
	p := s.app.newProgress(total, stages)
	onPart := p.part
	if s.meters != nil {
		onPart = func(d engine.PartDone) {
			s.meters.part(d)
			p.part(d)
		}
	}
	local := &engine.Local{
		Store: s.store, Chains: 3, OnPart: onPart, Stop: s.app.signals.stop,
	}
	err := s.app.signals.gently(s.app.note, func() error { return local.Run(ctx, p.counted(parts), stages) })
	p.summary()
	if err == nil && s.app.signals.stopped() {
		return engine.ErrInterrupted // the list may have been cut short
	}
	return err
}

// finish turns what the dataset holds into the command's result: stages with
// failed rows, unless the user allows them, and stages with nothing to show.
func (s *session) finish(ctx context.Context, stages ...string) error {
	var failed []string
	for _, stage := range stages {
		r, err := dataset.StageReport(ctx, s.store, stage)
		if err != nil {
			return err
		}
		if r.OK == 0 {
			return s.nothing(ctx, fmt.Sprintf("%s: nothing is ok: %s", stage, counts(r)), stage, dataset.StageIngest, dataset.StageExtract)
		}
		if r.Failed > 0 {
			failed = append(failed, stage+": "+counts(r))
		}
	}
	if len(failed) == 0 || s.work.AllowFailures {
		return nil
	}
	return &failuresError{fmt.Sprintf("%s; the rest is complete (micodata status %s names the rows, --allow-failures accepts them)",
		strings.Join(failed, "; "), s.store.Path(""))}
}

// nothing is the result of a dataset with nothing to show for it: the reason, and
// the first row to blame of the stages, which is the only one where a single name
// was mistyped.
func (s *session) nothing(ctx context.Context, reason string, stages ...string) error {
	for _, status := range []string{dataset.Failed, dataset.Skipped} {
		for _, stage := range stages {
			st, err := stageReport(ctx, s.store, stage, status)
			if err != nil {
				return err
			}
			if len(st.Errors) > 0 {
				return &failuresError{fmt.Sprintf("%s; first %s (micodata status %s tells more; to try other sources, use a new dataset)", reason, st.Errors[0], s.store.Path(""))}
			}
		}
	}
	return &failuresError{reason}
}
