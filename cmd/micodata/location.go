package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"micodata/dataset"
	"micodata/shards"
	"micodata/storage"
)

// datasetInSet is where run keeps the dataset, below the training set.
const datasetInSet = ".dataset"

// datasetMark is the object that makes a dataset of a location; that of a training
// set is its manifest.
const datasetMark = "dataset.json"

// below is a location inside another.
func below(location, name string) string {
	if storage.IsS3(location) {
		return strings.TrimSuffix(location, "/") + "/" + name
	}
	return filepath.Join(location, name)
}

// openStore opens the folder or the place in a bucket that a command works on. It
// refuses one that is something else, before anything is made of it: the mark must
// be there unless create is set.
func openStore(ctx context.Context, location, mark string, create bool) (storage.Store, error) {
	if storage.IsS3(location) {
		return openBucket(ctx, location, mark, create)
	}
	if err := checkFolder(location, mark, create); err != nil {
		return nil, err
	}
	return storage.NewLocal(location)
}

func openBucket(ctx context.Context, location, mark string, create bool) (storage.Store, error) {
	store, err := newS3(ctx, location)
	if err != nil {
		return nil, err
	}
	has := func(name string) (bool, error) { // by a listing: it tells a bucket that is not there
		found, err := store.List(ctx, name)
		return len(found) > 0 && found[0].Name == name, err
	}
	if ok, err := has(mark); err != nil || ok || create {
		return store, err
	}
	if ok, err := has(datasetInSet + "/" + mark); err == nil && ok {
		return nil, usagef("%s has no %s: it is a training set, whose dataset is %s", location, mark, below(location, datasetInSet))
	}
	return nil, usagef("%s has no %s: it is not what this command works on", location, mark)
}

// newS3 has a wrong location or setting as what it is, a mistake of the user's.
func newS3(ctx context.Context, location string) (*storage.S3, error) {
	store, err := storage.NewS3(ctx, location)
	if errors.Is(err, fs.ErrInvalid) {
		return nil, usagef("%v", err)
	}
	return store, err
}

// checkFolder is the check of openStore for a folder.
func checkFolder(dir, mark string, create bool) error {
	if strings.Contains(dir, "://") {
		return usagef("%s: datasets and sets are folders or s3://BUCKET/PREFIX", dir)
	}
	if key, ok := strings.CutPrefix(dir, "s3:"); ok {
		return usagef("%s: a place in a bucket is s3://%s, and a folder of that name ./%s", dir, strings.TrimLeft(key, "/"), dir)
	}
	fi, err := os.Stat(dir)
	switch {
	case errors.Is(err, os.ErrNotExist) && create:
		return nil
	case errors.Is(err, os.ErrNotExist):
		return usagef("%s: no such folder", dir)
	case err != nil:
		return &storage.Error{Op: "open", Path: dir, Err: err}
	case !fi.IsDir():
		return usagef("%s is a file; a folder is wanted", dir)
	}
	if create {
		return nil
	}
	has := func(dir string) bool {
		_, err := os.Stat(filepath.Join(dir, mark))
		return err == nil
	}
	if !has(dir) {
		if inside := filepath.Join(dir, datasetInSet); has(inside) {
			return usagef("%s has no %s: it is a training set, whose dataset is %s", dir, mark, inside)
		}
		return usagef("%s has no %s: it is not what this command works on", dir, mark)
	}
	return nil
}

// datasetOf opens the dataset that a set was made of: dir, or the one that run
// keeps in the set. Nil is none.
func datasetOf(ctx context.Context, out, dir string) (storage.Store, error) {
	if dir != "" {
		return openStore(ctx, dir, datasetMark, false)
	}
	inside := below(out, datasetInSet)
	if storage.IsS3(inside) {
		store, err := newS3(ctx, inside)
		if err != nil {
			return nil, err
		}
		if _, err := store.Stat(ctx, datasetMark); errors.Is(err, fs.ErrNotExist) {
			return nil, nil
		}
		return store, nil
	}
	if _, err := os.Stat(inside); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return storage.NewLocal(inside)
}

// checkApart refuses a dataset and a set of which one lies where the other keeps files
// of its own: each removes what it does not know there. A set may lie in the dataset's
// folder and, as run has it, a dataset in the set's.
func checkApart(data, set string) error {
	inside := func(inner, outer string, own ...string) bool {
		rest, ok := strings.CutPrefix(trueLocation(inner)+"/", trueLocation(outer)+"/")
		first, _, _ := strings.Cut(rest, "/")
		return ok && (first == "" || slices.Contains(own, first))
	}
	if inside(set, data, dataset.Folders()...) {
		return usagef("-o %s: the dataset %s keeps files of its own there; name another folder for the set", set, data)
	}
	if inside(data, set, shards.Folders()...) {
		return usagef("the dataset %s: the set %s keeps files of its own there; name another folder for one of them", data, set)
	}
	return nil
}

// trueLocation is a location without links and detours, as far as it is there.
func trueLocation(location string) string {
	if storage.IsS3(location) {
		return strings.TrimRight(location, "/")
	}
	path, err := filepath.Abs(location)
	if err != nil {
		return location
	}
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return real
	}
	if up := filepath.Dir(path); up != path {
		return filepath.Join(trueLocation(up), filepath.Base(path))
	}
	return path
}

// openSet opens a finished training set.
func openSet(ctx context.Context, location string) (storage.Store, error) {
	return openStore(ctx, location, shards.ManifestName, false)
}
