package shards

import (
	"context"
	"sync"
)

// window bounds what [inOrder] has in work and waiting to be taken.
type window struct {
	values int
	// weight is what they may weigh together, where weights are given; one alone may
	// weigh more.
	weight int64
	of     func(i int) int64
}

// inOrder makes n values, some at once, and takes them one by one in their order: what
// waits for a server waits together, and what comes of it, an error too, is the same
// as of one after the other.
func inOrder[T any](ctx context.Context, n int, w window, produce func(context.Context, int) (T, error), take func(int, T) error) error {
	type result struct {
		value T
		err   error
	}
	var running sync.WaitGroup
	defer running.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	of := w.of
	if of == nil {
		of = func(int) int64 { return 0 }
	}
	var begun []chan result // and not taken
	next, weight := 0, int64(0)
	for i := range n {
		for next < n && (next == i || next-i < w.values && weight+of(next) <= w.weight) {
			k, done := next, make(chan result, 1)
			running.Go(func() {
				v, err := produce(ctx, k)
				done <- result{v, err}
			})
			begun = append(begun, done)
			weight += of(next)
			next++
		}
		r := <-begun[0]
		begun = begun[1:]
		if r.err != nil {
			return r.err
		}
		if err := take(i, r.value); err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		weight -= of(i)
	}
	return nil
}
