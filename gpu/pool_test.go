package gpu

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// bench is a runner that doubles what it is given, as a test says when and how.
// What of it is a session is tested with real networks; here it is what the pool
// does when a device is slow, small or lost, which no network does on demand.
type bench struct {
	device  Device
	before  func(rows int) error // of each run
	mu      sync.Mutex
	batches []int
	revived int
	revive  func() error
}

func (b *bench) Run(ctx context.Context, in map[string]Tensor) (map[string]Tensor, error) {
	x := in["x"]
	n := int(x.Shape[0])
	b.mu.Lock()
	b.batches = append(b.batches, n)
	b.mu.Unlock()
	if b.before != nil {
		if err := b.before(n); err != nil {
			return nil, err
		}
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	y := make([]float32, len(x.Data))
	for i, v := range x.Data {
		y[i] = 2 * v
	}
	return map[string]Tensor{"y": {Shape: slices.Clone(x.Shape), Data: y}}, nil
}

func (b *bench) Inputs() []IO   { return []IO{{"x", []int64{-1, -1}, "float32"}} }
func (b *bench) Outputs() []IO  { return []IO{{"y", []int64{-1, -1}, "float32"}} }
func (b *bench) Device() Device { return b.device }
func (b *bench) Close() error   { return nil }

// revivable is a bench that can be started anew.
type revivable struct{ *bench }

func (b revivable) Revive(context.Context) error { b.revived++; return b.revive() }

func pool(t *testing.T, o PoolOptions, runners ...Runner) *Pool {
	p := NewPool(runners, o)
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

func rowIn(v ...float32) map[string]Tensor {
	return map[string]Tensor{"x": {Shape: []int64{1, int64(len(v))}, Data: v}}
}

// runAll runs n rows at once; row i is i, i+1 and should come back doubled. It
// returns their errors.
func runAll(t *testing.T, p *Pool, n int) []error {
	t.Helper()
	errs := make([]error, n)
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			out, err := p.Run(t.Context(), rowIn(float32(i), float32(i+1)))
			if errs[i] = err; err != nil {
				return
			}
			if y := out["y"]; !slices.Equal(y.Data, []float32{2 * float32(i), 2 * float32(i+1)}) || !slices.Equal(y.Shape, []int64{1, 2}) {
				t.Errorf("row %d: %v %v", i, y.Shape, y.Data)
			}
		})
	}
	all.Wait()
	return errs
}

// pileUp runs one row, and n more that come while that one is in work.
func pileUp(t *testing.T, n int, o PoolOptions, b *bench) error {
	t.Helper()
	entered, gate := make(chan struct{}), make(chan struct{})
	first := sync.OnceFunc(func() { close(entered); <-gate })
	then := b.before
	b.before = func(rows int) error {
		first()
		if then == nil {
			return nil
		}
		return then(rows)
	}
	p := pool(t, o, b)
	alone := make(chan error)
	go func() { _, err := p.Run(t.Context(), rowIn(1)); alone <- err }()
	<-entered
	go func() {
		for waiting(p) < n {
			time.Sleep(time.Millisecond)
		}
		close(gate)
	}()
	errs := runAll(t, p, n)
	return errors.Join(append(errs, <-alone)...)
}

func waiting(p *Pool) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.queue)
}

func TestPoolFillsBatches(t *testing.T) {
	b := &bench{}
	if err := pileUp(t, 13, PoolOptions{Batch: 4}, b); err != nil {
		t.Fatal(err)
	}
	if want := []int{1, 4, 4, 4, 1}; !slices.Equal(b.batches, want) {
		t.Errorf("batches of %v, want %v", b.batches, want)
	}
}

// A row on an idle device waits for others, and goes without them when its time
// has come.
func TestPoolWaitsForOthers(t *testing.T) {
	b := &bench{}
	p := pool(t, PoolOptions{Batch: 3, Wait: time.Hour}, b)
	if err := errors.Join(runAll(t, p, 3)...); err != nil || !slices.Equal(b.batches, []int{3}) {
		t.Errorf("batches of %v (%v), want one of 3", b.batches, err)
	}
	b = &bench{}
	p = pool(t, PoolOptions{Batch: 3, Wait: time.Millisecond}, b)
	if err := errors.Join(runAll(t, p, 2)...); err != nil {
		t.Error(err)
	}
}

