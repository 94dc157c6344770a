package gpu

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Meter adds up the time that devices spent on somebody's rows: of a run, each
// row has an equal share.
type Meter struct{ spent atomic.Int64 }

// Spent is the sum so far.
func (m *Meter) Spent() time.Duration { return time.Duration(m.spent.Load()) }

type meterKey struct{}

// WithMeter gives a context whose calls of [Pool.Run] are counted by m.
func WithMeter(ctx context.Context, m *Meter) context.Context {
	return context.WithValue(ctx, meterKey{}, m)
}

func spend(ctx context.Context, d time.Duration) {
	if m, ok := ctx.Value(meterKey{}).(*Meter); ok {
		m.spent.Add(int64(d))
	}
}

// Accounts are the devices' time, shared out among the runs of all pools that
// have these accounts: two models on one card do not spend it twice.
type Accounts struct {
	now func() time.Time
	mu  sync.Mutex
	of  map[Device]*account
}

// NewAccounts opens accounts that go by a clock.
func NewAccounts(now func() time.Time) *Accounts {
	return &Accounts{now: now, of: map[Device]*account{}}
}

// device is a device's account; nil for those who keep none.
func (a *Accounts) device(d Device) *account {
	if a == nil {
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.of[d] == nil {
		a.of[d] = &account{now: a.now}
	}
	return a.of[d]
}

// account shares a device's time among the runs that it has in work.
type account struct {
	now  func() time.Time
	mu   sync.Mutex
	last time.Time
	runs []*time.Duration
}

// begin opens a run's share; end closes it and tells what fell to it: without an
// account nothing.
func (a *account) begin() (end func() time.Duration) {
	if a == nil {
		return func() time.Duration { return 0 }
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.settle(a.now())
	share := new(time.Duration)
	a.runs = append(a.runs, share)
	return func() time.Duration {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.settle(a.now())
		a.runs = slices.DeleteFunc(a.runs, func(r *time.Duration) bool { return r == share })
		return *share
	}
}

// settle shares out what passed since the last time.
func (a *account) settle(now time.Time) {
	for _, r := range a.runs {
		*r += now.Sub(a.last) / time.Duration(len(a.runs))
	}
	a.last = now
}
