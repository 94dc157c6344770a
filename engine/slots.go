package engine

import (
	"context"
	"sync"

	"golang.org/x/sync/semaphore"
)

// Slots is an account of CPU slots that stages share. It bounds how many pieces
// of CPU work are in flight, not how many threads each of them has: the stages
// see to it that a piece keeps about one core busy.
type Slots struct{ sem *semaphore.Weighted }

// NewSlots opens an account of n slots, at least one.
func NewSlots(n int) *Slots { return &Slots{semaphore.NewWeighted(int64(max(1, n)))} }

// Acquire waits for a slot, which release gives back. A holder must not acquire
// another: the two might wait for each other's for ever.
func (s *Slots) Acquire(ctx context.Context) (release func(), err error) {
	if err := s.sem.Acquire(ctx, 1); err != nil {
		return nil, err
	}
	return sync.OnceFunc(func() { s.sem.Release(1) }), nil
}
