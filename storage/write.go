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
	f, err := l.temp.create(l.Path(topFolder(name)), path.Base(name))
	if err != nil {
		return nil, l.fail("create", name, err)
	}
	return &localWriter{store: l, name: name, mode: mode, f: f}, nil
}

// topFolder is the first folder of a name, "" for one at the top.
func topFolder(name string) string {
	top, _, nested := strings.Cut(name, "/")
	if !nested {
		return ""
	}
	return top
}

// WriteLoose puts a small object in place, in that of another too: in one step, but
// not yet durably. After a crash of the machine it may be torn, until [Local.Sync]
// was called. To sync each of many files takes longer than to write them.
func (l *Local) WriteLoose(ctx context.Context, name string, data []byte) error {
	w, err := l.Create(ctx, name, Replace)
	if err != nil {
		return err
	}
	defer w.Abort()
	if canSyncAll {
		if err := l.willSync(name); err != nil {
			return err
		}
		w.(*localWriter).loose = true
	}
	if _, err := w.Write(data); err != nil {
		return err
	}
	return w.Commit(ctx)
}

// willSync opens the top folder of a name for [Local.Sync], each of which may lie on a
// disk of its own. That must be before the data are written: only a descriptor that is
// open then is told of what could not be, if another's sync is told first.
func (l *Local) willSync(name string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	folder := topFolder(name)
	if l.loose[folder] != nil {
		return nil
	}
	d, err := os.Open(l.Path(folder))
	if err != nil {
		return l.fail("open", folder, err)
	}
	if l.loose == nil {
		l.loose = map[string]*os.File{}
	}
	l.loose[folder] = d
	return nil
}

// Sync makes durable what was written by [Local.WriteLoose], all of which must have
// returned.
func (l *Local) Sync() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	var failed error
	for folder, d := range l.loose {
		failed = errors.Join(failed, l.fail("sync", folder, errors.Join(l.temp.syncAll(d), d.Close())))
	}
	l.loose = nil
	return failed
}

type localWriter struct {
	store *Local
	name  string
	mode  Mode
	loose bool     // durability is [Local.Sync]'s
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
	if !w.loose {
		if err := w.f.Sync(); err != nil {
			return w.store.fail("commit", w.name, err)
		}
	}
	final := w.store.Path(w.name)
	if err := w.publish(final); err != nil {
		return w.store.fail("commit", w.name, err)
	}
	if w.loose {
		return nil
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
