package dataset

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
	"time"

	"micodata/internal/table"
	"micodata/storage"
)

func commitPart[R any](t *testing.T, s storage.Store, schema *table.Schema[R], stage string, part int, rows ...R) {
	t.Helper()
	w, err := CreatePart(t.Context(), s, schema, PartInfo{Stage: stage, Part: part})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	for i := range rows {
		if err := w.Write(&rows[i]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
}

var (
	fine    = Outcome{Status: OK}
	broken  = Outcome{Status: Failed, Class: Corrupt, Error: "x"}
	skipped = Outcome{Status: Skipped, Class: TooShort, Error: "x"}
)

func TestStageReportCountsParts(t *testing.T) {
	s := store(t)
	commitPart(t, s, SourceSchema, StageIngest, 0, Source{ID: "a", Outcome: fine}, Source{ID: "b", Outcome: broken})
	commitPart(t, s, SourceSchema, StageIngest, 100_000, Source{ID: "c", Outcome: broken})
	commitPart(t, s, SourceSchema, StageIngest, 99_999, Source{ID: "d", Outcome: skipped})
	commitPart(t, s, ClipSchema, StageExtract, 0, Clip{Key: "a.00000", SourceID: "a", Start: 2, End: 4.5, Outcome: fine},
		Clip{Key: "a.00001", SourceID: "a", End: 9, Outcome: broken}, Clip{Key: "b.00000", SourceID: "b", Outcome: broken})
	commitPart(t, s, DepthSchema, StageDepth, 0, Depth{Key: "a.00000", Outcome: fine}, Depth{Key: "a.00001", Outcome: skipped}, Depth{Key: "b.00000", Outcome: skipped})
	commitPart(t, s, NormalSchema, StageNormal, 0, Normal{Key: "a.00000", Outcome: skipped})
	for stage, want := range map[string]Report{
		StageIngest:  {Rows: 4, OK: 1, Failed: 2, Skipped: 1, Classes: map[Class]int{Corrupt: 2, TooShort: 1}},
		StageExtract: {Rows: 3, OK: 1, Failed: 1, PassedOn: 1, Classes: map[Class]int{Corrupt: 1}, Seconds: 2.5},
		StageDepth:   {Rows: 3, OK: 1, PassedOn: 2},
		StageNormal:  {Rows: 1, Skipped: 1, Classes: map[Class]int{TooShort: 1}},
		"label/asr":  {},
	} {
		if got, err := StageReport(t.Context(), s, stage); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, %v\nwant %+v", stage, got, err, want)
		}
	}
	if got, err := Parts(t.Context(), s, StageIngest); err != nil || !slices.Equal(got, []int{0, 99_999, 100_000}) {
		t.Errorf("parts %v, %v", got, err)
	}
}

func write(t *testing.T, s storage.Store, name, data string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(s.Path(name)), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(s.Path(name), []byte(data), 0o600); err != nil {
		t.Fatal(err)
	}
}

// unread fails when a part is opened.
type unread struct{ storage.Store }

var errOpened = errors.New("a part was opened")

func (u unread) Open(ctx context.Context, name string) (storage.Object, error) {
	if _, ok := PartIndex(StageIngest, name); ok {
		return nil, errOpened
	}
	return u.Store.Open(ctx, name)
}

func TestStageReportReadsRecordsWhereThereAreSome(t *testing.T) {
	s := store(t)
	var want Report
	for i := range reportBatch + 2 { // the parts' content does not matter
		write(t, s, PartName(StageIngest, i), "")
		r := Report{Rows: 4, OK: 2, Failed: 1, PassedOn: 1, Classes: map[Class]int{Timeout: 1}, Seconds: 0.1,
			Cost: Cost{CPU: time.Second, GPU: 2, Wall: 3, Bytes: int64(i)}}
		data, err := json.Marshal(r) // as SaveCost does, without a sync for each
		if err != nil {
			t.Fatal(err)
		}
		write(t, s, CostName(StageIngest, i), string(data))
		want.Merge(r)
	}
	// SaveCost writes what is read; a record of a part that is not there does not count.
	if err := SaveCost(t.Context(), s, StageIngest, 0, Report{Rows: 4, OK: 2, Failed: 1, PassedOn: 1, Classes: map[Class]int{Timeout: 1}, Seconds: 0.1,
		Cost: Cost{CPU: time.Second, GPU: 2, Wall: 3}}); err != nil {
		t.Fatal(err)
	}
	if err := SaveCost(t.Context(), s, StageIngest, 5000, Report{Rows: 1, OK: 1}); err != nil {
		t.Fatal(err)
	}
	if got, err := StageReport(t.Context(), unread{s}, StageIngest); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v\nwant %+v", got, err, want)
	}
	for _, bad := range []string{"", "{", "{}", `{"Rows": -1}`, `{"Rows": "3"}`} {
		write(t, s, CostName(StageIngest, 7), bad)
		if got, err := StageReport(t.Context(), unread{s}, StageIngest); !errors.Is(err, errOpened) || !reflect.DeepEqual(got, Report{}) {
			t.Errorf("%q: %+v, %v", bad, got, err)
		}
	}
}

func TestSplitSharesCostNotRows(t *testing.T) {
	r := Report{Rows: 3, OK: 3, Seconds: 6, Cost: Cost{CPU: 8, GPU: 6, Wall: 4, Bytes: 2}}
	if got, want := r.Split(2), (Report{Rows: 3, OK: 3, Seconds: 6, Cost: Cost{CPU: 4, GPU: 3, Wall: 2, Bytes: 1}}); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v", got)
	}
}
