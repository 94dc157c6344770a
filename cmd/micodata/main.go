// Command micodata turns raw video into aligned training sets.
package main

import (
	"context"
	"os"
	"os/signal"
	"sync"
	"syscall"
)

func main() {
	ctx, stop, release := signals(context.Background())
	code := run(ctx, os.Args[1:], streams{in: os.Stdin, out: os.Stdout, err: os.Stderr}, stop)
	release()
	os.Exit(code)
}

// signals turns the first SIGINT or SIGTERM into a closed channel (end what
// runs, begin nothing) and the second into a cancelled context (stop now).
func signals(parent context.Context) (context.Context, <-chan struct{}, func()) {
	ctx, cancel := context.WithCancel(parent)
	stop, done := make(chan struct{}), make(chan struct{})
	ch := make(chan os.Signal, 2)
	signal.Notify(ch, syscall.SIGINT, syscall.SIGTERM)
	var wg sync.WaitGroup
	wg.Go(func() {
		select {
		case <-ch:
			close(stop)
		case <-done:
			return
		}
		select {
		case <-ch:
			cancel()
		case <-done:
		}
	})
	return ctx, stop, func() {
		signal.Stop(ch)
		close(done)
		wg.Wait()
		cancel()
	}
}
