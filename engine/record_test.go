package engine

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"micodata/dataset"
	"micodata/storage"
)

// Another process makes the same parts, and is faster.
func TestPartsOfAnotherProcessAreKept(t *testing.T) {
	s := store(t)
	ours := touch(s, "ingest", "")
	ingest := ours
	ingest.Run = func(ctx context.Context, p Part) (dataset.Report, error) {
		if _, err := ours.Run(ctx, p); err != nil { // the other process
			return dataset.Report{}, err
		}
		return ours.Run(ctx, p)
	}
	kept := 0
	l := &Local{Store: s, OnPart: func(d PartDone) {
		if d.Kept && d.Stage == "ingest" {
			kept++
		}
	}}
	if err := l.Run(t.Context(), Parts(3), []Stage{ingest, touch(s, "extract", "ingest")}); err != nil || kept != 3 {
		t.Fatalf("kept %d, %v", kept, err)
	}
	if n, err := PartCount(t.Context(), s, "extract"); n != 3 || err != nil {
		t.Errorf("%d parts were extracted, %v", n, err)
	}
	// What exists where no part is, is an error still.
	stray := Stage{Name: "label/depth", Outputs: []string{"label/depth"}, Run: func(context.Context, Part) (dataset.Report, error) {
		return dataset.Report{}, fs.ErrExist
	}}
	if err := l.Run(t.Context(), Parts(1), []Stage{stray}); !errors.Is(err, fs.ErrExist) {
		t.Errorf("got %v", err)
	}
}

// Each output of joint work has a record of its own; together they have its cost.
func TestRecordsOfJointWork(t *testing.T) {
	s := store(t)
	outputs := []string{dataset.StageDepth, dataset.StageNormal}
	label := Stage{Name: "label", Outputs: outputs, Run: func(ctx context.Context, p Part) (dataset.Report, error) {
		for _, out := range outputs {
			if err := storage.WriteAll(ctx, s, dataset.PartName(out, p.Index), storage.Exclusive, nil); err != nil {
				return dataset.Report{}, err
			}
		}
		return dataset.Report{Rows: 4, OK: 4, Cost: dataset.Cost{GPU: 10 * time.Second, Bytes: 6}}, nil
	}}
	if err := (&Local{Store: s}).Run(t.Context(), Parts(2), []Stage{label}); err != nil {
		t.Fatal(err)
	}
	for _, out := range outputs {
		got, err := dataset.StageReport(t.Context(), s, out)
		if got.Cost.Wall <= 0 {
			t.Errorf("%s: no time passed", out)
		}
		got.Cost.Wall, got.Cost.CPU = 0, 0
		want := dataset.Report{Rows: 8, OK: 8, Cost: dataset.Cost{GPU: 10 * time.Second, Bytes: 6}}
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, %v", out, got, err)
		}
	}
}

// What a crash left of any object of a dataset goes when the next run begins.
func TestRunSweepsTheDataset(t *testing.T) {
	s := store(t)
	var left []string
	for _, name := range append(dataset.Folders(), ".") {
		path := filepath.Join(s.Path(name), ".x.AAAAAAAAAA.tmp")
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
		old := time.Now().Add(-48 * time.Hour) // whichever machine wrote it
		if err := os.Chtimes(path, old, old); err != nil {
			t.Fatal(err)
		}
		left = append(left, path)
	}
	if err := (&Local{Store: s}).Run(t.Context(), Parts(0), nil); err != nil {
		t.Fatal(err)
	}
	for _, path := range left {
		if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s stayed: %v", path, err)
		}
	}
}
