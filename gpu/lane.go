package gpu

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// maxTries is how often rows are run whose device is lost each time: once more
// than once, since another's fault may have hit them.
const maxTries = 2

// device is a runner of a pool with what was learnt of it.
type device struct {
	pool   *Pool
	runner Runner

	learnt sync.Mutex     // of limits alone: the pool asks for them under its own lock
	limits map[string]int // most rows in a run of a shape, where its memory set one

	mu   sync.Mutex // held while the device is started anew
	lost int        // losses that it came back from, each of which its lanes share
	gone error      // why it will not come back

	// alone is held for writing by a run that must have the device's memory to itself.
	alone sync.RWMutex
	busy  *account
}

// serve is one of the device's lanes: it takes batches until the pool or the
// device ends.
func (d *device) serve() {
	last := ""
	for {
		batch := d.pool.take(last, d.limit)
		if batch == nil {
			return
		}
		last = batch[0].shape
		losses, gone := d.state()
		if gone != nil { // another lane has found out meanwhile
			d.pool.again(batch)
			return
		}
		tried, rest, err := d.run(batch)
		if err == nil {
			continue
		}
		gone = d.revive(losses, err) // first, so that no lane of it takes the rows
		d.pool.again(rest)
		d.pool.retry(tried, err)
		if gone != nil {
			return
		}
	}
}

// limit is the most rows of a shape in a run.
func (d *device) limit(shape string) int {
	d.learnt.Lock()
	defer d.learnt.Unlock()
	if n, ok := d.limits[shape]; ok {
		return n
	}
	return d.pool.options.Batch
}

// fits lowers the most rows of a shape in a run.
func (d *device) fits(shape string, rows int) {
	d.learnt.Lock()
	defer d.learnt.Unlock()
	d.limits[shape] = rows
}

func (d *device) state() (losses int, gone error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.lost, d.gone
}

// revive starts a lost device anew, unless another of its lanes has done so
// since losses were counted, or retires it.
func (d *device) revive(losses int, why error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.gone != nil || d.lost != losses {
		return d.gone
	}
	again, ok := d.runner.(Reviver)
	if !ok {
		d.gone = why
	} else if err := again.Revive(d.pool.opening); err != nil {
		d.gone = fmt.Errorf("%w; %w", why, err)
	}
	if d.gone != nil {
		d.pool.retire(d.gone)
	}
	d.lost++
	return d.gone
}

// run answers the rows of a batch. Its error is [ErrDeviceLost], over the rows
// that were tried; the rest was not. What a batch itself is to blame for its
// callers get.
func (d *device) run(batch []*row) (tried, rest []*row, err error) {
	for len(batch) > 0 {
		limit := d.limit(batch[0].shape)
		some := batch[:min(len(batch), limit)]
		size := len(some)
		if d.pool.options.Full {
			size = limit
		}
		outputs, err := d.try(some, size, d.alone.RLocker())
		if errors.Is(err, ErrOutOfMemory) && size > 1 {
			d.fits(some[0].shape, (size+1)/2)
			continue
		}
		if errors.Is(err, ErrOutOfMemory) { // another lane's rows may lie there
			outputs, err = d.try(some, size, &d.alone)
		}
		if errors.Is(err, ErrDeviceLost) {
			return some, batch[len(some):], fmt.Errorf("%s: %w", d.runner.Device(), err)
		}
		for i, r := range some {
			if err != nil {
				r.end(nil, err)
				continue
			}
			r.end(rowOf(outputs, i), nil)
		}
		batch = batch[len(some):]
	}
	return nil, nil, nil
}

// try runs a batch, filled up to size, and shares the device's time among its rows.
func (d *device) try(batch []*row, size int, memory sync.Locker) (outputs map[string]Tensor, err error) {
	memory.Lock()
	defer memory.Unlock()
	ctx, stop := whileWanted(d.pool.ctx, batch)
	defer stop()
	inputs := join(batch, size)
	spent := d.busy.begin()
	outputs, err = d.runner.Run(ctx, inputs)
	share := spent() / time.Duration(len(batch))
	for _, r := range batch {
		spend(r.ctx, share)
	}
	if err != nil {
		return nil, err
	}
	for name, t := range outputs {
		if len(t.Shape) == 0 || t.Shape[0] != int64(size) {
			return nil, fmt.Errorf("output %q has shape %v for %d rows", name, t.Shape, size)
		}
	}
	return outputs, nil
}

// whileWanted is a context that ends when nobody waits for any of the rows.
func whileWanted(parent context.Context, batch []*row) (context.Context, func()) {
	ctx, cancel := context.WithCancel(parent)
	var wanted atomic.Int32
	wanted.Store(int32(len(batch)))
	stops := make([]func() bool, len(batch))
	for i, r := range batch {
		stops[i] = context.AfterFunc(r.ctx, func() {
			if wanted.Add(-1) == 0 {
				cancel()
			}
		})
	}
	return ctx, func() {
		for _, stop := range stops {
			stop()
		}
		cancel()
	}
}

// join makes one tensor an input of those of the rows, and repeats the first up to
// size.
func join(batch []*row, size int) map[string]Tensor {
	if size == 1 {
		return batch[0].inputs
	}
	inputs := make(map[string]Tensor, len(batch[0].inputs))
	for name, first := range batch[0].inputs {
		t := Tensor{Shape: append([]int64{int64(size)}, first.Shape[1:]...)}
		if first.Int64 != nil {
			t.Int64 = make([]int64, 0, size*len(first.Int64))
		} else {
			t.Data = make([]float32, 0, size*len(first.Data))
		}
		for i := range size {
			one := first
			if i < len(batch) {
				one = batch[i].inputs[name]
			}
			t.Data = append(t.Data, one.Data...)
			t.Int64 = append(t.Int64, one.Int64...)
		}
		inputs[name] = t
	}
	return inputs
}

// rowOf is the i-th row of a batch's outputs; it shares their memory.
func rowOf(outputs map[string]Tensor, i int) map[string]Tensor {
	one := make(map[string]Tensor, len(outputs))
	for name, t := range outputs {
		n := int(t.Shape[0])
		row := Tensor{Shape: append([]int64{1}, t.Shape[1:]...)}
		if t.Int64 != nil {
			size := len(t.Int64) / n
			row.Int64 = t.Int64[i*size:][:size:size]
		} else {
			size := len(t.Data) / n
			row.Data = t.Data[i*size:][:size:size]
		}
		one[name] = row
	}
	return one
}
