package engine

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"micodata/dataset"
)

// stage is one that commits nothing.
func stage(name string, fetches bool, run func(p Part)) Stage {
	return Stage{Name: name, Outputs: []string{name}, Fetches: fetches, Run: func(_ context.Context, p Part) (dataset.Report, error) {
		run(p)
		return dataset.Report{}, nil
	}}
}

func TestFetchingIsInOrderAndBesideCPUWork(t *testing.T) {
	var fetched []int // by one goroutine at a time, as the race detector checks
	began, next := make(chan struct{}), make(chan struct{})
	ingest := stage("ingest", true, func(p Part) {
		if fetched = append(fetched, p.Index); p.Index == 1 {
			<-began
			close(next)
		}
	})
	extract := stage("extract", false, func(p Part) {
		if p.Index == 0 { // part 1 is fetched meanwhile, or this never ends
			close(began)
			<-next
		}
	})
	if err := (&Local{Store: store(t), Chains: 1}).Run(t.Context(), Parts(20), []Stage{ingest, extract}); err != nil {
		t.Fatal(err)
	}
	if len(fetched) != 20 || !slices.IsSorted(fetched) {
		t.Errorf("fetched %v", fetched)
	}
}

// Media must not pile up before a chain that is slow.
func TestFetchingIsOnePartAhead(t *testing.T) {
	var fetched, extracted, worst atomic.Int32
	ingest := stage("ingest", true, func(Part) { worst.Store(max(worst.Load(), fetched.Add(1)-extracted.Load())) })
	extract := stage("extract", false, func(Part) { time.Sleep(time.Millisecond); extracted.Add(1) })
	if err := (&Local{Store: store(t), Chains: 2}).Run(t.Context(), Parts(30), []Stage{ingest, extract}); err != nil {
		t.Fatal(err)
	}
	if got := worst.Load(); got > 2+1 {
		t.Errorf("%d parts were fetched and not extracted", got)
	}
}

// Parts of a stage overlap, and what of them takes slots has no more than there
// are.
func TestPartsShareSlots(t *testing.T) {
	slots := NewSlots(2)
	var holders, worst atomic.Int32
	var both sync.WaitGroup
	both.Add(2)
	extract := Stage{Name: "extract", Outputs: []string{"extract"}, Run: func(ctx context.Context, p Part) (dataset.Report, error) {
		if p.Index < 2 {
			both.Done()
			both.Wait() // the first two parts are in work at once, or this never ends
		}
		var sources sync.WaitGroup
		for range 4 {
			release, err := slots.Acquire(ctx)
			if err != nil {
				return dataset.Report{}, err
			}
			sources.Go(func() {
				defer release()
				worst.Store(max(worst.Load(), holders.Add(1)))
				time.Sleep(time.Millisecond)
				holders.Add(-1)
			})
		}
		sources.Wait()
		return dataset.Report{}, nil
	}}
	if err := (&Local{Store: store(t), Chains: 3}).Run(t.Context(), Parts(12), []Stage{extract}); err != nil {
		t.Fatal(err)
	}
	if worst.Load() != 2 {
		t.Errorf("%d sources at once with 2 slots", worst.Load())
	}
}

func TestSlots(t *testing.T) {
	slots := NewSlots(0) // is 1
	release, err := slots.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := slots.Acquire(ended); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	release()
	release() // no second slot comes of it
	if _, err := slots.Acquire(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := slots.Acquire(ended); !errors.Is(err, context.Canceled) {
		t.Errorf("two slots of one: %v", err)
	}
}

// What was used is shared out whole, and nothing of it twice.
func TestCPUAccount(t *testing.T) {
	now := 100 * time.Second
	a := cpuAccount{used: func() time.Duration { return now }}
	use := func(s time.Duration) { now += s * time.Second }
	fetch := a.begin(false)
	use(1) // alone: fetch 1
	first := a.begin(true)
	use(10) // first 10
	second := a.begin(true)
	use(8) // first 14, second 4
	if got := first(); got != 14*time.Second {
		t.Errorf("first %v", got)
	}
	use(2) // second 6
	if got := second(); got != 6*time.Second {
		t.Errorf("second %v", got)
	}
	other := a.begin(false)
	use(6) // fetch 4, other 3
	if got := other(); got != 3*time.Second {
		t.Errorf("other %v", got)
	}
	if got := fetch(); got != 4*time.Second {
		t.Errorf("fetch %v", got)
	}
	use(50) // nobody's
	alone := a.begin(true)
	use(3)
	if got := alone(); got != 3*time.Second {
		t.Errorf("alone %v", got)
	}
}
