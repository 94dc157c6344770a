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

	mu    sync.Mutex
	limit int // most rows in a run, as far as its memory is known
	lost  int // losses, each of which the lanes of the device share

	busy account
}

// serve is one of the device's lanes: it takes batches until the pool or the
// device ends.
func (d *device) serve() {
	for {
		batch := d.pool.take(d.rows())
		if batch == nil {
			d.pool.retire(ErrClosed)
			return
		}
		losses := d.losses()
		err := d.run(batch)
		if err == nil {
			continue
		}
		if err := d.revive(losses, err); err != nil {
			d.pool.retire(err)
			return
		}
	}
}

func (d *device) rows() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.limit
}

func (d *device) losses() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.lost
}

// revive starts a lost device anew, unless another of its lanes has done so
// since losses were counted.
func (d *device) revive(losses int, why error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.lost != losses {
		return nil
	}
	again, ok := d.runner.(Reviver)
	if !ok {
		return why
	}
	if err := again.Revive(d.pool.ctx); err != nil {
		return fmt.Errorf("%w; %w", why, err)
	}
	d.lost++
	return nil
}

// run answers the rows of a batch. Its error is [ErrDeviceLost]; what a batch
// itself is to blame for its callers get.
func (d *device) run(batch []*row) error {
	for len(batch) > 0 {
		some := batch[:min(len(batch), d.rows())]
		outputs, err := d.try(some)
		switch {
		case errors.Is(err, ErrOutOfMemory) && len(some) > 1:
			d.fits((len(some) + 1) / 2)
			continue
		case errors.Is(err, ErrDeviceLost):
			err = fmt.Errorf("%s: %w", d.runner.Device(), err)
			d.pool.again(batch[len(some):])
			d.retry(some, err)
			return err
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
	return nil
}

// fits lowers the most rows in a run.
func (d *device) fits(rows int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.limit = min(d.limit, rows)
}

// retry queues rows again whose device was lost, each for a run of its own, so
// that the one it dies of is found; and ends those that had their tries.
func (d *device) retry(batch []*row, why error) {
	var again []*row
	for _, r := range batch {
		if r.tries++; r.tries >= maxTries {
			r.end(nil, why)
			continue
		}
		r.ripe, r.shape = true, fmt.Sprintf("%s alone %p", r.shape, r)
		again = append(again, r)
	}
	d.pool.again(again)
}

// try runs a batch, and shares the device's time among its rows.
func (d *device) try(batch []*row) (outputs map[string]Tensor, err error) {
	ctx, stop := whileWanted(d.pool.ctx, batch)
	defer stop()
	inputs := join(batch)
	spent := d.busy.begin(d.pool.options.Now)
	outputs, err = d.runner.Run(ctx, inputs)
	share := spent() / time.Duration(len(batch))
	for _, r := range batch {
		spend(r.ctx, share)
	}
	if err != nil {
		return nil, err
	}
	for name, t := range outputs {
		if len(t.Shape) == 0 || t.Shape[0] != int64(len(batch)) {
			return nil, fmt.Errorf("output %q has shape %v for %d rows", name, t.Shape, len(batch))
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

// join makes one tensor an input of those of the rows.
func join(batch []*row) map[string]Tensor {
	if len(batch) == 1 {
		return batch[0].inputs
	}
	inputs := make(map[string]Tensor, len(batch[0].inputs))
	for name, first := range batch[0].inputs {
		t := Tensor{Shape: append([]int64{int64(len(batch))}, first.Shape[1:]...)}
		if first.Int64 != nil {
			t.Int64 = make([]int64, 0, len(batch)*len(first.Int64))
		} else {
			t.Data = make([]float32, 0, len(batch)*len(first.Data))
		}
		for _, r := range batch {
			t.Data = append(t.Data, r.inputs[name].Data...)
			t.Int64 = append(t.Int64, r.inputs[name].Int64...)
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
