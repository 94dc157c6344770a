// Package storage keeps named, immutable objects: in a local folder or in an
// object store, by one interface.
//
// An object is nothing until its [Writer] is committed and leaves nothing after
// an abort or a crash: readers see all of it or none of it. No other package
// renames, links or puts.
package storage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
	"syscall"
)

// Store is a flat space of names such as "extract/part-00000.parquet": relative,
// slash-separated, without "." or ".." elements. Its methods are safe for
// concurrent use. Errors are of type [*Error]; a missing object is
// [fs.ErrNotExist], and an exclusive commit of an existing one [fs.ErrExist].
type Store interface {
	// Open opens an object for reading at any offset.
	Open(ctx context.Context, name string) (Object, error)
	// Stat tells an object's size.
	Stat(ctx context.Context, name string) (Info, error)
	// Create starts an object.
	Create(ctx context.Context, name string, mode Mode) (Writer, error)
	// ReadRange reads size bytes of an object at an offset: of an object store by
	// one request.
	ReadRange(ctx context.Context, name string, off, size int64) ([]byte, error)
	// List returns the objects whose names start with prefix, sorted by name.
	List(ctx context.Context, prefix string) ([]Info, error)
	// Delete removes an object; a missing one is no error.
	Delete(ctx context.Context, name string) error
	// Sweep removes what interrupted writers left behind of objects without a
	// slash in their names and of those in the named top folders ("media"), and
	// nothing that a living one still writes. Other files are nobody's business.
	Sweep(ctx context.Context, folders ...string) error
	// Path is how users know the object: a file path or URL.
	Path(name string) string
}

// Object is an open object. Reads at different offsets may run concurrently.
type Object interface {
	io.ReaderAt
	io.ReadSeeker
	io.Closer
	Size() int64
}

// Writer makes one object. Exactly one of Commit and Abort ends it; Abort after
// Commit does nothing, so that it can be deferred.
type Writer interface {
	io.Writer
	// Commit puts the object in place in one atomic, durable step.
	Commit(ctx context.Context) error
	// Abort drops what was written.
	Abort() error
}

// Info describes an object.
type Info struct {
	Name string
	Size int64 // in bytes
}

// Mode says what Commit does when the object is there already.
type Mode int

const (
	// Exclusive commits fail with fs.ErrExist: the first writer wins.
	Exclusive Mode = iota
	// Replace commits put the new object in the old one's place.
	Replace
)

// Error is a failure of the storage, as opposed to one of the data in it.
type Error struct {
	Op, Path string
	Err      error
}

func (e *Error) Error() string {
	msg := fmt.Sprintf("%s %s: %v", e.Op, e.Path, e.cause())
	var remote *s3Fault
	switch {
	case errors.As(e.Err, &remote): // it says itself what to do
	case errors.Is(e.Err, syscall.ENOSPC), errors.Is(e.Err, syscall.EDQUOT):
		msg += " (free space there, then run the same command again: what is committed stays)"
	case errors.Is(e.Err, fs.ErrPermission), errors.Is(e.Err, syscall.EROFS):
		msg += " (the folder must be readable and writable by this user)"
	case errors.Is(e.Err, syscall.ENOTDIR):
		msg += " (a file is where a folder is wanted: name another)"
	}
	return msg
}

// cause drops the path that the operating system's own errors repeat.
func (e *Error) cause() error {
	var remote *s3Fault
	var pe *fs.PathError
	if !errors.As(e.Err, &remote) && errors.As(e.Err, &pe) {
		return pe.Err
	}
	return e.Err
}

func (e *Error) Unwrap() error { return e.Err }

// Fault returns err if the storage failed, and ctx's error if that ended; nil if what is
// wrong is the data that the storage gave, or nothing is.
func Fault(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var own *Error
	if errors.As(err, &own) {
		return err
	}
	if local := new(fs.PathError); errors.As(err, &local) {
		return &Error{Op: local.Op, Path: local.Path, Err: err}
	}
	return nil
}

// ReadAll reads a whole small object, at most limit bytes.
func ReadAll(ctx context.Context, s Store, name string, limit int64) ([]byte, error) {
	o, err := s.Open(ctx, name)
	if err != nil {
		return nil, err
	}
	defer o.Close()
	if o.Size() > limit {
		return nil, &Error{Op: "read", Path: s.Path(name), Err: fmt.Errorf("%d bytes where at most %d were expected", o.Size(), limit)}
	}
	data, err := io.ReadAll(o)
	if err != nil {
		return nil, &Error{Op: "read", Path: s.Path(name), Err: err}
	}
	return data, nil
}

// WriteAll creates and commits a small object.
func WriteAll(ctx context.Context, s Store, name string, mode Mode, data []byte) error {
	w, err := s.Create(ctx, name, mode)
	if err != nil {
		return err
	}
	defer w.Abort()
	if _, err := w.Write(data); err != nil {
		return err
	}
	return w.Commit(ctx)
}

// checkName refuses names that could leave the store, and those of unfinished
// objects.
func checkName(name string) error {
	if !fs.ValidPath(name) || name == "." || strings.ContainsAny(name, "\x00\\") || isTemp(path.Base(name)) {
		return fmt.Errorf("%q is not an object name: %w", name, fs.ErrInvalid)
	}
	return nil
}
