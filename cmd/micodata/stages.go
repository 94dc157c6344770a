package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"

	"micodata/dataset"
	"micodata/engine"
	"micodata/extract"
	"micodata/ingest"
	"micodata/storage"
)

type partSource = iter.Seq2[engine.Part, error]

// ingestSettings are frozen with the dataset; PartSources fixes which sources a
// part holds.
type ingestSettings struct {
	ingest.Settings
	PartSources int `json:"part_sources"`
}

func defaultIngest() ingestSettings {
	// Some tens of sources: small enough to lose little to a crash, large enough
	// that 10 million videos are a few hundred thousand files.
	return ingestSettings{Settings: ingest.DefaultSettings(), PartSources: 32}
}

// Validate says which setting makes no sense.
func (s *ingestSettings) Validate() error {
	if s.PartSources < 1 {
		return fmt.Errorf("part_sources %d: want 1 and more", s.PartSources)
	}
	return s.Settings.Validate()
}

// freeze adopts what the dataset was frozen with for every setting that was not
// given, and records or checks the result. Labels that were made otherwise are
// discarded if that was asked for.
func (s *session) freeze(ctx context.Context, stage string, settings any, versions map[string]string, upstream string) (string, error) {
	if err := s.adopt(ctx, stage, settings); err != nil {
		return "", err
	}
	if v, ok := settings.(interface{ Validate() error }); ok {
		if err := v.Validate(); err != nil {
			return "", usagef("%v", err)
		}
	}
	st, err := s.frozen.Freeze(stage, settings, versions, upstream)
	again := s.again && strings.HasPrefix(stage, labelFolder)
	var frozen *dataset.FrozenError
	if errors.As(err, &frozen) && frozen.VersionsOnly && !again {
		complete, cerr := s.complete(ctx, stage)
		if cerr != nil {
			return "", cerr
		}
		if complete {
			return st.Fingerprint, nil // nothing is added to it, so nothing can differ
		}
	}
	if frozen != nil && again {
		if err := dataset.Discard(ctx, s.store, stage); err != nil {
			return "", err
		}
		delete(s.frozen.Stages, stage)
		st, err = s.frozen.Freeze(stage, settings, versions, upstream)
	}
	return st.Fingerprint, err
}

// labelFolder is where the stages of labelers are.
const labelFolder = "label/"

// adopt fills settings whose flags were not given with what a stage was frozen
// with.
func (s *session) adopt(ctx context.Context, stage string, settings any) error {
	begun, err := dataset.Begun(ctx, s.store, stage)
	if err != nil {
		return err
	}
	if !begun {
		delete(s.frozen.Stages, stage) // a start that came to nothing binds nobody
	}
	if old, ok := s.frozen.Stages[stage]; ok {
		return adopt(s.flags, settings, old.Settings)
	}
	return nil
}

// complete tells whether nothing is left to do for a stage.
func (s *session) complete(ctx context.Context, stage string) (bool, error) {
	want, err := engine.PartCount(ctx, s.store, dataset.StageIngest)
	if err != nil || want == 0 {
		return false, err
	}
	ended, err := s.ingestEnded(ctx, want)
	if err != nil || !ended {
		return false, err
	}
	have, err := engine.PartCount(ctx, s.store, stage)
	return have == want, err
}

// ingestEnded tells whether the last of n ingest parts is the end of the list.
func (s *session) ingestEnded(ctx context.Context, n int) (bool, error) {
	if n == 0 {
		return false, nil
	}
	r, err := dataset.OpenPart(ctx, s.store, dataset.SourceSchema, dataset.StageIngest, n-1, "source_id")
	if err != nil {
		return false, err
	}
	return r.Info.Last, r.Close()
}

// versions are of what shapes a stage's bytes beside its settings. The program's
// own version is not among them: arithmetic changes when its bytes do.
func (s *session) versions(arithmetic string) map[string]string {
	return map[string]string{"ffmpeg": s.tools.VersionLine, "arithmetic": arithmetic}
}

// ingestStage fetches, probes and hashes.
func (s *session) ingestStage(ctx context.Context, settings *ingestSettings, http ingest.HTTPOptions) (engine.Stage, error) {
	fp, err := s.freeze(ctx, dataset.StageIngest, settings, s.versions(ingest.Arithmetic), "")
	if err != nil {
		return engine.Stage{}, err
	}
	env := ingest.Env{Store: s.store, Tools: s.tools, Settings: settings.Settings, Fingerprint: fp, Workers: s.work.workers(), HTTP: http,
		Folders: new(ingest.Folders),
		TempDir: s.fetchDir(),
		Warn:    func(uri string, err error) { s.app.note(uri + ": " + err.Error()) },
	}
	return engine.Stage{Name: dataset.StageIngest, Outputs: []string{dataset.StageIngest}, Fetches: true,
		Run: func(ctx context.Context, p engine.Part) (dataset.Report, error) {
			return ingest.Run(ctx, env, p.Index, p.Items.([]ingest.Item), p.Last)
		}}, nil
}

