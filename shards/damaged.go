package shards

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"micodata/storage"
)

// Remedy is what to do about a file of a finished set that is damaged, or not there: a
// set that lacks one gets it again. The manifest alone, which tells what a folder is,
// has another.
const (
	Remedy         = "copy it anew; or remove it and run again what made the set, which keeps the other files"
	manifestRemedy = "copy it anew, or write the set to a new folder"
)

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
	do := Remedy
	if name == ManifestName {
		do = manifestRemedy
	}
	return &storage.Error{Op: "read", Path: s.Path(name), Err: fmt.Errorf("%w (%s)", err, do)}
}
