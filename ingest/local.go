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
		return fmt.Errorf("remove download: %w", err)
	}
	return nil
}

// openLocal opens a regular file. It never waits, as opening a pipe would.
func openLocal(path string) (*os.File, int64, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, 0, fileFail(err)
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
		return nil, 0, err
	}
	return f, fi.Size(), nil
}

// readLocal hashes a file where it lies.
func (r *runner) readLocal(ctx context.Context, path string) (media, error) {
	f, size, err := openLocal(path)
	if err != nil {
		return media{}, err
	}
	defer f.Close() // only read from
	if size > r.env.Settings.MaxSourceBytes {
		return media{}, tooLarge(size, r.env.Settings.MaxSourceBytes)
	}
	h := sha256.New()
	n, err := io.Copy(h, &contextReader{ctx.Err, io.LimitReader(f, size)})
	if err != nil {
		return media{}, fileFail(err)
	}
	if n < size {
		return media{}, dataset.Fail(dataset.Corrupt, "shrank to %d bytes while it was read", n)
	}
	return media{path: path, sha256: hex.EncodeToString(h.Sum(nil)), bytes: n}, nil
}

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
func (r *runner) keep(ctx context.Context, m media, ext string) (string, error) {
	name := dataset.MediaName(m.sha256, ext)
	if info, err := r.env.Store.Stat(ctx, name); err == nil && info.Size == m.bytes {
		return name, nil
	}
	f, _, err := openLocal(m.path)
	if err != nil {
		return "", err
	}
	defer f.Close() // only read from
	w, err := r.env.Store.Create(ctx, name, storage.Exclusive)
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
		return "", fileFail(err)
	}
	if hex.EncodeToString(h.Sum(nil)) != m.sha256 {
		return "", dataset.Fail(dataset.Corrupt, "changed while it was read")
	}
	if err := w.Commit(ctx); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", err
	}
	return name, nil
}

// fileFail makes an item's failure of a file's error; the context's own errors
// stay what they are.
func fileFail(err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return dataset.Fail(fileClass(err), "%w", fileCause(err))
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