// fetchDir is where downloads lie until their hash is known: in a dataset that is a
// folder, where a sweep finds what a crash leaves.
func (s *session) fetchDir() string {
	if local, ok := s.store.(*storage.Local); ok {
		return local.Path("")
	}
	return s.work.tempDir()
}

// listedParts cuts the list of sources into parts, and checks the parts that are
// there already against it.
func (s *session) listedParts(ctx context.Context, sources []string, o ingest.ListOptions, partSources int) partSource {
	return func(yield func(engine.Part, error) bool) {
		var items []ingest.Item
		part := 0
		emit := func(last bool) bool {
			p := engine.Part{Index: part, Items: items, Last: last}
			if err := s.checkList(ctx, p, items, partSources); err != nil {
				yield(engine.Part{}, err)
				return false
			}
			part, items = part+1, nil
			return yield(p, nil)
		}
		for item, err := range ingest.List(ctx, sources, o) {
			if errors.Is(err, engine.ErrInterrupted) {
				return // what was read of the next part is read again by the next run
			}
			if err != nil {
				yield(engine.Part{}, err)
				return
			}
			// A full part goes out when the next item is seen: only then is it
			// known not to be the last.
			if len(items) == partSources && !emit(false) {
				return
			}
			items = append(items, item)
		}
		if len(items) == 0 {
			yield(engine.Part{}, &ingest.UsageError{Err: ingest.ErrNoSources})
			return
		}
		emit(true)
	}
}

// checkList refuses to go on with another list than the committed part was made from.
func (s *session) checkList(ctx context.Context, p engine.Part, items []ingest.Item, partSources int) error {
	if _, err := s.store.Stat(ctx, dataset.PartName(dataset.StageIngest, p.Index)); err != nil {
		return nil // not ingested yet; if it is another problem, ingest meets it
	}
	r, err := dataset.OpenPart(ctx, s.store, dataset.SourceSchema, dataset.StageIngest, p.Index, "source_id")
	if err != nil {
		return err
	}
	defer r.Close()
	if r.Info.List == ingest.ListHash(items) && r.Info.Last == p.Last {
		return nil
	}
	return usagef("the sources differ from those that part %d of this dataset was made from (sources %d to %d of the list): give the same list, or ingest the new one into a new dataset",
		p.Index, p.Index*partSources, p.Index*partSources+len(items)-1)
}

// extractStage cuts clips, frames, audio and subtitles.
func (s *session) extractStage(ctx context.Context, settings *extract.Settings) (engine.Stage, error) {
	fp, err := s.freeze(ctx, dataset.StageExtract, settings, s.versions(extract.Arithmetic), dataset.StageIngest)
	if err != nil {
		return engine.Stage{}, err
	}
	env := extract.Env{Store: s.store, Tools: s.tools, Settings: *settings, Fingerprint: fp, Workers: s.work.workers(), TempDir: s.work.tempDir(), Acquire: s.slots.Acquire}
	return engine.Stage{Name: dataset.StageExtract, Outputs: []string{dataset.StageExtract},
		Run: func(ctx context.Context, p engine.Part) (dataset.Report, error) {
			if err := s.frozen.CheckPart(ctx, s.store, dataset.StageIngest, p.Index); err != nil {
				return dataset.Report{}, err
			}
			report, err := extract.Run(ctx, env, p.Index)
			if err != nil {
				return report, err
			}
			return s.recount(ctx, dataset.StageExtract, p.Index, report)
		}}, nil
}

// recount tells in the report of a part that was committed which rows only pass
// on what the stage before said: a failure counts once.
func (s *session) recount(ctx context.Context, stage string, part int, r dataset.Report) (dataset.Report, error) {
	if r.OK == r.Rows {
		return r, nil
	}
	counted, err := dataset.CountPart(ctx, s.store, stage, part)
	counted.Cost = r.Cost
	return counted, err
}

// partCount is the number of parts that a stage has made; none is a usage
// error that names the command to run first.
func (s *session) partCount(ctx context.Context, stage, first string) (int, error) {
	n, err := engine.PartCount(ctx, s.store, stage)
	if err == nil && n == 0 {
		err = usagef("%s has no parts of %s: micodata %s comes first", s.store.Path(""), stage, first)
	}
	return n, err
}

// ingestedCount is the number of parts that can be extracted.
func (s *session) ingestedCount(ctx context.Context) (int, error) {
	return s.partCount(ctx, dataset.StageIngest, "ingest SOURCE... -o "+s.store.Path(""))
}

// extractedCount is the number of parts that can be labelled.
func (s *session) extractedCount(ctx context.Context) (int, error) {
	return s.partCount(ctx, dataset.StageExtract, "extract "+s.store.Path(""))
}
