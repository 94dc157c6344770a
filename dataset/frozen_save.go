package dataset

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"strings"

	"micodata/internal/table"
	"micodata/storage"
)

const (
	// frozenName is the object that users and other programs read. It is derived:
	// whoever freezes a stage writes it anew from all the stages' own objects.
	frozenName = "dataset.json"
	// settingsFolder holds an object a stage, committed by whoever freezes the
	// stage first. So two processes can begin stages at the same time, and
	// neither's is lost.
	settingsFolder = "settings/"
	// maxFrozenBytes bounds these objects, which hold a few settings a stage.
	maxFrozenBytes = 16 << 20
)

// VersionError says that a dataset or a set has another layout than this program knows.
type VersionError struct {
	Path       string
	Have, Want int // schema_version
}

func (e *VersionError) Error() string {
	return fmt.Sprintf("%s has schema_version %d, this micodata reads %d: use the micodata that made it, or make a new one", e.Path, e.Have, e.Want)
}

// savedStage is a stage's own object.
type savedStage struct {
	SchemaVersion int `json:"schema_version"`
	Stage
}

func settingsName(stage string) string { return settingsFolder + stage + ".json" }

// readJSON reads an object of settings. One that is not there is fs.ErrNotExist,
// one that cannot be understood a [*storage.Error], one of another layout a
// [*VersionError].
func readJSON(ctx context.Context, s storage.Store, name string, into any, version *int) error {
	data, err := storage.ReadAll(ctx, s, name, maxFrozenBytes)
	if err != nil {
		return err
	}
	err = json.Unmarshal(data, into)
	if err == nil && *version == 0 {
		err = errors.New("it has no schema_version")
	}
	if *version != 0 && *version != SchemaVersion {
		return &VersionError{Path: s.Path(name), Have: *version, Want: SchemaVersion}
	}
	if err != nil {
		return &storage.Error{Op: "read", Path: s.Path(name), Err: fmt.Errorf("not a dataset's settings: %w", err)}
	}
	return nil
}

// LoadFrozen reads the frozen settings; a dataset that has none yet is empty.
func LoadFrozen(ctx context.Context, s storage.Store) (*Frozen, error) {
	var f Frozen
	err := readJSON(ctx, s, frozenName, &f, &f.SchemaVersion)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	f.SchemaVersion = SchemaVersion
	if f.Stages == nil {
		f.Stages = map[string]Stage{}
	}
	_, err = f.update(ctx, s)
	return &f, err
}

// update takes over what the stages' own objects say, and returns the
// fingerprints by stage.
func (f *Frozen) update(ctx context.Context, s storage.Store) (map[string]string, error) {
	objects, err := s.List(ctx, settingsFolder)
	if err != nil {
		return nil, err
	}
	prints := map[string]string{}
	for _, o := range objects {
		stage, ok := strings.CutSuffix(strings.TrimPrefix(o.Name, settingsFolder), ".json")
		if !ok {
			continue
		}
		var saved savedStage
		if err := readJSON(ctx, s, o.Name, &saved, &saved.SchemaVersion); err != nil {
			return nil, err
		}
		f.Stages[stage] = saved.Stage
		prints[stage] = saved.Fingerprint
	}
	return prints, nil
}

// Save makes the frozen settings those of the dataset. Where another process has
// frozen a stage otherwise since they were loaded and the stage has [Begun], it
// returns a [*FrozenError]: a start that came to nothing binds nobody. What others
// have frozen besides is added to f.
func (f *Frozen) Save(ctx context.Context, s storage.Store) error {
	for _, stage := range sortedKeys(f.Stages, nil) {
		if err := saveStage(ctx, s, stage, f.Stages[stage]); err != nil {
			return err
		}
	}
	for {
		// Whoever writes last has seen, before or after, all that is there.
		before, err := f.update(ctx, s)
		if err != nil {
			return err
		}
		if err := f.write(ctx, s); err != nil {
			return err
		}
		after, err := f.update(ctx, s)
		if err != nil || maps.Equal(before, after) {
			return err
		}
	}
}

// Begun tells whether a stage has made a part. A part that was removed since, as
// a damaged one is, has left the record of what it cost, and is made again with
// the settings that it had.
func Begun(ctx context.Context, s storage.Store, stage string) (bool, error) {
	parts, err := Parts(ctx, s, stage)
	if err != nil || len(parts) > 0 {
		return len(parts) > 0, err
	}
	records, err := s.List(ctx, costFolder+stage+"/")
	return len(records) > 0, err
}

// Discard removes the parts of a stage and the record of what they cost, so that
// it can be frozen otherwise. A call that was cut short can be repeated; what is
// left by then is as it was.
func Discard(ctx context.Context, s storage.Store, stage string) error {
	parts, err := Parts(ctx, s, stage)
	if err != nil {
		return err
	}
	for _, part := range parts {
		if err := s.Delete(ctx, PartName(stage, part)); err != nil {
			return err
		}
	}
	records, err := s.List(ctx, costFolder+stage+"/")
	if err != nil {
		return err
	}
	for _, r := range records {
		if err := s.Delete(ctx, r.Name); err != nil {
			return err
		}
	}
	return nil
}

// saveStage commits a stage's settings or checks those that are there.
func saveStage(ctx context.Context, s storage.Store, stage string, st Stage) error {
	data, err := json.MarshalIndent(savedStage{SchemaVersion, st}, "", "  ")
	if err != nil {
		return fmt.Errorf("encode settings of %s: %w", stage, err)
	}
	data = append(data, '\n')
	name := settingsName(stage)
	if _, err := s.Stat(ctx, name); errors.Is(err, fs.ErrNotExist) {
		if err := storage.WriteAll(ctx, s, name, storage.Exclusive, data); !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	var saved savedStage
	if err := readJSON(ctx, s, name, &saved, &saved.SchemaVersion); err != nil {
		return err
	}
	differs := st.differsFrom(saved.Stage, stage)
	if differs == nil {
		return nil
	}
	begun, err := Begun(ctx, s, stage)
	if err != nil {
		return err
	}
	if begun {
		return differs
	}
	return storage.WriteAll(ctx, s, name, storage.Replace, data)
}

// write writes dataset.json if it differs from what is there.
func (f *Frozen) write(ctx context.Context, s storage.Store) error {
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

// footer is the schema of a reader that reads no rows.
var footer = table.NewSchema[struct{}]()

// CheckPart makes sure that a part was made with what its stage is frozen with,
// before another stage builds on it. It reads the part's footer.
func (f *Frozen) CheckPart(ctx context.Context, s storage.Store, stage string, part int) error {
	r, err := OpenPart(ctx, s, footer, stage, part)
	if err != nil {
		return err
	}
	defer r.Close()
	if want := f.Stages[stage].Fingerprint; r.Info.Fingerprint != want {
		return Damaged(s, PartName(stage, part), fmt.Errorf("made with other settings than %s says (fingerprint %.12q, not %.12q)",
			s.Path(frozenName), r.Info.Fingerprint, want))
	}
	return nil
}
