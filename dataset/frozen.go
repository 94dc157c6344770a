package dataset

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Frozen is dataset.json: what shapes the bytes of every stage that has begun.
type Frozen struct {
	SchemaVersion int              `json:"schema_version"`
	Micodata      string           `json:"micodata"` // version that made the dataset
	Stages        map[string]Stage `json:"stages"`
}

// Stage is what one stage's bytes depend on.
type Stage struct {
	Settings map[string]any    `json:"settings"`
	Versions map[string]string `json:"versions"` // of tools and models, e.g. ffmpeg
	// Fingerprint hashes the settings, the versions and the fingerprint of the
	// stage before.
	Fingerprint string `json:"fingerprint"`
}

// Int is the setting of that name if it is a whole number, else 0.
func (s Stage) Int(name string) int {
	v, ok := s.Settings[name].(float64) // as JSON has all numbers
	if !ok {
		return 0
	}
	return int(v)
}

// Values of a label stage's setting "geometry": what is labelled of a clip.
const (
	GeometryOfImage  = "image"  // its key frame
	GeometryOfFrames = "frames" // its key frame and each of its uniform frames
)

// MapsFrames tells whether a label stage made maps of the clips' frames too.
func (s Stage) MapsFrames() bool { return s.Settings["geometry"] == GeometryOfFrames }

// FrozenError says that a dataset was made with other settings or versions.
type FrozenError struct {
	Stage       string
	Differences []string // "name: the dataset has X, asked for Y"
	// VersionsOnly is set when no setting differs, nor the stage before: what is
	// committed stays usable, but nothing can be added to it.
	VersionsOnly bool
}

func (e *FrozenError) Error() string {
	advice := "leave the setting out, or use a new dataset folder"
	if e.VersionsOnly {
		advice = "add to it where it was made, or use a new dataset folder"
	}
	if strings.HasPrefix(e.Stage, "label/") {
		advice += ", or have micodata label --again make the labels anew"
	}
	return fmt.Sprintf("%s: this dataset was made otherwise: %s (%s)", e.Stage, strings.Join(e.Differences, "; "), advice)
}

// Freeze records a stage's settings, or checks them against the recorded ones
// and returns a [*FrozenError] if they differ. Settings is any value that
// marshals to a JSON object. Upstream names the stage whose parts feed this one,
// "" for none; it must have been frozen before.
func (f *Frozen) Freeze(stage string, settings any, versions map[string]string, upstream string) (Stage, error) {
	st, err := newStage(settings, versions)
	if err != nil {
		return Stage{}, fmt.Errorf("settings of %s: %w", stage, err)
	}
	st.Fingerprint = st.fingerprint(stage, f.Stages[upstream].Fingerprint)
	old, ok := f.Stages[stage]
	if !ok {
		f.Stages[stage] = st
		return st, nil
	}
	return old, st.differsFrom(old, stage)
}

// differsFrom is a [*FrozenError] that says how s differs from what a stage of
// the dataset was made with, or nil.
func (s Stage) differsFrom(old Stage, stage string) error {
	if old.Fingerprint == s.Fingerprint {
		return nil
	}
	diffs := differences("the dataset", old.Settings, s.Settings)
	e := &FrozenError{Stage: stage, VersionsOnly: len(diffs) == 0}
	if len(diffs) > 0 {
		e.Differences = diffs // versions may follow from settings, as a model's do
		return e
	}
	for _, name := range sortedKeys(old.Versions, s.Versions) {
		have, here := old.Versions[name], s.Versions[name]
		if have != here {
			have, here = unlike(have, here)
			diffs = append(diffs, fmt.Sprintf("%s: the dataset has %q, this machine %q", name, have, here))
		}
	}
	if len(diffs) == 0 {
		e.VersionsOnly = false // what is committed is of other parts than are there now
		diffs = []string{"the settings of the stage before it"}
	}
	e.Differences = diffs
	return e
}

// unlike leaves of two texts the words that are not in both.
func unlike(a, b string) (string, string) {
	rest := func(a, b string) string {
		others := strings.Fields(b)
		return strings.Join(slices.DeleteFunc(strings.Fields(a), func(w string) bool { return slices.Contains(others, w) }), " ")
	}
	return rest(a, b), rest(b, a)
}

// newStage brings settings into the form they have after a trip through JSON, so
// that fresh and recorded ones compare.
func newStage(settings any, versions map[string]string) (Stage, error) {
	data, err := json.Marshal(settings)
	if err != nil {
		return Stage{}, err
	}
	st := Stage{Versions: versions}
	if err := json.Unmarshal(data, &st.Settings); err != nil {
		return Stage{}, err
	}
	return st, nil
}

func (s Stage) fingerprint(name, upstream string) string {
	// Maps marshal with sorted keys, so equal settings give equal bytes.
	data, err := json.Marshal([]any{SchemaVersion, name, upstream, s.Settings, s.Versions})
	if err != nil {
		panic(fmt.Sprintf("dataset: fingerprint: %v", err)) // it was JSON a moment ago
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// Differences says in which settings two values of one type differ, as "name: the
// set has X, asked for Y" where whose is "the set".
func Differences(whose string, old, asked any) ([]string, error) {
	a, err := newStage(old, nil)
	if err != nil {
		return nil, err
	}
	b, err := newStage(asked, nil)
	if err != nil {
		return nil, err
	}
	return differences(whose, a.Settings, b.Settings), nil
}

func differences(whose string, old, asked map[string]any) []string {
	var out []string
	for _, name := range sortedKeys(old, asked) {
		if a, b := jsonText(old[name]), jsonText(asked[name]); a != b {
			out = append(out, fmt.Sprintf("%s: %s has %s, asked for %s", name, whose, a, b))
		}
	}
	return out
}

// jsonText is JSON for people, with < and > as they are.
func jsonText(v any) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return err.Error()
	}
	return strings.TrimSpace(b.String())
}

func sortedKeys[V any](a, b map[string]V) []string {
	keys := slices.Collect(maps.Keys(a))
	for k := range b {
		if _, ok := a[k]; !ok {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	return keys
}
