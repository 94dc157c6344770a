package shards

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"time"
)

// Values are taken in order, no more of them than the window lets are about, and the
// first error in the order is the one that is told.
func TestInOrder(t *testing.T) {
	const n = 50
	var about, most atomic.Int64
	var got []int
	produce := func(_ context.Context, i int) (int, error) {
		now := about.Add(1)
		for old := most.Load(); now > old && !most.CompareAndSwap(old, now); old = most.Load() {
		}
		time.Sleep(time.Duration(i*7%5) * time.Millisecond)
		return i, nil
	}
	take := func(i, v int) error {
		if i != v {
			t.Errorf("%d came as %d", v, i)
		}
		about.Add(-1)
		got = append(got, v)
		return nil
	}
	if err := inOrder(t.Context(), n, window{values: 8}, produce, take); err != nil || len(got) != n || !slices.IsSorted(got) {
		t.Errorf("%v, %v", got, err)
	}
	if m := most.Load(); m < 2 || m > 8 {
		t.Errorf("%d at once", m)
	}
	most.Store(0)
	heavy := window{values: 8, weight: 3, of: func(i int) int64 { return int64(1 + i%2*9) }} // every other one is alone
	if err := inOrder(t.Context(), n, heavy, produce, take); err != nil || most.Load() > 3 {
		t.Errorf("%d at once, %v", most.Load(), err)
	}
	errs := []error{errors.New("of 3"), errors.New("of 4")}
	err := inOrder(t.Context(), n, window{values: 8}, func(_ context.Context, i int) (int, error) {
		if i == 3 {
			time.Sleep(5 * time.Millisecond)
		}
		if i == 3 || i == 4 {
			return 0, errs[i-3]
		}
		return i, nil
	}, func(int, int) error { return nil })
	if !errors.Is(err, errs[0]) {
		t.Errorf("err = %v", err)
	}
}

// Runs come back as they were added, at three bytes each where every other row is one.
func TestRunList(t *testing.T) {
	var l runList
	var want []run
	for part := range 4 {
		if part == 2 {
			continue // has none
		}
		for row := int64(part); row < 1000; row += 2 {
			l.add(part, row)
			want = append(want, run{part, row, 1})
		}
		l.add(part, 2000)
		l.add(part, 2001)
		want = append(want, run{part, 2000, 2})
	}
	if got := l.all(); !slices.Equal(got, want) {
		t.Errorf("%v", got)
	}
	if n := len(l.code); n > 3*len(want)+16 {
		t.Errorf("%d bytes for %d runs", n, len(want))
	}
	if got := new(runList).all(); got != nil {
		t.Errorf("of none: %v", got)
	}
}
