package gpu

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// ErrDeviceLost marks a run that its device did not survive: a driver's fault, a
// card that fell off the bus, a child process that died. The same run on another
// device, or on that one started anew, may succeed.
var ErrDeviceLost = errors.New("device lost")

// ErrNoDevice is what a pool's callers get once it has lost all its devices.
var ErrNoDevice = errors.New("no device is left")

// Runner is a model on a device: a [*Session] here or in a child process.
type Runner interface {
	Run(ctx context.Context, inputs map[string]Tensor) (map[string]Tensor, error)
	Inputs() []IO
	Outputs() []IO
	Device() Device
	Close() error
}

// Reviver is a Runner that can be started anew after [ErrDeviceLost].
type Reviver interface {
	Runner
	Revive(ctx context.Context) error
}

// PoolOptions say how a pool fills batches.
type PoolOptions struct {
	// Batch is the most rows in one run; default 1.
	Batch int
	// Wait is how long a row waits on an idle device for others to join it; default
	// none. Rows that come while all devices are busy wait for those anyway.
	Wait time.Duration
	// Full runs as many rows as fit at each run, the first again for those that are
	// not there: on a GPU a run of another shape costs a search for the way to compute
	// each convolution, which takes longer than many runs. A device then also keeps to a
	// shape while as many rows of it wait; others get their turn since callers wait
	// for answers, and have so many rows in work and no more.
	Full bool
	// Runs is how many runs a device has in work at once; default 1.
	Runs int
	// Accounts are what [WithMeter] reads; nil for none.
	Accounts *Accounts
}

// Pool spreads rows over devices that have the same model. Callers come from many
// goroutines with one row each; those whose shapes are alike share a run. An idle
// device takes the oldest rows, whichever caller they are of. A batch that a
// device has no memory for is run by halves, and no larger one of that shape is
// tried on it again; a row that does not fit alone is tried once more with nothing
// beside it. The rows of a batch whose device is lost are tried once more, each
// alone, elsewhere or on the same device if it can be started anew; those that it
// dies of again end with [ErrDeviceLost], and the others go on.
type Pool struct {
	runners []Runner
	options PoolOptions
	ctx     context.Context //nolint:containedctx // the runs' own: they outlive the call that began them
	cancel  context.CancelFunc
	opening context.Context //nolint:containedctx // the new starts of devices, which end when the pool is closed
	shut    context.CancelFunc
	lanes   sync.WaitGroup

	mu     sync.Mutex
	queue  []*row        // oldest first
	change chan struct{} // closed and replaced when rows come or the pool ends
	alive  int           // devices
	lost   error         // why the last device went
	closed bool
}

// row is one caller's.
type row struct {
	ctx    context.Context //nolint:containedctx // the caller's, who waits meanwhile
	shape  string          // rows of one shape share a run
	inputs map[string]Tensor
	ripe   bool // it waits no longer for others
	alone  bool // it shares no run
	tries  int
	done   chan struct{} // closed when outputs or err is set
	output map[string]Tensor
	err    error
}

// NewPool starts a pool, which owns the runners from now on.
func NewPool(runners []Runner, o PoolOptions) *Pool {
	o.Batch, o.Runs = max(1, o.Batch), max(1, o.Runs)
	p := &Pool{runners: runners, options: o, change: make(chan struct{})}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	p.opening, p.shut = context.WithCancel(p.ctx)
	for _, r := range runners {
		d := &device{pool: p, runner: r, limits: map[string]int{}, busy: o.Accounts.device(r.Device())}
		p.alive++
		for range o.Runs {
			p.lanes.Go(d.serve)
		}
	}
	return p
}

// Capacity is how many rows keep all devices busy while as many wait.
func (p *Pool) Capacity() int { return 2 * p.options.Batch * p.options.Runs * len(p.runners) }

// Outputs lists what Run returns.
func (p *Pool) Outputs() []IO { return p.runners[0].Outputs() }

// Inputs lists what Run needs.
func (p *Pool) Inputs() []IO { return p.runners[0].Inputs() }

