package storagetest

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"micodata/storage"
)

// ErrFault is what a [Faulty] store answers once it has failed.
var ErrFault = errors.New("injected fault")

// Faulty passes everything to another store until its operation number FailAt
// (counted from 1 over creates, writes, commits and deletes); that one and all
// later ones fail, as after a crash or a pulled cable. FailAt 0 never fails.
type Faulty struct {
	storage.Store
	FailAt int

	mu  sync.Mutex
	ops int
}

// Ops is the number of operations seen so far.
func (f *Faulty) Ops() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.ops
}

func (f *Faulty) step(op, name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ops++
	if f.FailAt > 0 && f.ops >= f.FailAt {
		return &storage.Error{Op: op, Path: f.Path(name), Err: fmt.Errorf("operation %d: %w", f.ops, ErrFault)}
	}
	return nil
}

// Create implements [storage.Store].
func (f *Faulty) Create(ctx context.Context, name string, mode storage.Mode) (storage.Writer, error) {
	if err := f.step("create", name); err != nil {
		return nil, err
	}
	w, err := f.Store.Create(ctx, name, mode)
	if err != nil {
		return nil, err
	}
	return &faultyWriter{Writer: w, f: f, name: name}, nil
}

// Delete implements [storage.Store].
func (f *Faulty) Delete(ctx context.Context, name string) error {
	if err := f.step("delete", name); err != nil {
		return err
	}
	return f.Store.Delete(ctx, name)
}

type faultyWriter struct {
	storage.Writer
	f    *Faulty
	name string
}

func (w *faultyWriter) Write(p []byte) (int, error) {
	if err := w.f.step("write", w.name); err != nil {
		return 0, err
	}
	return w.Writer.Write(p)
}

func (w *faultyWriter) Commit(ctx context.Context) error {
	if err := w.f.step("commit", w.name); err != nil {
		return err
	}
	return w.Writer.Commit(ctx)
}
