package ffmpeg

import (
	"context"
	"os"
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

// pipe is our end of one.
type pipe struct {
	file   *os.File
	isWide bool
}

// usualPipe is the size of a pipe in bytes where nothing else is asked for.
const usualPipe = 64 << 10

// widenFor enlarges the pipe before the first piece that it does not hold: the
// sum of all of a user's pipes is limited, and beyond it new ones are tiny.
func (p *pipe) widenFor(bytes int) {
	if bytes > usualPipe && !p.isWide {
		p.isWide = true
		widen(p.file)
	}
}

// input is our end of a pipe to the child.
type input struct {
	pipe
	pulse *pulse
}

func (in *input) Write(b []byte) (int, error) {
	in.widenFor(len(b))
	in.pulse.enter()
	defer in.pulse.leave()
	return in.file.Write(b)
}

// output is our end of a pipe from the child.
type output struct {
	pipe
	pulse *pulse

	once sync.Once // the end is counted once, by Read or Close
}

func (o *output) Read(b []byte) (int, error) {
	o.widenFor(len(b))
	o.pulse.enter()
	n, err := o.file.Read(b)
	o.pulse.leave()
	if err != nil {
		o.once.Do(o.pulse.closed)
	}
	return n, err
}

// Close makes the child's next write fail.
func (o *output) Close() error {
	o.once.Do(o.pulse.closed)
	return o.file.Close()
}
