package storage

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// staleAfter is how long a file has not been written to that is taken for dead
// where a lock cannot tell. A part is written every few minutes.
const staleAfter = 24 * time.Hour

// sweepBatch is how many names of a folder are held in memory.
const sweepBatch = 1000

// Sweep implements [Store]. A living writer holds a lock on its file. Where its
// lock is not seen here (it runs on another machine, and some network mounts
// keep locks to themselves; or the file system knows no locks) only files go
// that nobody has written to for a day.
func (l *Local) Sweep(ctx context.Context, folders ...string) error {
	for _, folder := range append([]string{"."}, folders...) {
		if folder != "." {
			if err := checkName(folder); err != nil {
				return l.fail("sweep", folder, err)
			}
		}
		if err := l.sweep(ctx, l.Path(folder)); err != nil {
			return l.fail("sweep", folder, err)
		}
	}
	return nil
}

func (l *Local) sweep(ctx context.Context, folder string) error {
	d, err := os.Open(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer d.Close()
	for {
		entries, err := d.ReadDir(sweepBatch)
		for _, e := range entries {
			if e.Type().IsRegular() && isTemp(e.Name()) {
				if err := l.temp.removeDead(filepath.Join(folder, e.Name())); err != nil {
					return err
				}
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
}

// removeDead removes an unfinished file whose writer is gone.
func (t temps) removeDead(name string) error {
	// NFS locks exclusively only what is open for writing.
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return nil // another sweeper was faster, or it is another user's
	}
	defer f.Close() // not written to
	err = t.lock(f, unix.LOCK_EX|unix.LOCK_NB)
	switch {
	case err != nil && !noLocks(err):
		return nil // being written
	case err != nil, !writtenHere(filepath.Base(name)):
		if stale, err := t.stale(f); err != nil || !stale {
			return err
		}
	}
	if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// stale tells whether a file was last written to more than staleAfter ago, by
// the clock of its file system: that of another machine may differ from ours.
func (t temps) stale(f *os.File) (bool, error) {
	then, err := f.Stat()
	if err != nil {
		return false, err
	}
	probe, err := t.create(filepath.Dir(f.Name()), "clock")
	if err != nil {
		return false, err
	}
	now, err := probe.Stat()
	if err := errors.Join(err, os.Remove(probe.Name()), probe.Close()); err != nil {
		return false, err
	}
	return now.ModTime().Sub(then.ModTime()) > staleAfter, nil
}
