package engine

import (
	"context"
	"sync"

	"golang.org/x/sync/semaphore"
)

// Resource is what a stage spends most of its time on, and so what its parts
// queue for.
type Resource int

const (
	// CPU stages keep all cores busy. Their parts run one at a time, nothing else
	// that counts slots beside them, unless they are of OwnSlots.
	CPU Resource = iota
	// GPU stages share one place, beside the work of the others: a labeler drives
	// all GPUs itself.
	GPU
	// Network stages wait for other machines, one part at a time, beside the work
	// of the others. What they compute meanwhile, such as hashes, is not counted
	// against the CPU slots.
	Network
)

// Slots is an account of CPU slots that stages share. It bounds how many pieces
// of CPU work are in flight, not how many threads each of them has: the stages
// see to it that a piece keeps about one core busy.
type Slots struct {
	sem *semaphore.Weighted
	n   int64
}

// NewSlots opens an account of n slots, at least one.
func NewSlots(n int) *Slots {
	n = max(1, n)
	return &Slots{semaphore.NewWeighted(int64(n)), int64(n)}
}

// Acquire waits for a slot, which release gives back. A holder must not acquire
// another: the two might wait for each other's for ever.
func (s *Slots) Acquire(ctx context.Context) (release func(), err error) {
	return hold(ctx, s.sem, 1)
}

func hold(ctx context.Context, s *semaphore.Weighted, n int64) (release func(), err error) {
	if err := s.Acquire(ctx, n); err != nil {
		return nil, err
	}
	return sync.OnceFunc(func() { s.Release(n) }), nil
}

// budget is the account that a part's work is asked from before it starts.
type budget struct {
	slots        *Slots
	gpu, network *semaphore.Weighted
}

func newBudget(slots *Slots) *budget {
	return &budget{slots: slots, gpu: semaphore.NewWeighted(1), network: semaphore.NewWeighted(1)}
}

// acquire waits for what one part of a stage takes.
func (b *budget) acquire(ctx context.Context, s Stage) (release func(), err error) {
	switch {
	case s.Needs == GPU:
		return hold(ctx, b.gpu, 1)
	case s.Needs == Network:
		return hold(ctx, b.network, 1)
	case s.OwnSlots:
		return func() {}, nil
	}
	return hold(ctx, b.slots.sem, b.slots.n)
}
