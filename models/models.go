// Package models carries inside the binary the model that comes with the program,
// so that one file is enough to label with, and the cards of those whose weights
// their owners give out, which say how to get them.
package models

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

//go:embed */model.yaml small/small.onnx
var builtin embed.FS

// Unpack writes the built-in models below cache, in a folder named by their
// contents, and returns it. What is there already is left alone.
func Unpack(cache string) (dir string, err error) {
	sum := sha256.New()
	var files []string
	err = fs.WalkDir(builtin, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := builtin.ReadFile(name)
		if err != nil {
			return err
		}
		fmt.Fprintf(sum, "%s %d\n", name, len(data))
		sum.Write(data) // a hash never fails to write
		files = append(files, name)
		return nil
	})
	if err != nil {
		return "", fmt.Errorf("built-in models: %w", err)
	}
	dir = filepath.Join(cache, "builtin-models", hex.EncodeToString(sum.Sum(nil))[:16])
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	if err := unpack(files, dir); err != nil {
		return "", fmt.Errorf("unpack the built-in models: %w", err)
	}
	return dir, nil
}

// unpack makes the folder whole or not at all: beside its place, then renamed.
func unpack(files []string, dir string) (err error) {
	if err := os.MkdirAll(filepath.Dir(dir), 0o777); err != nil {
		return err
	}
	tmp, err := os.MkdirTemp(filepath.Dir(dir), ".unpack.*.tmp")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(tmp)) }()
	if err := os.Chmod(tmp, 0o755); err != nil {
		return err
	}
	for _, name := range files {
		data, err := builtin.ReadFile(name)
		if err != nil {
			return err
		}
		path := filepath.Join(tmp, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, data, 0o644); err != nil {
			return err
		}
	}
	if err := os.Rename(tmp, dir); err != nil && !errors.Is(err, fs.ErrExist) {
		return err // fs.ErrExist: another process was faster, with the same bytes
	}
	return nil
}
