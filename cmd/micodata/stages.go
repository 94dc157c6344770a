package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"micodata/dataset"
	"micodata/engine"
	"micodata/extract"
	"micodata/ingest"
	"micodata/pseudolabel"
	"micodata/pseudolabel/card"
	"micodata/pseudolabel/geowizard"
	"micodata/shards"
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
	if frozen != nil && strings.HasPrefix(stage, labelFolder) {
		if !s.again {
			return "", err
		}
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

// geometrySettings are frozen with depth and with normal.
type geometrySettings struct {
	Model    string `json:"model"`
	Geometry string `json:"geometry"` // geometryOfImage or geometryOfFrames
	wizardSettings
}

// wizardSettings are of GeoWizard; other models have no use for them.
type wizardSettings struct {
	Steps    int    `json:"geowizard_steps"`
	Ensemble int    `json:"geowizard_ensemble"`
	Domain   string `json:"geowizard_domain"`
	Seed     int    `json:"seed"`
}

func defaultWizard() wizardSettings {
	return wizardSettings{Steps: geowizard.DefaultSteps, Ensemble: geowizard.DefaultEnsemble, Domain: geowizard.DefaultDomain}
}

func (w wizardSettings) settings() geowizard.Settings {
	return geowizard.Settings{Steps: w.Steps, Ensemble: w.Ensemble, Domain: w.Domain, Seed: uint64(w.Seed)}
}

// What is labelled of a clip.
const (
	geometryOfImage  = "image"  // its key frame
	geometryOfFrames = "frames" // its key frame and each of its uniform frames
)

func defaultGeometry() geometrySettings {
	return geometrySettings{Geometry: geometryOfImage, wizardSettings: defaultWizard()}
}

// Validate says which setting makes no sense.
func (g *geometrySettings) Validate() error {
	if g.Geometry != geometryOfImage && g.Geometry != geometryOfFrames {
		return fmt.Errorf("geometry %q: want %s or %s", g.Geometry, geometryOfImage, geometryOfFrames)
	}
	if g.Steps < 1 || g.Ensemble < 1 {
		return fmt.Errorf("geowizard_steps %d and geowizard_ensemble %d: want 1 and more", g.Steps, g.Ensemble)
	}
	return g.settings().Validate()
}

// labelFlags choose the labelers and where they run.
type labelFlags struct {
	Labels []string `json:"labels"`
	modelFlags
}

func defaultLabels() labelFlags {
	return labelFlags{Labels: []string{"depth", "normal"}, modelFlags: defaultModels()}
}

// labelers are open models and the stages that run them.
type labelers struct {
	stages  []engine.Stage
	outputs []string       // label stages, all that were asked for
	models  []shards.Model // one an output
	opened  []pseudolabel.Geometer
}

func (l *labelers) close() {
	for _, m := range l.opened {
		m.Close() // its memory goes with the process anyway
	}
}

// labelStages opens what estimates depth and normals. The models are looked for
// before any work begins: a run that cannot end well should not start. Depth and
// normals share one run of a model if both were asked of the same, and of the same
// pictures.
func (s *session) labelStages(ctx context.Context, geo *geometrySettings, flags labelFlags) (_ *labelers, err error) {
	outputs, err := flags.outputs()
	if err != nil {
		return nil, err
	}
	l := &labelers{outputs: outputs}
	defer func() {
		if err != nil {
			l.close()
		}
	}()
	flags.ModelDir, err = s.app.modelDirs(flags.ModelDir)
	if err != nil {
		return nil, err
	}
	sharing := map[geometrySettings][]string{}
	var order []geometrySettings
	fallback := "" // the model where none was named
	for _, out := range outputs {
		own := *geo
		if err := s.adopt(ctx, out, &own); err != nil {
			return nil, err
		}
		if err := own.Validate(); err != nil {
			return nil, usagef("%v", err)
		}
		if own.Model == "" {
			if fallback == "" {
				if fallback, err = s.app.defaultModel(flags.ModelDir); err != nil {
					return nil, err
				}
			}
			own.Model = fallback
		}
		dropped, err := forget(&own, flags.ModelDir)
		if err != nil {
			return nil, err
		}
		if dropped && len(order) == 0 {
			s.app.note("model " + own.Model + " is no GeoWizard: its settings (geowizard_..., seed) have no effect")
		}
		if sharing[own] == nil {
			order = append(order, own)
		}
		sharing[own] = append(sharing[own], out)
	}
	for _, own := range order {
		if err := s.addModel(ctx, l, own, sharing[own], flags); err != nil {
			return nil, err
		}
	}
	return l, nil
}

// defaultModel is the built-in model until the user has added one that estimates
// depth and normals. One that can't be used is named, and passed over.
func (a *app) defaultModel(dirs []string) (string, error) {
	var added []string
	for _, m := range card.List(dirs) {
		if m.Err != nil {
			a.note(fmt.Sprintf("model %s is passed over: %v", m.Name, m.Err))
		}
		if m.Err == nil && m.Name != pseudolabel.DefaultModel && len(m.Card.Files) > 0 && slices.Contains(m.Card.Tasks, card.Depth) && slices.Contains(m.Card.Tasks, card.Normal) {
			added = append(added, m.Name)
		}
	}
	switch len(added) {
	case 0:
		return pseudolabel.DefaultModel, nil
	case 1:
		return added[0], nil
	}
	return "", usagef("there are several models (%s): name one with --model", strings.Join(added, ", "))
}

// forget drops the settings of GeoWizard where another model has no use for them,
// and tells whether there were any.
func forget(g *geometrySettings, dirs []string) (dropped bool, err error) {
	c, err := card.Find(g.Model, dirs)
	if err != nil || c.GeoWizard != nil {
		return false, err
	}
	dropped = g.wizardSettings != defaultWizard()
	g.wizardSettings = defaultWizard()
	return dropped, nil
}

// labelled is the stage of outputs all of whose parts are there, made by the same
// model with the same settings; nil if they are not. It needs the model's card and
// nothing that runs it.
func (s *session) labelled(ctx context.Context, l *labelers, geo geometrySettings, outputs []string, dirs []string) (*engine.Stage, error) {
	c, err := card.Find(geo.Model, dirs)
	if err != nil {
		return nil, err
	}
	for _, out := range outputs {
		complete, err := s.complete(ctx, out)
		if err != nil || !complete {
			return nil, err
		}
		old := s.frozen.Stages[out]
		_, differs := s.frozen.Freeze(out, &geo, old.Versions, dataset.StageExtract)
		if same := differs == nil && strings.Contains(old.Versions["model"], pseudolabel.Identity(c)); !same {
			return nil, nil // whoever opens the model says how it differs
		}
	}
	for _, out := range outputs {
		l.models = append(l.models, shards.Model{Name: c.Name, Task: path.Base(out), License: c.Licence, WeightsSHA256: c.WeightsSHA256()})
	}
	return &engine.Stage{Name: labelName(outputs), Outputs: outputs, Run: func(context.Context, engine.Part) (dataset.Report, error) {
		return dataset.Report{}, errors.New("labels were removed while this ran: run the same command again")
	}}, nil
}

// addModel opens one model for some outputs.
func (s *session) addModel(ctx context.Context, l *labelers, geo geometrySettings, outputs []string, flags labelFlags) error {
	if done, err := s.labelled(ctx, l, geo, outputs, flags.ModelDir); err != nil {
		return err
	} else if done != nil {
		l.stages = append(l.stages, *done)
		return nil
	}
	o := flags.options(geo.Model, flags.ModelDir)
	o.GeoWizard = geo.settings()
	o.Workers, o.Acquire, o.Now = s.work.workers(), s.slots.Acquire, time.Now
	model, err := pseudolabel.Open(ctx, o)
	if err != nil {
		return err
	}
	l.opened = append(l.opened, model)
	info := model.Model()
	var told sync.Once // once work begins: a run that is refused has one line to say
	env := pseudolabel.Env{Store: s.store, Model: model, Frames: geo.Geometry == geometryOfFrames}
	for _, out := range outputs {
		task := path.Base(out)
		if !slices.Contains(info.Tasks, task) {
			return usagef("model %s does not estimate %s: leave it out of --labels, or name another with --model", geo.Model, task)
		}
		fp, err := s.freeze(ctx, out, &geo, map[string]string{"model": model.Fingerprint()}, dataset.StageExtract)
		if err != nil {
			return err
		}
		l.models = append(l.models, shards.Model{Name: info.Name, Task: task, License: info.Licence, WeightsSHA256: info.WeightsSHA256})
		if out == dataset.StageDepth {
			env.DepthFingerprint = fp
		} else {
			env.NormalFingerprint = fp
		}
	}
	stage := engine.Stage{Name: labelName(outputs), Outputs: outputs,
		Run: func(ctx context.Context, p engine.Part) (dataset.Report, error) {
			if err := s.frozen.CheckPart(ctx, s.store, dataset.StageExtract, p.Index); err != nil {
				return dataset.Report{}, err
			}
			told.Do(func() {
				s.app.note(fmt.Sprintf("%s: by model %s on %s", labelName(outputs), info.Name, info.Device))
				if info.DeviceNote != "" {
					s.app.note(info.DeviceNote)
				}
			})
			report, err := pseudolabel.Run(ctx, env, p.Index)
			if err != nil {
				return report, err
			}
			return s.recount(ctx, outputs[0], p.Index, report)
		}}
	l.stages = append(l.stages, stage)
	return nil
}

// labelName names the work of labelers in progress and accounts, which may be
// joint; their parts are their own.
func labelName(outputs []string) string {
	if len(outputs) == 1 {
		return outputs[0]
	}
	return "label"
}

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
			return nil, unknownLabel(name)
		}
	}
	return out, nil
}

// unknownLabel tells a labeler that this version lacks from a mistyped one.
func unknownLabel(name string) error {
	switch name {
	case "caption", "audio_caption", "asr":
		return &missingError{[]string{fmt.Sprintf("a labeler for %s: this version has none; leave it out of --labels, and give captions by --text-col, subtitles or files beside the media", name)}}
	}
	return usagef("labels: %q is not known here; depth and normal are", name)
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
