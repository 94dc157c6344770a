package shards

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"micodata/storage"
)

// What to do about a damaged file: a finished set that lacks one gets it again, and
// only the manifest tells what a folder is.
const (
	remedy         = "copy it anew; or remove it and run again what made the set, which keeps the other files"
	manifestRemedy = "copy it anew, or write the set to a new folder"
)

// notFinished is the error of a set without a manifest.
func notFinished(s storage.Store, err error) error {
	return fmt.Errorf("%s: the set is not finished: %w", s.Path(""), err)
}

// Damaged is the error of reading a file of a finished set that is not what it should
// be, or not there: a [*storage.Error] that says what to do. Interrupts and failures
// of the storage itself stay what they are, nil stays nil.
func Damaged(s storage.Store, name string, err error) error {
	var own *storage.Error
	switch {
	case err == nil, errors.Is(err, context.Canceled):
		return err
	case errors.Is(err, fs.ErrNotExist):
		err = errors.New("a finished set has this file, and it is not there")
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		err = errors.New("it ends too early")
	case errors.As(err, &own):
		return err
	}
	do := remedy
	if name == ManifestName {
		do = manifestRemedy
	}
	return &storage.Error{Op: "read", Path: s.Path(name), Err: fmt.Errorf("%w (%s)", err, do)}
}

// storageFault is what the storage failed at, or the end of the work, as opposed to
// what is wrong with the data that it gave; nil if it is that.
func storageFault(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var own *storage.Error
	if errors.As(err, &own) {
		return err
	}
	if local := new(fs.PathError); errors.As(err, &local) {
		return &storage.Error{Op: local.Op, Path: local.Path, Err: err}
	}
	return nil
}
