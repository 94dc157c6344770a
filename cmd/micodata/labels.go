package main

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"micodata/dataset"
	"micodata/engine"
	"micodata/pseudolabel"
	"micodata/pseudolabel/card"
	"micodata/pseudolabel/geowizard"
	"micodata/shards"
)

// geometrySettings are frozen with depth and with normal.
type geometrySettings struct {
	Model    string `json:"model"`
	Geometry string `json:"geometry"` // dataset.GeometryOfImage or GeometryOfFrames
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

func defaultGeometry() geometrySettings {
	return geometrySettings{Geometry: dataset.GeometryOfImage, wizardSettings: defaultWizard()}
}

// Validate says which setting makes no sense.
func (g *geometrySettings) Validate() error {
	if g.Geometry != dataset.GeometryOfImage && g.Geometry != dataset.GeometryOfFrames {
		return fmt.Errorf("geometry %q: want %s or %s", g.Geometry, dataset.GeometryOfImage, dataset.GeometryOfFrames)
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
// model with the same settings; nil if they are not, or if they are to be made again
// where any version differs. It needs the model's card and nothing that runs it.
func (s *session) labelled(ctx context.Context, l *labelers, geo geometrySettings, outputs []string, dirs []string) (*engine.Stage, error) {
	if s.again {
		return nil, nil
	}
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
	env := pseudolabel.Env{Store: s.store, Model: model, Frames: geo.Geometry == dataset.GeometryOfFrames}
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
