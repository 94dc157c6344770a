package card

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"micodata/storage"
)

// ErrThere says that a model of the name has been added already.
var ErrThere = errors.New("there is a model of this name already; remove its folder first to replace it")

// Install copies a model's card and files into a folder of its name below dir. It
// is there whole or not at all. What an earlier one that was killed left behind
// is cleared away. Errors: [*FileError] and [*Error] of what is copied,
// [*storage.Error] of where it is copied to, which wraps [ErrThere].
func (c *Card) Install(ctx context.Context, dir string) (_ *Card, err error) {
	to := filepath.Join(dir, c.Name)
	fail := func(op string, err error) error { return &storage.Error{Op: op, Path: to, Err: err} }
	store, err := storage.NewLocal(dir)
	if err != nil {
		return nil, err
	}
	if err := sweep(ctx, store, dir); err != nil {
		return nil, err
	}
	// The lock goes with this process, and tells others that the folder is in use.
	lock, err := storage.CreateTemp(dir, "add")
	if err != nil {
		return nil, fail("add", err)
	}
	tmp := unfinished(lock.Name())
	defer func() {
		err = errors.Join(err, os.RemoveAll(tmp), os.Remove(lock.Name()), lock.Close())
	}()
	made := filepath.Join(tmp, c.Name)
	if err := os.MkdirAll(made, 0o755); err != nil {
		return nil, fail("add", err)
	}
	if err := c.copyTo(ctx, made, to); err != nil {
		return nil, err
	}
	switch err := os.Rename(made, to); {
	case errors.Is(err, fs.ErrExist), errors.Is(err, syscall.ENOTEMPTY): // another was faster
		return nil, fail("add", ErrThere)
	case err != nil:
		return nil, fail("add", err)
	}
	copied := *c
	copied.Dir = to
	return &copied, nil
}

// lockSuffix ends the name of a lock; without it that is the name of the folder
// that it is for.
const lockSuffix = ".tmp"

func unfinished(lock string) string { return strings.TrimSuffix(lock, lockSuffix) }

// sweep removes what is left of those who were killed: first the locks that
// nobody holds, then the folders that have no lock.
func sweep(ctx context.Context, store storage.Store, dir string) error {
	if err := store.Sweep(ctx); err != nil {
		return err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return &storage.Error{Op: "read", Path: dir, Err: err}
	}
	for _, e := range entries {
		name := filepath.Join(dir, e.Name())
		if !e.IsDir() || !strings.HasPrefix(e.Name(), ".add.") {
			continue
		}
		if _, err := os.Lstat(name + lockSuffix); !errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err := os.RemoveAll(name); err != nil {
			return &storage.Error{Op: "remove", Path: name, Err: err}
		}
	}
	return nil
}

// copyTo copies the card and the files, whose checksums are compared on the way,
// into a folder that will be called final.
func (c *Card) copyTo(ctx context.Context, dir, final string) error {
	for _, f := range c.Files {
		if err := writeFile(dir, final, f.Path, func(w io.Writer) error { return c.verified(ctx, f, w) }); err != nil {
			return err
		}
	}
	return writeFile(dir, final, FileName, func(w io.Writer) error {
		in, err := openRegular(filepath.Join(c.Dir, FileName))
		if err != nil {
			return c.Wrong(err)
		}
		defer in.Close()
		_, err = io.Copy(w, io.LimitReader(in, maxBytes))
		return err
	})
}

// writeFile makes a file in dir of what fill writes. Its own errors are of
// [storage], and name the file as it will be called.
func writeFile(dir, final, name string, fill func(w io.Writer) error) (err error) {
	fail := func(op string, err error) error {
		return &storage.Error{Op: op, Path: filepath.Join(final, filepath.FromSlash(name)), Err: err}
	}
	file := filepath.Join(dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return fail("create", err)
	}
	out, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return fail("create", err)
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	if err := fill(writer{out, fail}); err != nil {
		return err
	}
	if err := out.Sync(); err != nil {
		return fail("write", err)
	}
	return nil
}

// writer tells a file's errors apart from those of what is copied into it.
type writer struct {
	file *os.File
	fail func(op string, err error) error
}

func (w writer) Write(p []byte) (int, error) {
	n, err := w.file.Write(p)
	if err != nil {
		err = w.fail("write", err)
	}
	return n, err
}
