package storage

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"
)

// Create implements [Store].
func (l *Local) Create(_ context.Context, name string, mode Mode) (Writer, error) {
	if err := checkName(name); err != nil {
		return nil, l.fail("create", name, err)
	}
	if err := l.temp.mkdirAll(filepath.Dir(l.Path(name))); err != nil {
		return nil, l.fail("create", name, err)
	}
	top, _, nested := strings.Cut(name, "/")
	if !nested {
		top = ""
	}
	f, err := l.temp.create(l.Path(top), path.Base(name))
	if err != nil {
		return nil, l.fail("create", name, err)
	}
	return &localWriter{store: l, name: name, mode: mode, f: f}, nil
}

type localWriter struct {
	store *Local
	name  string
	mode  Mode
	f     *os.File // nil once ended
}

func (w *localWriter) Write(p []byte) (int, error) {
	n, err := w.f.Write(p)
	return n, w.store.fail("write", w.name, err)
}

func (w *localWriter) Commit(ctx context.Context) error {
	if w.f == nil {
		return w.store.fail("commit", w.name, fs.ErrClosed)
	}
	defer w.Abort() // whatever goes wrong, no temporary file stays
	if err := ctx.Err(); err != nil {
		return w.store.fail("commit", w.name, err)
	}
	if err := w.f.Sync(); err != nil {
		return w.store.fail("commit", w.name, err)
	}
	final := w.store.Path(w.name)
	if err := w.publish(final); err != nil {
		return w.store.fail("commit", w.name, err)
	}
	return w.store.fail("commit", w.name, w.store.temp.syncDir(filepath.Dir(final)))
}

// publish makes the file appear under its name in one step. A link fails when
// the name is taken, which a rename cannot be told to do portably; where there
// are no links, the race that a look before the rename leaves is between two
// writers of the same bytes.
func (w *localWriter) publish(final string) error {
	if w.mode == Exclusive {
		err := os.Link(w.f.Name(), final)
		if !errors.Is(err, syscall.EPERM) && !errors.Is(err, syscall.ENOTSUP) && !errors.Is(err, syscall.ENOSYS) {
			return err
		}
		if _, err := os.Lstat(final); err == nil {
			return fs.ErrExist
		}
	}
	return os.Rename(w.f.Name(), final)
}

func (w *localWriter) Abort() error {
	if w.f == nil {
		return nil
	}
	f := w.f
	w.f = nil
	err := os.Remove(f.Name())
	if errors.Is(err, fs.ErrNotExist) {
		err = nil // renamed into place
	}
	return w.store.fail("close", w.name, errors.Join(err, f.Close()))
}
