package engine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
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
	// their commits; nearly always just Name. All have the rows of the report, and
	// share its cost evenly in the records.
	Outputs []string
	// Fetches says that the work waits for other machines more than it computes.
	// Such stages come first; their parts go one at a time, in order.
	Fetches bool
	// Run makes part i, beside other parts of its stage and of others: for what of it
	// keeps a core busy it takes a slot of an account that the stages share, by
	// [Slots.Acquire]. Then one long source does not leave the other cores idle, and
	// the pictures of two parts share a batch. Items are the list's rows for ingest, nil for the others.
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
	// Chains is the number of parts in flight at once after they were fetched: two
	// keep the CPU and the GPU busy, and a third covers the tail of a part.
	Chains int
	// OnPart is told of every part; calls do not overlap.
	OnPart func(PartDone)
	// Stop, when closed, lets no further work begin; what runs ends and commits.
	Stop <-chan struct{}
}

// Run takes every part through the stages in their order. Parts are independent
// of each other; the first error ends the run when the work in flight has noticed
// it. A stage whose outputs are all committed for a part is not run for it, and
// one that another process commits meanwhile counts as found. Network stages at
// the beginning see the parts in order.
//
// Each part's report is recorded beside it. Its Cost.CPU is measured where
// nothing else ran meanwhile, and else a share of what all used together: see
// [dataset.Cost].
func (l *Local) Run(ctx context.Context, parts iter.Seq2[Part, error], stages []Stage) error {
	if err := l.Store.Sweep(ctx, dataset.Folders()...); err != nil {
		return err
	}
	r := &run{Local: l, have: map[string]map[int]bool{}, cpu: cpuAccount{used: cpuTime}}
	for _, s := range stages {
		for _, out := range s.Outputs {
			done, err := committed(ctx, l.Store, out)
			if err != nil {
				return err
			}
			r.have[out] = done
		}
	}
	head := 0
	for head < len(stages) && stages[head].Fetches {
		head++
	}

	// A stop must not cancel the group's context: what runs is to end well.
	g, ctx := errgroup.WithContext(ctx)
	work := make(chan Part)
	g.Go(func() error {
		defer close(work)
		return r.feed(ctx, parts, stages[:head], work)
	})
	for range max(1, l.Chains) {
		g.Go(func() error {
			for p := range work {
				if err := r.steps(ctx, stages[head:], p); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	if r.stopped.Load() {
		return ErrInterrupted
	}
	return nil
}

// run is one call of Local.Run.
type run struct {
	*Local
	have    map[string]map[int]bool // committed parts by output, when the run began
	cpu     cpuAccount
	stopped atomic.Bool
	telling sync.Mutex
}

func (r *run) tell(d PartDone) {
	r.telling.Lock()
	defer r.telling.Unlock()
	if r.OnPart != nil {
		r.OnPart(d)
	}
}

// feed takes the parts through the first stages, in order, and hands them on.
func (r *run) feed(ctx context.Context, parts iter.Seq2[Part, error], stages []Stage, work chan<- Part) error {
	for p, err := range parts {
		if err != nil {
			return err
		}
		if err := r.steps(ctx, stages, p); err != nil {
			return err
		}
		select {
		case work <- p:
		case <-r.Stop:
			r.stopped.Store(true)
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// steps runs stages of one part, unless the run is to stop.
func (r *run) steps(ctx context.Context, stages []Stage, p Part) error {
	for _, s := range stages {
		err := r.step(ctx, s, p)
		if errors.Is(err, ErrInterrupted) {
			r.stopped.Store(true)
			return nil // the next parts are turned away the same way
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// step runs one stage of one part unless it is done.
func (r *run) step(ctx context.Context, s Stage, p Part) error {
	done := true
	for _, out := range s.Outputs {
		done = done && r.have[out][p.Index]
	}
	if done {
		r.tell(PartDone{Stage: s.Name, Part: p.Index, Kept: true})
		return nil
	}
	select {
	case <-r.Stop:
		return ErrInterrupted
	default:
	}
	begin, used := time.Now(), r.cpu.begin(!s.Fetches)
	report, err := s.Run(ctx, p)
	report.Cost.Wall, report.Cost.CPU = time.Since(begin), used()
	if err != nil {
		if errors.Is(err, fs.ErrExist) && r.isThere(ctx, s, p) {
			r.tell(PartDone{Stage: s.Name, Part: p.Index, Kept: true})
			return nil
		}
		return fmt.Errorf("%s part %d: %w", s.Name, p.Index, err)
	}
	for _, out := range s.Outputs {
		if err := dataset.SaveCost(ctx, r.Store, out, p.Index, report.Split(len(s.Outputs))); err != nil {
			return err
		}
	}
	r.tell(PartDone{Stage: s.Name, Part: p.Index, Report: report, Wall: report.Cost.Wall})
	return nil
}

// isThere tells whether all outputs of a part are committed by now.
func (r *run) isThere(ctx context.Context, s Stage, p Part) bool {
	for _, out := range s.Outputs {
		if _, err := r.Store.Stat(ctx, dataset.PartName(out, p.Index)); err != nil {
			return false
		}
	}
	return true
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
