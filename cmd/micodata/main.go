// Command micodata turns raw video into aligned training sets.
package main

import (
	"context"
	"os"
	"os/signal"
	"runtime/debug"
	"sync"
	"syscall"
	"time"

	"micodata/internal/ffmpeg"
)

// gcPercent lets the heap grow by half between collections: it is frames, which
// cost a collector nothing to mark. Of 248 MB at 720p, 203 are left.
const gcPercent = 50

func main() {
	ffmpeg.BatchScheduling()
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	in := newInterrupts(context.Background())
	code := run(in.ctx, os.Args[1:], streams{in: os.Stdin, out: os.Stdout, err: os.Stderr}, in)
	in.release()
	os.Exit(code)
}

// interrupts turns signals into what the work understands. While stages run, the
// first SIGINT or SIGTERM lets them end and commit what they do, and begin
// nothing; any other time, and the second time, it stops everything now. What does
// not stop ends with the process.
type interrupts struct {
	ctx    context.Context //nolint:containedctx // the one context that signals end
	cancel context.CancelFunc
	stop   chan struct{} // closed: begin nothing new
	mu     sync.Mutex
	say    func(string) // while stages run: how to tell the user something
	done   chan struct{}
	wg     sync.WaitGroup
}

// How long everything may take to end after "now": what hangs on a dead file system,
// or computes, would otherwise never give the terminal back. It is safe to die at any
// moment. One who has said so twice waits no longer than temporary files and child
// processes need to go.
const (
	lastGrace  = 10 * time.Second
	twiceGrace = 2 * time.Second
)

func newInterrupts(parent context.Context) *interrupts {
	ctx, cancel := context.WithCancel(parent)
	in := &interrupts{ctx: ctx, cancel: cancel, stop: make(chan struct{}), done: make(chan struct{})}
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	in.wg.Go(func() {
		defer signal.Stop(signals)
		select {
		case <-signals:
		case <-in.done:
			return
		}
		close(in.stop)
		var tooLong <-chan time.Time // never, while stages end
		if !in.tell("finishing what is begun; interrupt again to stop now") {
			cancel()
			tooLong = time.After(lastGrace)
		}
		select {
		case <-signals:
			cancel()
		case <-tooLong:
			os.Exit(exitInterrupted)
		case <-in.done:
			return
		}
		select {
		case <-time.After(twiceGrace):
			os.Exit(exitInterrupted)
		case <-in.done:
		}
	})
	return in
}

// gently runs work that ends well by itself once stop is closed, which say tells
// the user then.
func (in *interrupts) gently(say func(string), work func() error) error {
	in.become(say)
	defer in.become(nil)
	return work()
}

func (in *interrupts) become(say func(string)) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.say = say
}

// tell says something if stages run.
func (in *interrupts) tell(msg string) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.say == nil {
		return false
	}
	in.say(msg)
	return true
}

func (in *interrupts) stopped() bool {
	select {
	case <-in.stop:
		return true
	default:
		return false
	}
}

func (in *interrupts) release() {
	close(in.done)
	in.wg.Wait()
	in.cancel()
}
