package engine

import (
	"sync"
	"syscall"
	"time"
)

// cpuTime is the processor time that this process and its ended children have
// used.
func cpuTime() time.Duration {
	var sum time.Duration
	for _, who := range []int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN} {
		var u syscall.Rusage
		if err := syscall.Getrusage(who, &u); err != nil {
			continue // accounts are a courtesy
		}
		sum += time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	return sum
}

// cpuAccount shares out what the process uses, since the system cannot tell for
// which part it was. What is used while one part's work is in flight is that
// part's, measured. Of what is used while several are, each that is work for the
// CPU has an equal share and the others none, unless they are among themselves:
// an estimate, whose sum is right.
type cpuAccount struct {
	used func() time.Duration // ever more

	mu      sync.Mutex
	last    time.Duration
	working []*cpuShare
}

type cpuShare struct {
	cpu bool
	sum time.Duration
}

// begin opens a share; end closes it and tells what fell to it.
func (a *cpuAccount) begin(cpu bool) (end func() time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.settle()
	share := &cpuShare{cpu: cpu}
	a.working = append(a.working, share)
	return func() time.Duration {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.settle()
		for i, w := range a.working {
			if w == share {
				a.working = append(a.working[:i], a.working[i+1:]...)
				break
			}
		}
		return share.sum
	}
}

// settle shares out what was used since the last time.
func (a *cpuAccount) settle() {
	now := a.used()
	spent := now - a.last
	a.last = now
	var takers []*cpuShare
	for _, w := range a.working {
		if w.cpu {
			takers = append(takers, w)
		}
	}
	if takers == nil {
		takers = a.working
	}
	for _, w := range takers {
		w.sum += spent / time.Duration(len(takers))
	}
}
