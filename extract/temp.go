package extract

import (
	"errors"
	"io"
	"os"

	"micodata/storage"
)

// tempError is a failure of one of our own temporary files, on a full disk for
// instance: it is the storage's, whatever source was being worked on. nil stays
// nil.
func tempError(op, path string, err error) error {
	if err == nil {
		return nil
	}
	return &storage.Error{Op: op, Path: path, Err: err}
}

// createTemp makes a temporary file as [os.CreateTemp] does.
func createTemp(dir, pattern string) (*os.File, error) {
	f, err := os.CreateTemp(dir, pattern)
	if dir == "" {
		dir = os.TempDir()
	}
	return f, tempError("make a temporary file in", dir, err)
}

// copyToTemp copies an object to a temporary file.
func copyToTemp(dir string, object io.Reader) (path string, err error) {
	f, err := createTemp(dir, "micodata-media-*")
	if err != nil {
		return "", err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	_, err = io.Copy(tempWriter{f, f.Name()}, object)
	return f.Name(), errors.Join(err, tempError("write", f.Name(), f.Close()))
}

// tempWriter tells the errors of a temporary file from those of what is read.
type tempWriter struct {
	w    io.Writer
	path string
}

func (w tempWriter) Write(p []byte) (int, error) {
	n, err := w.w.Write(p)
	return n, tempError("write", w.path, err)
}

// tempReader does so for those of what is made of it.
type tempReader struct {
	r    io.Reader
	path string
}

func (r tempReader) Read(p []byte) (int, error) {
	n, err := r.r.Read(p)
	if err == io.EOF {
		return n, err
	}
	return n, tempError("read", r.path, err)
}
