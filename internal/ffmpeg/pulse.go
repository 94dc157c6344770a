package ffmpeg

import (
	"context"
	"sync"
	"time"
)

// A pulse tells a child that hangs from one that waits for us. The child is to
// blame only while we wait for it on every pipe still open: reading from each
// output, writing to each input.
type pulse struct {
	mu      sync.Mutex
	open    int       // pipes whose end has not been reached
	blocked int       // calls of ours under way on them
	since   time.Time // when blocked last became equal to open
}

func (p *pulse) enter() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.blocked++
	p.mark()
}

func (p *pulse) leave() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.blocked--
}

func (p *pulse) closed() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open--
	p.mark()
}

func (p *pulse) mark() {
	if p.blocked == p.open {
		p.since = time.Now()
	}
}

func (p *pulse) stalled(limit time.Duration) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.open > 0 && p.blocked == p.open && time.Since(p.since) >= limit
}

// watch stops the process when it has stalled.
func (p *Process) watch(ctx context.Context, limit time.Duration) {
	tick := time.NewTicker(limit/8 + 1)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if p.pulse.stalled(limit) {
				p.stop(&TimeoutError{Tool: p.tool, Limit: limit, Stalled: true})
				return
			}
		}
	}
}
