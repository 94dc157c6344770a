package extract_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"micodata/dataset"
	"micodata/extract"
	"micodata/internal/testmedia"
	"micodata/storage"
)

// bytesOf are those of the extract part.
func (w *workplace) bytesOf(t *testing.T) []byte {
	t.Helper()
	data, err := storage.ReadAll(t.Context(), w.env.Store, dataset.PartName(dataset.StageExtract, 0), 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestSameBytesForAnyNumberOfWorkers(t *testing.T) {
	var sources []dataset.Source
	for i, path := range []string{
		testmedia.Counter(t, testmedia.CounterOptions{Frames: 100, Cuts: []int{40}}),
		testmedia.File(t, "subtitles_srt"), testmedia.File(t, "truncated_moov_first"), testmedia.File(t, "audio_only_mp4"),
		testmedia.MakeFlashBeep(t, testmedia.FlashBeepOptions{}).Path,
	} {
		s := source(t, path)
		s.ID = fmt.Sprint("source-", i)
		sources = append(sources, s)
	}
	var first []byte
	for _, workers := range []int{1, 2, 4, 4} {
		w := newWorkplace(t, sources...)
		w.env.Workers = workers
		w.env.Settings.MaxClip = 2 * time.Second // so that rows of one source come out of order too
		rows := w.run(t)
		if len(rows) < 9 || rows[0].SourceID != "source-0" || rows[len(rows)-1].SourceID != "source-4" {
			t.Fatalf("%d rows from %s to %s", len(rows), rows[0].Key, rows[len(rows)-1].Key)
		}
		w.checkEmptyTemp(t)
		data := w.bytesOf(t)
		if first == nil {
			first = data
		}
		if !bytes.Equal(first, data) {
			t.Errorf("%d workers make other bytes", workers)
		}
	}
}

func (w *workplace) checkEmptyTemp(t *testing.T) {
	t.Helper()
	left, err := os.ReadDir(w.env.TempDir)
	if err != nil || len(left) > 0 {
		t.Errorf("left in the temporary folder: %v %v", left, err)
	}
}

func TestRunTwiceIsNoError(t *testing.T) {
	w := newWorkplace(t, source(t, testmedia.File(t, "plain")))
	report, err := extract.Run(t.Context(), w.env, 0)
	if err != nil {
		t.Fatal(err)
	}
	if report.Rows != 1 || report.OK != 1 || report.Seconds != 3 || report.Cost.Bytes == 0 {
		t.Errorf("report %+v", report)
	}
	before := w.bytesOf(t)
	if _, err := extract.Run(t.Context(), w.env, 0); err != nil {
		t.Errorf("the part being there: %v", err)
	}
	if !bytes.Equal(before, w.bytesOf(t)) {
		t.Error("the part has changed")
	}
}

func TestIngestFailuresStayRows(t *testing.T) {
	failed := dataset.Source{ID: "gone", URI: "https://example.com/a.mp4", Outcome: dataset.Outcome{Status: dataset.Failed, Class: dataset.NotFound, Error: "404"}}
	skipped := dataset.Source{ID: "twice", Outcome: dataset.Outcome{Status: dataset.Skipped, Class: dataset.Policy, Error: "duplicate"}}
	missing := source(t, testmedia.File(t, "plain"))
	missing.ID, missing.Media = "moved", filepath.Join(t.TempDir(), "moved.mp4")
	rows := newWorkplace(t, failed, skipped, missing).run(t)
	if len(rows) != 3 {
		t.Fatalf("%d rows", len(rows))
	}
	for i, want := range []string{"gone.00000 failed not_found 404", "twice.00000 skipped policy duplicate", "moved.00000 failed not_found"} {
		got := fmt.Sprintf("%s %s %s %s", rows[i].Key, rows[i].Status, rows[i].Class, rows[i].Error)
		if !strings.HasPrefix(got, want) {
			t.Errorf("row %d: %s, want %s", i, got, want)
		}
	}
}

func TestMediaThatChangedAreNotExtracted(t *testing.T) {
	original, err := os.ReadFile(testmedia.File(t, "plain"))
	if err != nil {
		t.Fatal(err)
	}
	var sources []dataset.Source
	for _, id := range []string{"longer", "other", "gone", "same"} {
		path := filepath.Join(t.TempDir(), id+".mp4")
		if err := os.WriteFile(path, original, 0o600); err != nil {
			t.Fatal(err)
		}
		s := source(t, path)
		s.ID = id
		switch id {
		case "longer":
			err = os.WriteFile(path, append(bytes.Clone(original), 0), 0o600)
		case "other":
			changed := bytes.Clone(original)
			changed[len(changed)/2] ^= 1
			err = os.WriteFile(path, changed, 0o600)
		case "gone":
			err = os.Remove(path)
		}
		if err != nil {
			t.Fatal(err)
		}
		sources = append(sources, s)
	}
	rows := newWorkplace(t, sources...).run(t)
	if len(rows) != len(sources) {
		t.Fatalf("%d rows, want %d", len(rows), len(sources))
	}
	for i, want := range []struct {
		class dataset.Class
		words string
	}{
		{dataset.Corrupt, "changed since it was ingested"},
		{dataset.Corrupt, "changed since it was ingested"},
		{dataset.NotFound, sources[2].Media},
		{},
	} {
		row := rows[i]
		isFailed := row.Status == dataset.Failed
		if isFailed != (want.class != "") || row.Class != want.class || !strings.Contains(row.Error, want.words) {
			t.Errorf("%s: %s %s %q, want %+v", row.Key, row.Status, row.Class, row.Error, want)
		}
	}
}

func TestMissingFFmpegEndsTheRun(t *testing.T) {
	w := newWorkplace(t, source(t, testmedia.File(t, "plain")))
	w.env.Tools.FFmpeg = filepath.Join(w.dir, "no-ffmpeg")
	if _, err := extract.Run(t.Context(), w.env, 0); err == nil || !strings.Contains(err.Error(), "not found") {
		t.Errorf("error %v", err)
	}
}

// TestCancelLeavesNothing stops a run in the middle.
func TestCancelLeavesNothing(t *testing.T) {
	path := testmedia.Counter(t, testmedia.CounterOptions{Frames: 2000, Width: 640, Height: 360, Cuts: []int{300, 600, 900, 1200, 1500}})
	a, b := source(t, path), source(t, path)
	a.ID, b.ID = "a", "b"
	w := newWorkplace(t, a, b)
	ctx, cancel := context.WithCancelCause(t.Context())
	done := make(chan error)
	go func() {
		_, err := extract.Run(ctx, w.env, 0)
		done <- err
	}()
	for len(children(t)) < 3 {
		time.Sleep(time.Millisecond)
	}
	cancel(nil)
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if left := children(t); len(left) > 0 {
		t.Errorf("still running: %v", left)
	}
	w.checkEmptyTemp(t)
	if parts, err := w.env.Store.List(t.Context(), "extract/"); err != nil || len(parts) > 0 {
		t.Errorf("left in the dataset: %v %v", parts, err)
	}
}

// children are the processes that this one has started.
func children(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("/proc/self/task/[0-9]*/children")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, f := range files {
		if data, err := os.ReadFile(f); err == nil { // threads end while we look
			found = append(found, strings.Fields(string(data))...)
		}
	}
	return found
}
