package engine

import (
	"context"
	"errors"
	"os"
	"sync"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"

	"micodata/dataset"
	"micodata/storage"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func store(t *testing.T) storage.Store {
	t.Helper()
	s, err := storage.NewLocal(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// touch is a stage that commits a part which names its input.
func touch(s storage.Store, name, upstream string) Stage {
	return Stage{Name: name, Outputs: []string{name}, Run: func(ctx context.Context, p Part) (dataset.Report, error) {
		in := ""
		if upstream != "" {
			data, err := storage.ReadAll(ctx, s, dataset.PartName(upstream, p.Index), 1<<20)
			if err != nil {
				return dataset.Report{}, err
			}
			in = string(data)
		}
		var r dataset.Report
		r.Count(dataset.Outcome{Status: dataset.OK})
		return r, storage.WriteAll(ctx, s, dataset.PartName(name, p.Index), storage.Exclusive, []byte(in+">"+name))
	}}
}

func TestRunsEveryChainInOrderAndOnlyWhatIsMissing(t *testing.T) {
	for _, chains := range []int{1, 2, 4} {
		s := store(t)
		stages := []Stage{touch(s, "ingest", ""), touch(s, "extract", "ingest"), touch(s, "label/depth", "extract")}
		var did, kept int
		l := &Local{Store: s, Chains: chains, OnPart: func(d PartDone) {
			if d.Kept {
				kept++
			} else {
				did++
			}
		}}
		if err := l.Run(context.Background(), Parts(9), stages); err != nil {
			t.Fatal(err)
		}
		if did != 27 || kept != 0 {
			t.Errorf("%d chains: did %d, kept %d", chains, did, kept)
		}
		for i := range 9 {
			data, err := os.ReadFile(s.Path(dataset.PartName("label/depth", i)))
			if err != nil || string(data) != ">ingest>extract>label/depth" {
				t.Errorf("part %d: %q, %v", i, data, err)
			}
		}
		if err := s.Delete(context.Background(), dataset.PartName("label/depth", 4)); err != nil {
			t.Fatal(err)
		}
		did, kept = 0, 0
		if err := l.Run(context.Background(), Parts(9), stages); err != nil {
			t.Fatal(err)
		}
		if did != 1 || kept != 26 {
			t.Errorf("resumed: did %d, kept %d", did, kept)
		}
	}
}

func TestFirstErrorEndsTheRunAndNamesThePart(t *testing.T) {
	s := store(t)
	boom := errors.New("boom")
	bad := Stage{Name: "extract", Outputs: []string{"extract"}, Run: func(_ context.Context, p Part) (dataset.Report, error) {
		if p.Index == 3 {
			return dataset.Report{}, boom
		}
		return dataset.Report{}, nil
	}}
	err := (&Local{Store: s, Chains: 2}).Run(context.Background(), Parts(1000), []Stage{bad})
	if !errors.Is(err, boom) || err.Error() != "extract part 3: boom" {
		t.Errorf("got %v", err)
	}
	listErr := errors.New("line 7 is broken")
	err = (&Local{Store: s}).Run(context.Background(), func(yield func(Part, error) bool) { yield(Part{}, listErr) }, nil)
	if !errors.Is(err, listErr) {
		t.Errorf("got %v", err)
	}
}

func TestStopFinishesWhatRunsAndBeginsNothing(t *testing.T) {
	s := store(t)
	stop := make(chan struct{})
	var once sync.Once
	var begun, ended atomic.Int32
	st := Stage{Name: "extract", Outputs: []string{"extract"}, Run: func(ctx context.Context, p Part) (dataset.Report, error) {
		begun.Add(1)
		once.Do(func() { close(stop) })
		err := storage.WriteAll(ctx, s, dataset.PartName("extract", p.Index), storage.Exclusive, nil)
		ended.Add(1)
		return dataset.Report{}, err
	}}
	err := (&Local{Store: s, Chains: 2, Stop: stop}).Run(context.Background(), Parts(50), []Stage{st})
	if !errors.Is(err, ErrInterrupted) {
		t.Fatalf("got %v", err)
	}
	done, err := committed(context.Background(), s, "extract")
	if err != nil || begun.Load() != ended.Load() || len(done) != int(ended.Load()) || len(done) > 2 {
		t.Errorf("begun %d, ended %d, committed %d, %v", begun.Load(), ended.Load(), len(done), err)
	}
}

func TestPartCountStopsAtTheFirstGap(t *testing.T) {
	s := store(t)
	for _, i := range []int{0, 1, 3} {
		if err := storage.WriteAll(context.Background(), s, dataset.PartName("ingest", i), storage.Exclusive, nil); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := PartCount(context.Background(), s, "ingest"); n != 2 || err != nil {
		t.Errorf("got %d, %v", n, err)
	}
	if n, err := PartCount(context.Background(), s, "extract"); n != 0 || err != nil {
		t.Errorf("got %d, %v", n, err)
	}
}