func TestPoolKeepsShapesApart(t *testing.T) {
	b := &bench{}
	p := pool(t, PoolOptions{Batch: 8, Wait: 5 * time.Millisecond}, b)
	var all sync.WaitGroup
	for i := range 30 {
		all.Go(func() {
			in := make([]float32, 1+i%3)
			in[0] = float32(i)
			out, err := p.Run(t.Context(), rowIn(in...))
			if err != nil || len(out["y"].Data) != len(in) || out["y"].Data[0] != 2*in[0] {
				t.Errorf("row %d: %v (%v)", i, out["y"], err)
			}
		})
	}
	all.Wait()
	for name, in := range map[string]map[string]Tensor{
		"two rows": {"x": {Shape: []int64{2, 1}, Data: []float32{1, 2}}},
		"no data":  {"x": {Shape: []int64{1, 1}}},
	} {
		if _, err := p.Run(t.Context(), in); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// What did not fit is run by halves and not tried again.
func TestPoolRemembersWhatFits(t *testing.T) {
	b := &bench{before: func(rows int) error {
		if rows > 2 {
			return fmt.Errorf("run: %w", ErrOutOfMemory)
		}
		return nil
	}}
	if err := pileUp(t, 20, PoolOptions{Batch: 8}, b); err != nil {
		t.Fatal(err)
	}
	tooLarge := 0
	for _, n := range b.batches {
		if n > 2 {
			tooLarge++
		}
	}
	if tooLarge != 2 { // 8, and its half 4
		t.Errorf("batches of %v: %d did not fit, want 2", b.batches, tooLarge)
	}

	b = &bench{before: func(int) error { return ErrOutOfMemory }}
	for _, err := range runAll(t, pool(t, PoolOptions{Batch: 2}, b), 2) {
		if !errors.Is(err, ErrOutOfMemory) {
			t.Errorf("one row that does not fit: %v", err)
		}
	}
}

// A full run has as many rows as fit, however few there are, and its callers get
// theirs.
func TestPoolFillsRunsUp(t *testing.T) {
	b := &bench{before: func(rows int) error {
		if rows > 2 {
			return ErrOutOfMemory
		}
		return nil
	}}
	if err := pileUp(t, 3, PoolOptions{Batch: 8, Full: true}, b); err != nil {
		t.Fatal(err)
	}
	if want := []int{8, 4, 2, 8, 4, 2, 2}; !slices.Equal(b.batches, want) { // one row of a shape, then three of another
		t.Errorf("runs of %v rows, want %v", b.batches, want)
	}

	// One that its device did not survive, too, and no more of them than fit.
	var runs atomic.Int32
	again := revivable{&bench{revive: func() error { return nil }}}
	again.before = func(rows int) error {
		switch {
		case rows > 2:
			return ErrOutOfMemory
		case runs.Add(1) == 1:
			return ErrDeviceLost
		}
		return nil
	}
	p := pool(t, PoolOptions{Batch: 4, Full: true, Wait: time.Hour}, again)
	if err := errors.Join(runAll(t, p, 4)...); err != nil {
		t.Fatal(err)
	}
	if want := []int{4, 2, 2, 2, 2}; !slices.Equal(again.batches[:min(5, len(again.batches))], want) || slices.Max(again.batches[1:]) != 2 {
		t.Errorf("runs of %v rows, want %v", again.batches, want)
	}
}

// Rows of two shapes that come in turns are run shape by shape where a change costs.
func TestPoolKeepsToAShape(t *testing.T) {
	for full, want := range map[bool][]int64{true: {1, 3, 3, 3, 2, 2, 2}, false: {1, 3, 2, 3, 2, 3, 2}} {
		entered, gate := make(chan struct{}), make(chan struct{})
		first := sync.OnceFunc(func() { close(entered); <-gate })
		var shapes []int64
		p := pool(t, PoolOptions{Batch: 2, Full: full}, runnerFunc{revivable{&bench{}}, func(in map[string]Tensor) error {
			shapes = append(shapes, in["x"].Shape[1])
			first()
			return nil
		}})
		var all sync.WaitGroup
		put := func(v ...float32) {
			n := waiting(p)
			all.Go(func() {
				if _, err := p.Run(t.Context(), rowIn(v...)); err != nil {
					t.Error(err)
				}
			})
			for len(v) > 1 && waiting(p) == n { // in this order
				time.Sleep(time.Millisecond)
			}
		}
		put(1)
		<-entered
		for range 3 {
			put(1, 2, 3)
			put(1, 2, 3)
			put(1, 2)
			put(1, 2)
		}
		close(gate)
		all.Wait()
		if !slices.Equal(shapes, want) {
			t.Errorf("full %v: runs of shapes %v, want %v", full, shapes, want)
		}
	}
}

// A device that is lost takes nobody with it while another is there.
func TestPoolLosesADevice(t *testing.T) {
	lost := &bench{device: Device{CUDA, 0}, before: func(int) error { return fmt.Errorf("run: %w", ErrDeviceLost) }}
	sound := &bench{device: Device{CUDA, 1}}
	p := pool(t, PoolOptions{Batch: 4}, lost, sound)
	if err := errors.Join(runAll(t, p, 40)...); err != nil {
		t.Fatal(err)
	}
	if len(lost.batches) > 1 {
		t.Errorf("a lost device was asked %d times", len(lost.batches))
	}

	// Two lanes a device: the second must not take what the first gives back.
	for range 50 {
		one, two := &bench{device: Device{CUDA, 0}, before: lost.before}, &bench{device: Device{CUDA, 1}}
		if err := errors.Join(runAll(t, pool(t, PoolOptions{Batch: 8, Runs: 2}, one, two), 40)...); err != nil {
			t.Fatal(err)
		}
		last := pool(t, PoolOptions{Runs: 2}, &bench{before: lost.before})
		if err := runAll(t, last, 1)[0]; !errors.Is(err, ErrNoDevice) {
			t.Fatalf("the last row of the last device: %v", err)
		}
	}

	alone := pool(t, PoolOptions{}, &bench{before: lost.before})
	for range 2 {
		for _, err := range runAll(t, alone, 3) {
			if !errors.Is(err, ErrNoDevice) || !errors.Is(err, ErrDeviceLost) {
				t.Errorf("with no device left: %v", err)
			}
		}
	}
}

// A device that comes back costs nobody anything; rows that it dies of each time
// end with that, and the others go on.
func TestPoolRevivesADevice(t *testing.T) {
	var runs atomic.Int32
	b := revivable{&bench{revive: func() error { return nil }}}
	b.before = func(int) error {
		if runs.Add(1) == 3 {
			return ErrDeviceLost
		}
		return nil
	}
	p := pool(t, PoolOptions{}, b)
	if err := errors.Join(runAll(t, p, 10)...); err != nil || b.revived != 1 {
		t.Errorf("%v; revived %d times, want once", err, b.revived)
	}

	poison := revivable{&bench{revive: func() error { return nil }}}
	p = pool(t, PoolOptions{Runs: 2, Batch: 4, Wait: 10 * time.Millisecond}, runnerFunc{poison, func(in map[string]Tensor) error {
		if slices.Contains(in["x"].Data, 55) {
			return ErrDeviceLost
		}
		return nil
	}})
	for i, err := range runAll(t, p, 60) {
		if (i == 54 || i == 55) != errors.Is(err, ErrDeviceLost) {
			t.Errorf("row %d: %v", i, err)
		}
	}
	if poison.revived < maxTries || poison.revived > 2*maxTries {
		t.Errorf("revived %d times for two rows of %d tries", poison.revived, maxTries)
	}

	dead := errors.New("the card is gone")
	gone := revivable{&bench{before: func(int) error { return ErrDeviceLost }, revive: func() error { return dead }}}
	for _, err := range runAll(t, pool(t, PoolOptions{}, gone), 2) {
		if !errors.Is(err, dead) || !errors.Is(err, ErrDeviceLost) {
			t.Errorf("a device that can't be started anew: %v", err)
		}
	}
}

// runnerFunc looks at the inputs first.
type runnerFunc struct {
	revivable
	look func(in map[string]Tensor) error
}

func (r runnerFunc) Run(ctx context.Context, in map[string]Tensor) (map[string]Tensor, error) {
	if err := r.look(in); err != nil {
		return nil, err
	}
	return r.revivable.Run(ctx, in)
}

// Who leaves does not keep the others from their answers; a run that nobody waits
// for is stopped.
func TestPoolCallersLeave(t *testing.T) {
	entered, stopped := make(chan struct{}, 1), make(chan struct{})
	b := &endless{bench{}, entered, stopped}
	p := pool(t, PoolOptions{Batch: 2, Wait: time.Hour}, b)
	ctx, cancel := context.WithCancel(t.Context())
	var both sync.WaitGroup
	for range 2 {
		both.Go(func() {
			if _, err := p.Run(ctx, rowIn(1)); !errors.Is(err, context.Canceled) {
				t.Errorf("left with %v", err)
			}
		})
	}
	<-entered
	cancel()
	both.Wait()
	<-stopped
}

// endless runs until its context ends.
type endless struct {
	bench
	entered, stopped chan struct{}
}

func (e *endless) Run(ctx context.Context, _ map[string]Tensor) (map[string]Tensor, error) {
	e.entered <- struct{}{}
	<-ctx.Done()
	close(e.stopped)
	return nil, ctx.Err()
}

func TestPoolCloses(t *testing.T) {
	gate := make(chan struct{})
	p := NewPool([]Runner{&bench{before: func(int) error { <-gate; return nil }}}, PoolOptions{})
	ends := make(chan error, 2)
	for range 2 {
		go func() { _, err := p.Run(t.Context(), rowIn(1)); ends <- err }()
	}
	for waiting(p) < 1 {
		time.Sleep(time.Millisecond)
	}
	closed := make(chan error)
	go func() { closed <- p.Close() }()
	if err := <-ends; !errors.Is(err, ErrClosed) {
		t.Errorf("who waited got %v", err)
	}
	close(gate)
	if err := <-ends; err != nil {
		t.Errorf("the run under way: %v", err)
	}
	if err := errors.Join(<-closed, p.Close()); err != nil {
		t.Error(err)
	}
	if _, err := p.Run(t.Context(), rowIn(1)); !errors.Is(err, ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

func TestMeterSharesTheDevice(t *testing.T) {
	var clock atomic.Int64
	now := func() time.Time { return time.Unix(clock.Load(), 0) }
	b := &bench{before: func(int) error { clock.Add(6); return nil }}
	p := pool(t, PoolOptions{Batch: 2, Wait: time.Hour, Accounts: NewAccounts(now)}, b)
	var meters [2]Meter
	var both sync.WaitGroup
	for i := range meters {
		both.Go(func() {
			if _, err := p.Run(WithMeter(t.Context(), &meters[i]), rowIn(1)); err != nil {
				t.Error(err)
			}
		})
	}
	both.Wait()
	for i := range meters {
		if got := meters[i].Spent(); got != 3*time.Second {
			t.Errorf("caller %d: %v of the 6 s, want half", i, got)
		}
	}
	// So do two pools on one device, and not on two.
	accounts := NewAccounts(now)
	first0, again0, other := accounts.device(Device{Kind: CUDA}), accounts.device(Device{Kind: CUDA}), accounts.device(Device{Kind: CUDA, ID: 1})
	if first0 != again0 || first0 == other {
		t.Error("accounts are not by device")
	}
	// Two runs at once share the time that they overlap.
	a := account{now: now}
	first := a.begin()
	clock.Add(2)
	second := a.begin()
	clock.Add(4)
	if got := first(); got != 4*time.Second {
		t.Errorf("the first run: %v, want 2 s alone and half of 4", got)
	}
	clock.Add(1)
	if got := second(); got != 3*time.Second {
		t.Errorf("the second run: %v, want half of 4 and 1 alone", got)
	}
}

// A row that waits for others does not hold up a full batch of another shape.
func TestPoolFullBatchGoesFirst(t *testing.T) {
	b := &bench{}
	p := pool(t, PoolOptions{Batch: 2, Wait: time.Hour}, b)
	ctx, cancel := context.WithCancel(t.Context())
	var lonely sync.WaitGroup
	lonely.Go(func() {
		if _, err := p.Run(ctx, map[string]Tensor{"x": {Shape: []int64{1, 3}, Data: make([]float32, 3)}}); !errors.Is(err, context.Canceled) {
			t.Errorf("the lonely row got %v", err)
		}
	})
	for {
		p.mu.Lock()
		n := len(p.queue)
		p.mu.Unlock()
		if n == 1 {
			break
		}
		time.Sleep(time.Millisecond)
	}
	var pair sync.WaitGroup
	for range 2 {
		pair.Go(func() {
			if _, err := p.Run(t.Context(), map[string]Tensor{"x": {Shape: []int64{1, 2}, Data: []float32{1, 2}}}); err != nil {
				t.Error(err)
			}
		})
	}
	pair.Wait()
	cancel()
	lonely.Wait()
}
