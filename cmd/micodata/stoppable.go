package main

import (
	"io"

	"micodata/engine"
)

// stoppable is a reader whose reads end when stop is closed: standard input may
// be silent for ever. A read that was left behind ends with the process.
type stoppable struct {
	r    io.Reader
	stop <-chan struct{}
}

// Read implements [io.Reader]; stopped, its error is [engine.ErrInterrupted].
func (s stoppable) Read(p []byte) (int, error) {
	type result struct {
		n   int
		err error
	}
	done := make(chan result, 1)
	// A buffer of its own: p is the caller's again once we return.
	buf := make([]byte, min(len(p), 64<<10))
	go func() {
		n, err := s.r.Read(buf)
		done <- result{n, err}
	}()
	select {
	case r := <-done:
		return copy(p, buf[:r.n]), r.err
	case <-s.stop:
		return 0, engine.ErrInterrupted
	}
}
