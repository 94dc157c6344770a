package main

import (
	"context"
	"errors"
	"iter"
	"path"

	"micodata/dataset"
	"micodata/engine"
	"micodata/extract"
	"micodata/ingest"
	"micodata/pseudolabel"
	"micodata/shards"
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

// freeze adopts what the dataset was frozen with for every setting that was not
// given, and records or checks the result.
func (s *session) freeze(ctx context.Context, stage string, settings any, versions map[string]string, upstream string) (string, error) {
	if old, ok := s.frozen.Stages[stage]; ok {
		if err := adopt(s.flags, settings, old.Settings); err != nil {
			return "", err
		}
	}
	if v, ok := settings.(interface{ Validate() error }); ok {
		if err := v.Validate(); err != nil {
			return "", usagef("%v", err)
		}
	}
	st, err := s.frozen.Freeze(stage, settings, versions, upstream)
	var frozen *dataset.FrozenError
	if errors.As(err, &frozen) && frozen.VersionsOnly {
		complete, cerr := s.complete(ctx, stage)
		if cerr != nil {
			return "", cerr
		}
		if complete {
			return st.Fingerprint, nil // nothing is added to it, so nothing can differ
		}
	}
	if err != nil {
		return "", err
	}
	return st.Fingerprint, s.frozen.Save(ctx, s.store)
}

// complete tells whether a stage has every part that ingest has.
func (s *session) complete(ctx context.Context, stage string) (bool, error) {
	want, err := engine.PartCount(ctx, s.store, dataset.StageIngest)
	if err != nil {
		return false, err
	}
	have, err := engine.PartCount(ctx, s.store, stage)
	return want > 0 && have == want, err
}

func (s *session) versions() map[string]string {
	return map[string]string{"ffmpeg": s.tools.VersionLine}
}

// ingestStage fetches, probes and hashes.
func (s *session) ingestStage(ctx context.Context, settings *ingestSettings, http ingest.HTTPOptions) (engine.Stage, error) {
	fp, err := s.freeze(ctx, dataset.StageIngest, settings, s.versions(), "")
	if err != nil {
		return engine.Stage{}, err
	}
	env := ingest.Env{Store: s.store, Tools: s.tools, Settings: settings.Settings, Fingerprint: fp, Workers: s.work.workers(), HTTP: http,
		TempDir: s.store.Path(""), // where a sweep finds what a crash leaves
		Warn:    func(uri string, err error) { s.app.note(uri + ": " + err.Error()) },
	}
	return engine.Stage{Name: dataset.StageIngest, Outputs: []string{dataset.StageIngest},
		Run: func(ctx context.Context, p engine.Part) (dataset.Report, error) {
			return ingest.Run(ctx, env, p.Index, p.Items.([]ingest.Item), p.Last)
		}}, nil
}

// listedParts cuts the list of sources into parts, and checks the parts that are
// there already against it.
func (s *session) listedParts(ctx context.Context, sources []string, o ingest.ListOptions, partSources int) partSource {
	return func(yield func(engine.Part, error) bool) {
		var items []ingest.Item
		part := 0
		emit := func(last bool) bool {
			p := engine.Part{Index: part, Items: items, Last: last}
			if err := s.checkList(ctx, p, items); err != nil {
				yield(engine.Part{}, err)
				return false
			}
			part, items = part+1, nil
			return yield(p, nil)
		}
		for item, err := range ingest.List(ctx, sources, o) {
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
func (s *session) checkList(ctx context.Context, p engine.Part, items []ingest.Item) error {
	if _, err := s.store.Stat(ctx, dataset.PartName(dataset.StageIngest, p.Index)); err != nil {
		return nil //nolint:nilerr // not ingested yet; if it is another problem, ingest meets it
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
		p.Index, p.Index*len(items), p.Index*len(items)+len(items)-1)
}

// extractStage cuts clips, frames, audio and subtitles.
func (s *session) extractStage(ctx context.Context, settings *extract.Settings) (engine.Stage, error) {
	fp, err := s.freeze(ctx, dataset.StageExtract, settings, s.versions(), dataset.StageIngest)
	if err != nil {
		return engine.Stage{}, err
	}
	env := extract.Env{Store: s.store, Tools: s.tools, Settings: *settings, Fingerprint: fp, Workers: s.work.workers(), TempDir: s.work.tempDir()}
	return engine.Stage{Name: dataset.StageExtract, Outputs: []string{dataset.StageExtract},
		Run: func(ctx context.Context, p engine.Part) (dataset.Report, error) {
			return extract.Run(ctx, env, p.Index)
		}}, nil
}

// geometrySettings are frozen with depth and with normal.
type geometrySettings struct {
	Model string `json:"model"`
}

// labelFlags choose the labelers and where they run.
type labelFlags struct {
	Labels   []string `json:"labels"`
	ModelDir []string `json:"model_dir"`
	Device   string   `json:"device"`
	ORTLib   string   `json:"ort_lib"`
}

func defaultLabels() labelFlags {
	return labelFlags{Labels: []string{"depth", "normal"}, Device: "auto"}
}

// labelStage runs the depth and normal estimator. The model is looked for before
// any work begins: a run that cannot end well should not start.
func (s *session) labelStage(ctx context.Context, geo *geometrySettings, l labelFlags) (_ engine.Stage, made []shards.Model, release func(), err error) {
	outputs, err := l.outputs()
	if err != nil {
		return engine.Stage{}, nil, nil, err
	}
	if len(outputs) == 0 {
		return engine.Stage{}, nil, func() {}, nil
	}
	for _, out := range outputs {
		if old, ok := s.frozen.Stages[out]; ok {
			if err := adopt(s.flags, geo, old.Settings); err != nil {
				return engine.Stage{}, nil, nil, err
			}
		}
	}
	model, err := pseudolabel.Open(ctx, pseudolabel.Options{
		Model: geo.Model, ModelDirs: l.ModelDir, Device: l.Device, ORTLibrary: l.ORTLib, Workers: s.work.workers(),
	})
	if err != nil {
		return engine.Stage{}, nil, nil, err
	}
	defer func() {
		if err != nil {
			model.Close()
		}
	}()
	if note := model.Model().DeviceNote; note != "" {
		s.app.note(note)
	}
	info := model.Model()
	env := pseudolabel.Env{Store: s.store, Model: model}
	for _, out := range outputs {
		fp, err := s.freeze(ctx, out, geo, map[string]string{"model": model.Fingerprint()}, dataset.StageExtract)
		if err != nil {
			return engine.Stage{}, nil, nil, err
		}
		made = append(made, shards.Model{Name: info.Name, Task: path.Base(out), License: info.Licence, WeightsSHA256: info.WeightsSHA256})
		if out == dataset.StageDepth {
			env.DepthFingerprint = fp
		} else {
			env.NormalFingerprint = fp
		}
	}
	return engine.Stage{Name: stageLabel, Outputs: outputs, OnGPU: info.Device != "cpu",
		Run: func(ctx context.Context, p engine.Part) (dataset.Report, error) {
			return pseudolabel.Run(ctx, env, p.Index)
		}}, made, func() { model.Close() }, nil
}

// stageLabel names the joint work of the depth and normal labelers in progress
// and accounts; their parts are their own.
const stageLabel = "label"

// outputs are the label stages that were asked for.
func (l labelFlags) outputs() ([]string, error) {
	var out []string
	for _, name := range l.Labels {
		switch name {
		case "depth":
			out = append(out, dataset.StageDepth)
		case "normal":
			out = append(out, dataset.StageNormal)
		default:
			return nil, usagef("labels: %q is not known here; depth and normal are", name)
		}
	}
	return out, nil
}

// partCount is the number of parts that are ingested.
func (s *session) partCount(ctx context.Context) (int, error) {
	n, err := engine.PartCount(ctx, s.store, dataset.StageIngest)
	if err == nil && n == 0 {
		err = usagef("%s has no ingested parts: micodata ingest SOURCE... -o %[1]s comes first", s.store.Path(""))
	}
	return n, err
}

// extractedCount is the number of parts that can be labelled.
func (s *session) extractedCount(ctx context.Context) (int, error) {
	n, err := engine.PartCount(ctx, s.store, dataset.StageExtract)
	if err == nil && n == 0 {
		err = usagef("%s has no extracted parts: micodata extract %[1]s comes first", s.store.Path(""))
	}
	return n, err
}
