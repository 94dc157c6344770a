package dataset

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"micodata/storage"
)

// frozenName is the object that holds the frozen settings.
const frozenName = "dataset.json"

// maxFrozenBytes bounds dataset.json, which holds a few settings a stage.
const maxFrozenBytes = 16 << 20

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

// FrozenError says that a dataset was made with other settings or versions.
type FrozenError struct {
	Stage       string
	Differences []string // "name: the dataset has X, asked for Y"
	// VersionsOnly is set when no setting differs: what is committed stays
	// usable, but nothing can be added to it.
	VersionsOnly bool
}

func (e *FrozenError) Error() string {
	return fmt.Sprintf("%s: this dataset was made otherwise: %s (leave the setting out, or use a new dataset folder)",
		e.Stage, strings.Join(e.Differences, "; "))
}

// LoadFrozen reads dataset.json; a dataset that has none yet is empty.
func LoadFrozen(ctx context.Context, s storage.Store) (*Frozen, error) {
	data, err := storage.ReadAll(ctx, s, frozenName, maxFrozenBytes)
	if errors.Is(err, fs.ErrNotExist) {
		return &Frozen{SchemaVersion: SchemaVersion, Stages: map[string]Stage{}}, nil
	}
	if err != nil {
		return nil, err
	}
	var f Frozen
	if err := json.Unmarshal(data, &f); err != nil {
		return nil, fmt.Errorf("%s is not a dataset's settings: %w", s.Path(frozenName), err)
	}
	if f.SchemaVersion != SchemaVersion {
		return nil, fmt.Errorf("%s has schema_version %d, this micodata reads %d", s.Path(frozenName), f.SchemaVersion, SchemaVersion)
	}
	if f.Stages == nil {
		f.Stages = map[string]Stage{}
	}
	return &f, nil
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
	if old.Fingerprint == st.Fingerprint {
		return old, nil
	}
	diffs := differences(old.Settings, st.Settings)
	e := &FrozenError{Stage: stage, VersionsOnly: len(diffs) == 0}
	for _, name := range sortedKeys(old.Versions, st.Versions) {
		if old.Versions[name] != st.Versions[name] {
			diffs = append(diffs, fmt.Sprintf("%s: the dataset has %q, this machine %q", name, old.Versions[name], st.Versions[name]))
		}
	}
	if len(diffs) == 0 {
		diffs = []string{"the settings of the stage before it"}
	}
	e.Differences = diffs
	return old, e
}

// Save writes dataset.json if it differs from what is there.
func (f *Frozen) Save(ctx context.Context, s storage.Store) error {
	data, err := json.MarshalIndent(f, "", "  ")
	if err != nil {
		return fmt.Errorf("encode %s: %w", frozenName, err)
	}
	data = append(data, '\n')
	old, err := storage.ReadAll(ctx, s, frozenName, maxFrozenBytes)
	if err == nil && bytes.Equal(old, data) {
		return nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return storage.WriteAll(ctx, s, frozenName, storage.Replace, data)
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

func differences(old, asked map[string]any) []string {
	var out []string
	for _, name := range sortedKeys(old, asked) {
		a, errA := json.Marshal(old[name])
		b, errB := json.Marshal(asked[name])
		if errA != nil || errB != nil || !bytes.Equal(a, b) {
			out = append(out, fmt.Sprintf("%s: the dataset has %s, asked for %s", name, a, b))
		}
	}
	return out
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
