package storage

import (
	"context"
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// tmpSuffix ends the names of unfinished objects; no object is named so.
const tmpSuffix = ".tmp"

// Local is a folder as a [Store].
type Local struct {
	dir string // absolute
}

// NewLocal returns the store of a folder, which is made if it is missing.
func NewLocal(dir string) (*Local, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, &Error{Op: "open", Path: dir, Err: err}
	}
	if err := os.MkdirAll(abs, 0o777); err != nil {
		return nil, &Error{Op: "create folder", Path: dir, Err: err}
	}
	return &Local{dir: abs}, nil
}

// Path is the object's file.
func (l *Local) Path(name string) string { return filepath.Join(l.dir, filepath.FromSlash(name)) }

func (l *Local) fail(op, name string, err error) error {
	if err == nil {
		return nil
	}
	return &Error{Op: op, Path: l.Path(name), Err: err}
}

type localObject struct {
	*os.File
	size int64
}

func (o localObject) Size() int64 { return o.size }

// Open implements [Store].
func (l *Local) Open(_ context.Context, name string) (Object, error) {
	if err := checkName(name); err != nil {
		return nil, l.fail("open", name, err)
	}
	f, err := os.Open(l.Path(name))
	if err != nil {
		return nil, l.fail("open", name, err)
	}
	fi, err := f.Stat()
	if err == nil && !fi.Mode().IsRegular() {
		err = fs.ErrInvalid
	}
	if err != nil {
		return nil, l.fail("open", name, errors.Join(err, f.Close()))
	}
	return localObject{f, fi.Size()}, nil
}

// Stat implements [Store].
func (l *Local) Stat(_ context.Context, name string) (Info, error) {
	if err := checkName(name); err != nil {
		return Info{}, l.fail("stat", name, err)
	}
	fi, err := os.Stat(l.Path(name))
	if err != nil {
		return Info{}, l.fail("stat", name, err)
	}
	return Info{Name: name, Size: fi.Size()}, nil
}

// List implements [Store].
func (l *Local) List(ctx context.Context, prefix string) ([]Info, error) {
	var out []Info
	// Only the folder that the prefix names needs a walk.
	root := l.dir
	if i := strings.LastIndexByte(prefix, '/'); i >= 0 {
		if err := checkName(prefix[:i]); err != nil {
			return nil, l.fail("list", prefix, err)
		}
		root = l.Path(prefix[:i])
	}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			if errors.Is(err, fs.ErrNotExist) {
				return nil // gone, or never there: nothing to list
			}
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		rel, err := filepath.Rel(l.dir, path)
		if err != nil {
			return err
		}
		name := filepath.ToSlash(rel)
		if !d.Type().IsRegular() || strings.HasSuffix(name, tmpSuffix) || !strings.HasPrefix(name, prefix) {
			return nil
		}
		fi, err := d.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		out = append(out, Info{Name: name, Size: fi.Size()})
		return nil
	})
	if err != nil {
		return nil, l.fail("list", prefix, err)
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Name < out[j].Name })
	return out, nil
}

// Delete implements [Store].
func (l *Local) Delete(_ context.Context, name string) error {
	if err := checkName(name); err != nil {
		return l.fail("delete", name, err)
	}
	if err := os.Remove(l.Path(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return l.fail("delete", name, err)
	}
	return l.fail("delete", name, syncDir(filepath.Dir(l.Path(name))))
}

// Sweep implements [Store]. A living writer holds a lock on its file.
func (l *Local) Sweep(ctx context.Context) error {
	err := filepath.WalkDir(l.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if !d.Type().IsRegular() || !strings.HasSuffix(path, tmpSuffix) {
			return nil
		}
		f, err := os.Open(path)
		if err != nil {
			return nil // another sweeper was faster
		}
		defer f.Close()
		if unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) != nil {
			return nil // being written
		}
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	})
	return l.fail("sweep", "", err)
}

// Create implements [Store].
func (l *Local) Create(_ context.Context, name string, mode Mode) (Writer, error) {
	if err := checkName(name); err != nil {
		return nil, l.fail("create", name, err)
	}
	dir, base := filepath.Split(l.Path(name))
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, l.fail("create", name, err)
	}
	// Not os.CreateTemp: its mode 0600 would lock out those whom the umask lets in.
	tmp := filepath.Join(dir, "."+tmpStem(base)+"."+rand.Text()[:10]+tmpSuffix)
	f, err := os.OpenFile(tmp, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return nil, l.fail("create", name, err)
	}
	w := &localWriter{store: l, name: name, mode: mode, f: f}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		return nil, l.fail("create", name, errors.Join(err, w.Abort()))
	}
	return w, nil
}

// tmpStem shortens a name so that the temporary one stays within the 255 bytes
// that file systems allow.
func tmpStem(base string) string { return base[:min(len(base), 200)] }

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
	return w.store.fail("commit", w.name, syncDir(filepath.Dir(final)))
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

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
