package engine

import (
	"context"

	"golang.org/x/sync/semaphore"
)

// budget is the account that work is asked from before it starts.
type budget struct {
	cpu, gpu *semaphore.Weighted
	cpuSlots int64
}

// newBudget gives out cpuSlots CPU slots and one slot for the GPUs: a labeler
// drives all of them itself.
func newBudget(cpuSlots int) *budget {
	return &budget{cpu: semaphore.NewWeighted(int64(cpuSlots)), gpu: semaphore.NewWeighted(1), cpuSlots: int64(cpuSlots)}
}

// allCPU runs work that keeps every CPU slot busy by itself.
func (b *budget) allCPU(ctx context.Context, work func() error) error {
	return hold(ctx, b.cpu, b.cpuSlots, work)
}

// onGPU runs work whose time goes into the GPU.
func (b *budget) onGPU(ctx context.Context, work func() error) error {
	return hold(ctx, b.gpu, 1, work)
}

func hold(ctx context.Context, s *semaphore.Weighted, n int64, work func() error) error {
	if err := s.Acquire(ctx, n); err != nil {
		return err
	}
	defer s.Release(n)
	return work()
}
