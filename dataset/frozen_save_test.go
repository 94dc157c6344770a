package dataset

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"micodata/storage"
)

func load(t *testing.T, s storage.Store) *Frozen {
	t.Helper()
	f, err := LoadFrozen(context.Background(), s)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// freeze freezes a stage that has one setting, and saves.
func freeze(f *Frozen, s storage.Store, stage string, value int) error {
	if _, err := f.Freeze(stage, map[string]int{"value": value}, nil, ""); err != nil {
		return err
	}
	return f.Save(context.Background(), s)
}

// stagesIn are the stages that dataset.json itself tells of.
func stagesIn(t *testing.T, s storage.Store) []string {
	t.Helper()
	data, err := os.ReadFile(s.Path("dataset.json"))
	if err != nil {
		t.Fatal(err)
	}
	var f Frozen
	if err := json.Unmarshal(data, &f); err != nil {
		t.Fatal(err)
	}
	return slices.Sorted(maps.Keys(f.Stages))
}

// Two processes that have both read the settings before either wrote them.
func TestSaveLosesNobodysStage(t *testing.T) {
	s := store(t)
	a, b := load(t, s), load(t, s)
	if err := freeze(a, s, StageDepth, 1); err != nil {
		t.Fatal(err)
	}
	if err := freeze(b, s, StageNormal, 2); err != nil {
		t.Fatal(err)
	}
	want := []string{StageDepth, StageNormal}
	if got := stagesIn(t, s); !slices.Equal(got, want) {
		t.Errorf("dataset.json has %v", got)
	}
	if got := load(t, s).Stages; got[StageDepth].Settings["value"] != 1.0 || got[StageNormal].Settings["value"] != 2.0 {
		t.Errorf("loaded %v", got)
	}
	if got := slices.Sorted(maps.Keys(b.Stages)); !slices.Equal(got, want) {
		t.Errorf("the second knows of %v", got)
	}
}

// What the first process froze holds once it has made a part.
func TestSaveRefusesOtherSettings(t *testing.T) {
	s := store(t)
	a, b, c := load(t, s), load(t, s), load(t, s)
	if err := freeze(a, s, StageExtract, 1); err != nil {
		t.Fatal(err)
	}
	if err := freeze(b, s, StageExtract, 2); err != nil {
		t.Errorf("without a part: %v", err)
	}
	write(t, s, PartName(StageExtract, 0), "")
	var fe *FrozenError
	if err := freeze(c, s, StageExtract, 3); !errors.As(err, &fe) || !slices.Equal(fe.Differences, []string{"value: the dataset has 2, asked for 3"}) {
		t.Errorf("got %v", err)
	}
	if got := load(t, s).Stages[StageExtract].Settings["value"]; got != 2.0 {
		t.Errorf("value %v", got)
	}
}

// A part that was damaged and removed is made again with the settings that it had.
func TestRemovedPartBinds(t *testing.T) {
	s := store(t)
	if err := freeze(load(t, s), s, StageExtract, 1); err != nil {
		t.Fatal(err)
	}
	if begun, err := Begun(t.Context(), s, StageExtract); begun || err != nil {
		t.Errorf("before the first part: %v, %v", begun, err)
	}
	write(t, s, PartName(StageExtract, 0), "")
	if err := SaveCost(t.Context(), s, StageExtract, 0, Report{}); err != nil {
		t.Fatal(err)
	}
	if err := s.Delete(t.Context(), PartName(StageExtract, 0)); err != nil {
		t.Fatal(err)
	}
	if begun, err := Begun(t.Context(), s, StageExtract); !begun || err != nil {
		t.Errorf("after it: %v, %v", begun, err)
	}
	f := load(t, s)
	delete(f.Stages, StageExtract)
	var fe *FrozenError
	if err := freeze(f, s, StageExtract, 2); !errors.As(err, &fe) {
		t.Errorf("got %v", err)
	}
}

// Labels of other clips than are there now are not as good as new.
func TestOtherUpstream(t *testing.T) {
	f := &Frozen{Stages: map[string]Stage{StageExtract: {Fingerprint: "a"}}}
	if _, err := f.Freeze(StageDepth, struct{}{}, nil, StageExtract); err != nil {
		t.Fatal(err)
	}
	f.Stages[StageExtract] = Stage{Fingerprint: "b"}
	var fe *FrozenError
	if _, err := f.Freeze(StageDepth, struct{}{}, nil, StageExtract); !errors.As(err, &fe) || fe.VersionsOnly {
		t.Errorf("got %v", err)
	}
}

func TestManySaveAtOnce(t *testing.T) {
	s := store(t)
	var want []string
	var wg sync.WaitGroup
	for i := range 8 {
		stage, f := fmt.Sprintf("label/%d", i), load(t, s)
		want = append(want, stage)
		wg.Go(func() {
			if err := freeze(f, s, stage, i); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got := stagesIn(t, s); !slices.Equal(got, want) {
		t.Errorf("dataset.json has %v", got)
	}
}

// Killed between the two objects, nothing is lost; so with dataset.json alone.
func TestEitherObjectIsEnough(t *testing.T) {
	for _, lost := range []string{"dataset.json", "settings/extract.json"} {
		s := store(t)
		if err := freeze(load(t, s), s, StageExtract, 1); err != nil {
			t.Fatal(err)
		}
		if err := os.Remove(s.Path(lost)); err != nil {
			t.Fatal(err)
		}
		var fe *FrozenError
		if err := freeze(load(t, s), s, StageExtract, 2); !errors.As(err, &fe) {
			t.Errorf("without %s: %v", lost, err)
		}
		if err := freeze(load(t, s), s, StageExtract, 1); err != nil {
			t.Errorf("without %s: %v", lost, err)
		}
		if _, err := os.Stat(s.Path(lost)); err != nil {
			t.Error(err)
		}
	}
}

func TestBrokenSettings(t *testing.T) {
	for _, name := range []string{"dataset.json", "settings/extract.json"} {
		for text, version := range map[string]int{
			"": 0, "{": 0, "[]": 0, "{}": 0, `{"schema_version": 1, "stages": 3, "settings": 3}`: 0, "{\x00": 0,
			`{"schema_version": 99}`: 99, `{"schema_version": 2, "stages": 3, "settings": 3}`: 2,
		} {
			s := store(t)
			write(t, s, name, text)
			_, err := LoadFrozen(context.Background(), s)
			var (
				broken *storage.Error
				other  *VersionError
			)
			if version == 0 && (!errors.As(err, &broken) || broken.Path != s.Path(name)) {
				t.Errorf("%s %q: got %v", name, text, err)
			}
			if version != 0 && (!errors.As(err, &other) || other.Have != version || other.Path != s.Path(name)) {
				t.Errorf("%s %q: got %v", name, text, err)
			}
		}
	}
}

func TestCheckPart(t *testing.T) {
	ctx, s := context.Background(), store(t)
	if err := writeClips(ctx, s, 1); err != nil { // extract part 3, made with "abc"
		t.Fatal(err)
	}
	f := &Frozen{Stages: map[string]Stage{StageExtract: {Fingerprint: "abc"}}}
	if err := f.CheckPart(ctx, s, StageExtract, 3); err != nil {
		t.Error(err)
	}
	f.Stages[StageExtract] = Stage{Fingerprint: "abd"}
	var se *storage.Error
	if err := f.CheckPart(ctx, s, StageExtract, 3); !errors.As(err, &se) || !strings.Contains(err.Error(), `"abc", not "abd"`) {
		t.Errorf("got %v", err)
	}
}

// A stage that is discarded is frozen otherwise; the others stay.
func TestDiscard(t *testing.T) {
	ctx, s := context.Background(), store(t)
	f := load(t, s)
	if err := errors.Join(freeze(f, s, StageDepth, 1), freeze(f, s, StageNormal, 1)); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{PartName(StageDepth, 0), PartName(StageDepth, 7), costFolder + StageDepth + "/part-00000.json", PartName(StageNormal, 0)} {
		if err := storage.WriteAll(ctx, s, name, storage.Exclusive, []byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	var frozen *FrozenError
	if err := freeze(load(t, s), s, StageDepth, 2); !errors.As(err, &frozen) {
		t.Fatalf("got %v", err)
	}
	if err := Discard(ctx, s, StageDepth); err != nil {
		t.Fatal(err)
	}
	f = load(t, s)
	delete(f.Stages, StageDepth)
	if err := freeze(f, s, StageDepth, 2); err != nil {
		t.Error(err)
	}
	if err := freeze(load(t, s), s, StageNormal, 2); !errors.As(err, &frozen) || !strings.Contains(err.Error(), "label --again") {
		t.Errorf("the other stage: %v", err)
	}
}

func TestUnlikeWords(t *testing.T) {
	if a, b := unlike("geometry=2 model=a weights=1", "geometry=2 model=b weights=1"); a != "model=a" || b != "model=b" {
		t.Errorf("got %q and %q", a, b)
	}
}
