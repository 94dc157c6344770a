package storage

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// Local is a folder as a [Store].
//
// An unfinished object lies in the top folder of its name ("media" for
// "media/ab/x.mp4"), so that a sweep looks into few folders, and is linked or
// renamed into place. Top folders may therefore be links to other disks, but no
// folder below them.
type Local struct {
	dir  string // absolute
	temp temps

	mu    sync.Mutex
	loose map[string]*os.File // top folders with objects to sync
}

// NewLocal returns the store of a folder, which is made if it is missing.
func NewLocal(dir string) (*Local, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, &Error{Op: "open", Path: dir, Err: err}
	}
	l := &Local{dir: abs, temp: temps{unix.Flock, syncDir, syncAll}}
	if err := l.temp.mkdirAll(abs); err != nil {
		return nil, &Error{Op: "create folder", Path: dir, Err: err}
	}
	return l, nil
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
		err = errors.New("it is a folder or a device where a file is wanted: move it away")
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

// ReadRange implements [Store].
func (l *Local) ReadRange(ctx context.Context, name string, off, size int64) ([]byte, error) {
	o, err := l.Open(ctx, name)
	if err != nil {
		return nil, err
	}
	defer o.Close()
	data := make([]byte, size)
	if n, err := o.ReadAt(data, off); n < len(data) {
		return nil, l.fail("read", name, err)
	}
	return data, nil
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
	// With the slash, a root that is a link to a folder is that folder.
	err := filepath.WalkDir(root+string(filepath.Separator), func(path string, d fs.DirEntry, err error) error {
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
		if !d.Type().IsRegular() || !strings.HasPrefix(name, prefix) || isTemp(d.Name()) {
			return nil
		}
		fi, err := d.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil // gone since
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
	err := os.Remove(l.Path(name))
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		err = l.temp.syncDir(filepath.Dir(l.Path(name))) // of an earlier delete, too
	}
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return l.fail("delete", name, err)
}