// Run runs the model on one row: every tensor's first dimension is 1, of what
// goes in and of what comes out. It waits for its turn, and leaves when ctx is
// done. The inputs must not be changed before it returns, nor, if it left early,
// ever after.
func (p *Pool) Run(ctx context.Context, inputs map[string]Tensor) (map[string]Tensor, error) {
	r := &row{ctx: ctx, inputs: inputs, ripe: p.options.Wait <= 0, done: make(chan struct{})}
	var err error
	if r.shape, err = rowShape(inputs); err != nil {
		return nil, err
	}
	if err := p.put(r); err != nil {
		return nil, err
	}
	if p.options.Wait > 0 {
		timer := time.AfterFunc(p.options.Wait, func() { p.ripen(r) })
		defer timer.Stop()
	}
	select {
	case <-r.done:
		return r.output, r.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// rowShape checks that tensors are one row, and names what rows that share a run
// have in common.
func rowShape(inputs map[string]Tensor) (string, error) {
	names := make([]string, 0, len(inputs))
	for name, t := range inputs {
		if err := t.check(); err != nil {
			return "", fmt.Errorf("input %q: %w", name, err)
		}
		if t.Shape[0] != 1 {
			return "", fmt.Errorf("input %q: shape %v is not of one row", name, t.Shape)
		}
		names = append(names, name)
	}
	slices.Sort(names)
	var shape strings.Builder
	for _, name := range names {
		fmt.Fprintf(&shape, "%q %v %v ", name, inputs[name].Shape, inputs[name].Int64 != nil)
	}
	return shape.String(), nil
}

// put queues rows: new ones at the end.
func (p *Pool) put(r *row) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return ErrClosed
	}
	if p.alive == 0 {
		return p.lost
	}
	p.queue = append(p.queue, r)
	p.signal()
	return nil
}

// again queues rows before all others. Where nobody is left to take them they end.
func (p *Pool) again(rows []*row) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.requeue(rows)
}

func (p *Pool) requeue(rows []*row) {
	end := p.lost
	if p.closed {
		end = ErrClosed
	}
	if end != nil {
		for _, r := range rows {
			r.end(nil, end)
		}
		return
	}
	p.queue = append(rows, p.queue...)
	p.signal()
}

// retry queues rows again whose device was lost, each for a run of its own, so
// that the one it dies of is found; and ends those that had their tries.
func (p *Pool) retry(rows []*row, why error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var again []*row
	for _, r := range rows {
		if r.tries++; r.tries >= maxTries && p.alive > 0 {
			r.end(nil, why)
			continue
		}
		r.ripe, r.alone = true, true
		again = append(again, r)
	}
	p.requeue(again)
}

func (p *Pool) signal() {
	close(p.change)
	p.change = make(chan struct{})
}

// retire notes that a device is gone. With the last one, those who wait get the
// reason.
func (p *Pool) retire(why error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.alive--; p.alive > 0 {
		return
	}
	p.lost = fmt.Errorf("%w: %w", ErrNoDevice, why)
	for _, r := range p.queue {
		r.end(nil, p.lost)
	}
	p.queue = nil
}

// ripen lets a row wait no longer for others.
func (p *Pool) ripen(r *row) {
	p.mu.Lock()
	defer p.mu.Unlock()
	r.ripe = true
	p.signal()
}

// take waits for rows that share a run and takes them out of the queue, no more
// than limit of their shape; those of the shape last come first in full runs. It
// returns nil when the pool ends.
func (p *Pool) take(last string, limit func(shape string) int) []*row {
	for {
		p.mu.Lock()
		p.queue = slices.DeleteFunc(p.queue, func(r *row) bool { return r.ctx.Err() != nil })
		batch := p.oldest(last, limit)
		p.queue = slices.DeleteFunc(p.queue, func(r *row) bool { return slices.Contains(batch, r) })
		change, closed := p.change, p.closed
		p.mu.Unlock()
		if batch != nil || closed {
			return batch
		}
		<-change
	}
}

// oldest is the rows of the shape that waits longest of those of which there are
// limit rows or the oldest waits no longer.
func (p *Pool) oldest(last string, most func(shape string) int) []*row {
	byShape := map[string][]*row{}
	for _, r := range p.queue {
		if !r.alone {
			byShape[r.shape] = append(byShape[r.shape], r)
		}
	}
	if batch, limit := byShape[last], most(last); p.options.Full && len(batch) >= limit {
		return batch[:limit]
	}
	for _, r := range p.queue {
		if r.alone {
			return []*row{r}
		}
		batch := byShape[r.shape]
		if limit := most(r.shape); len(batch) >= limit || batch[0].ripe {
			return batch[:min(limit, len(batch))]
		}
	}
	return nil
}

// Close lets the runs under way end, fails what waits, and closes the runners.
func (p *Pool) Close() error {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil
	}
	p.closed = true
	for _, r := range p.queue {
		r.end(nil, ErrClosed)
	}
	p.queue = nil
	p.signal()
	p.mu.Unlock()
	p.shut()
	p.lanes.Wait()
	p.cancel()
	var errs []error
	for _, r := range p.runners {
		errs = append(errs, r.Close())
	}
	return errors.Join(errs...)
}

func (r *row) end(output map[string]Tensor, err error) {
	r.output, r.err = output, err
	close(r.done)
}
