package engine

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"micodata/dataset"
	"micodata/storage"
)

// ErrInterrupted says that a run was asked to stop and stopped between parts;
// everything it began is committed.
var ErrInterrupted = errors.New("interrupted; the same command goes on from here")

// Stage is one kind of work on parts. The engine knows nothing else of it.
type Stage struct {
	Name string // as in dataset.Stage...
	// Outputs are the stages whose part files the work commits, in the order of
	// their commits; nearly always just Name.
	Outputs []string
	// OnGPU says that the work keeps a GPU busy rather than the CPU.
	OnGPU bool
	// Run makes part i. Items are the list's rows for ingest, nil for the others.
	Run func(ctx context.Context, part Part) (dataset.Report, error)
}

// Part is a unit of work.
type Part struct {
	Index int
	Items any // what the source of parts gave along, for the first stage only
	Last  bool
}

// PartDone tells of a part that a stage committed, or found committed.
type PartDone struct {
	Stage  string
	Part   int
	Report dataset.Report
	Wall   time.Duration
	Kept   bool // it was there already
}

// Local runs chains on this machine.
type Local struct {
	Store storage.Store
	// CPUSlots bounds the CPU work in flight. Default: one a core.
	CPUSlots int
	// Chains is the number of parts in flight at once: two keep the CPU busy
	// while the GPU labels, and a third covers the tail of a part.
	Chains int
	// OnPart is told of every part; calls do not overlap.
	OnPart func(PartDone)
	// Stop, when closed, lets no further work begin; what runs ends and commits.
	Stop <-chan struct{}
}

// Run takes every part through the stages in their order. Parts are independent
// of each other; the first error ends the run when the work in flight has noticed
// it. A stage whose outputs are all committed for a part is not run for it.
func (l *Local) Run(ctx context.Context, parts iter.Seq2[Part, error], stages []Stage) error {
	if err := l.Store.Sweep(ctx); err != nil {
		return err
	}
	have := map[string]map[int]bool{}
	for _, s := range stages {
		for _, out := range s.Outputs {
			done, err := committed(ctx, l.Store, out)
			if err != nil {
				return err
			}
			have[out] = done
		}
	}
	b := newBudget(max(1, l.CPUSlots))
	var mu sync.Mutex
	tell := func(d PartDone) {
		mu.Lock()
		defer mu.Unlock()
		if l.OnPart != nil {
			l.OnPart(d)
		}
	}

	// A stop must not cancel the group's context: what runs is to end well.
	var stopped atomic.Bool
	g, ctx := errgroup.WithContext(ctx)
	work := make(chan Part)
	g.Go(func() error {
		defer close(work)
		for p, err := range parts {
			if err != nil {
				return err
			}
			select {
			case work <- p:
			case <-l.Stop:
				stopped.Store(true)
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	for range max(1, l.Chains) {
		g.Go(func() error {
			for p := range work {
				for _, s := range stages {
					err := l.step(ctx, b, s, p, have, tell)
					if errors.Is(err, ErrInterrupted) {
						stopped.Store(true)
						break // the next parts are turned away the same way
					}
					if err != nil {
						return err
					}
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	if stopped.Load() {
		return ErrInterrupted
	}
	return nil
}

// step runs one stage of one part unless it is done.
func (l *Local) step(ctx context.Context, b *budget, s Stage, p Part, have map[string]map[int]bool, tell func(PartDone)) error {
	done := true
	for _, out := range s.Outputs {
		done = done && have[out][p.Index]
	}
	if done {
		tell(PartDone{Stage: s.Name, Part: p.Index, Kept: true})
		return nil
	}
	hold := b.allCPU
	if s.OnGPU {
		hold = b.onGPU
	}
	return hold(ctx, func() error {
		select {
		case <-l.Stop:
			return ErrInterrupted
		default:
		}
		begin, cpu := time.Now(), cpuTime()
		report, err := s.Run(ctx, p)
		if err != nil {
			return fmt.Errorf("%s part %d: %w", s.Name, p.Index, err)
		}
		report.Cost.Wall = time.Since(begin)
		if !s.OnGPU {
			// CPU work runs alone, so what this process and its children used
			// meanwhile is the stage's, but for what a GPU stage does beside it.
			report.Cost.CPU = cpuTime() - cpu
		}
		if err := dataset.SaveCost(ctx, l.Store, s.Name, p.Index, report); err != nil {
			return err
		}
		tell(PartDone{Stage: s.Name, Part: p.Index, Report: report, Wall: report.Cost.Wall})
		return nil
	})
}

// Parts yields parts 0 to n-1, for runs that begin after ingest.
func Parts(n int) iter.Seq2[Part, error] {
	return func(yield func(Part, error) bool) {
		for i := range n {
			if !yield(Part{Index: i, Last: i == n-1}, nil) {
				return
			}
		}
	}
}
