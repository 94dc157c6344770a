package ingest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
	"time"

	"micodata/dataset"
	"micodata/storage"
)

// media is a source's bytes as a local file.
type media struct {
	path   string
	sha256 string // hex
	bytes  int64
	temp   *os.File // of a download; nil for a file that stays
}

// discard removes a download.
func (m media) discard() error {
	if m.temp == nil {
		return nil
	}
	// What it held was read back and checked where it was kept, so that closing
	// has nothing to tell.
	m.temp.Close()
	if err := os.Remove(m.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return &storage.Error{Op: "remove download", Path: m.path, Err: err}
	}
	return nil
}

// openLocal opens a regular file. It never waits, as opening a pipe would.
func openLocal(path string) (*os.File, fs.FileInfo, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, fileFail(err)
	}
	fi, err := f.Stat()
	switch {
	case err != nil:
		err = fileFail(err)
	case fi.IsDir():
		err = dataset.Fail(dataset.NotMedia, "is a folder")
	case !fi.Mode().IsRegular():
		err = dataset.Fail(dataset.NotMedia, "is not a regular file")
	}
	if err != nil {
		f.Close() // nothing was written
		return nil, nil, err
	}
	return f, fi, nil
}

// Network file systems fail for moments: a server restarts, a handle goes stale.
const (
	localAttempts = 4
	localPause    = time.Second // doubles: 7 s in all
)

// retryLocal tries again what a source's file system may do better the next
// time.
func retryLocal[T any](ctx context.Context, pause time.Duration, try func() (T, error)) (T, error) {
	for n := 1; ; n++ {
		v, err := try()
		_, ok := dataset.AsItem(err)
		if n == localAttempts || !ok || !errors.Is(err, syscall.ESTALE) && !errors.Is(err, syscall.EIO) {
			return v, err
		}
		if err := sleep(ctx, pause); err != nil {
			return v, err
		}
		pause *= 2
	}
}

// readLocal hashes a file where it lies.
func (r *runner) readLocal(ctx context.Context, path string) (media, error) {
	f, before, err := openLocal(path)
	if err != nil {
		return media{}, err
	}
	defer f.Close() // only read from
	size := before.Size()
	if size > r.env.Settings.MaxSourceBytes {
		return media{}, tooLarge(size, r.env.Settings.MaxSourceBytes)
	}
	h := sha256.New()
	n, err := io.Copy(h, &contextReader{ctx.Err, io.LimitReader(f, size)})
	if err != nil {
		return media{}, fileFail(err)
	}
	after, err := f.Stat()
	if err != nil {
		return media{}, fileFail(err)
	}
	// A file that is still being written has a hash that nothing will match.
	if n < size || after.Size() != size || !after.ModTime().Equal(before.ModTime()) {
		return media{}, errChanged
	}
	return media{path: path, sha256: hex.EncodeToString(h.Sum(nil)), bytes: n}, nil
}

var errChanged = dataset.Fail(dataset.Corrupt, "changed while it was read")

func tooLarge(size, limit int64) error {
	return dataset.Fail(dataset.TooLarge, "%d bytes are more than max_source_bytes, %d", size, limit)
}

// contextReader ends reading with the context.
type contextReader struct {
	stop func() error
	r    io.Reader
}

func (c *contextReader) Read(p []byte) (int, error) {
	if err := c.stop(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}

// keep puts media into the dataset under its hash and returns the object's name.
// What lies there with another size cannot have that hash and is replaced.
func (r *runner) keep(ctx context.Context, m media, ext string) (string, error) {
	name, mode := dataset.MediaName(m.sha256, ext), storage.Exclusive
	switch info, err := r.env.Store.Stat(ctx, name); {
	case err == nil && info.Size == m.bytes:
		return name, nil
	case err == nil:
		mode = storage.Replace
	}
	f, _, err := openLocal(m.path)
	if err != nil {
		return "", m.blame(err)
	}
	defer f.Close() // only read from
	w, err := r.env.Store.Create(ctx, name, mode)
	if err != nil {
		return "", err
	}
	defer w.Abort()
	h := sha256.New()
	// The storage's own errors end the run; those of the source are its own.
	if _, err := io.Copy(io.MultiWriter(w, h), &contextReader{ctx.Err, f}); err != nil {
		var se *storage.Error
		if errors.As(err, &se) {
			return "", err
		}
		return "", m.blame(fileFail(err))
	}
	if hex.EncodeToString(h.Sum(nil)) != m.sha256 {
		return "", m.blame(errChanged)
	}
	if err := w.Commit(ctx); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", err
	}
	return name, nil
}

// blame makes an item's failure to be read back one of our own disk if it is a
// download.
func (m media) blame(err error) error {
	if e, ok := dataset.AsItem(err); ok && m.temp != nil {
		return &storage.Error{Op: "read download", Path: m.path, Err: e.Err}
	}
	return err
}

// fileFail makes an item's failure of a file's error. The context's own errors
// stay what they are, and so does what this machine is out of: the next file
// would fail of it too, and its row would stand for good.
func fileFail(err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	if exhausted(err) {
		return ownError(err)
	}
	return dataset.Fail(fileClass(err), "%w", fileCause(err))
}

// exhausted tells that this machine has no more of what opening and reading
// need: files, memory, sockets.
func exhausted(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) || errors.Is(err, syscall.ENOMEM) || errors.Is(err, syscall.ENOBUFS)
}

// ownError is a failure of this machine's file system that ends the run.
func ownError(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return &storage.Error{Op: pe.Op, Path: pe.Path, Err: pe.Err}
	}
	return fmt.Errorf("read: %w", err)
}

func fileClass(err error) dataset.Class {
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR), errors.Is(err, syscall.ENAMETOOLONG), errors.Is(err, syscall.ELOOP):
		return dataset.NotFound
	case errors.Is(err, fs.ErrPermission):
		return dataset.Forbidden
	case errors.Is(err, syscall.ENXIO):
		return dataset.NotMedia // a socket
	}
	return dataset.Internal
}

// fileCause drops the path, which stands in the row already.
func fileCause(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return fmt.Errorf("%s: %w", pe.Op, pe.Err)
	}
	return err
}
