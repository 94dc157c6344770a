package card

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// Install copies a model's card and files into a folder of its name below dir,
// compares the copies' checksums, and puts them there once check has accepted them
// where they lie. It is there whole or not at all; one that is there already is
// an error that wraps [os.ErrExist].
func (c *Card) Install(ctx context.Context, dir string, check func(copied *Card) error) (_ *Card, err error) {
	to := filepath.Join(dir, c.Name)
	if _, err := os.Lstat(to); err == nil {
		return nil, fmt.Errorf("model %s: %s: %w; remove that folder first to replace it", c.Name, to, os.ErrExist)
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, err
	}
	tmp, err := os.MkdirTemp(dir, ".add.*.tmp")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(tmp)) }()
	made := filepath.Join(tmp, c.Name)
	if err := os.Mkdir(made, 0o755); err != nil {
		return nil, err
	}
	files := []string{FileName}
	for _, f := range c.Files {
		files = append(files, filepath.FromSlash(f.Path))
	}
	for _, f := range files {
		if err := copyFile(ctx, filepath.Join(made, f), filepath.Join(c.Dir, f)); err != nil {
			return nil, fmt.Errorf("model %s: %w", c.Name, err)
		}
	}
	copied, err := Load(made)
	if err != nil {
		return nil, err
	}
	if err := copied.Verify(ctx); err != nil {
		return nil, err
	}
	if err := check(copied); err != nil {
		return nil, err
	}
	copied.Dir = to
	return copied, os.Rename(made, to)
}

func copyFile(ctx context.Context, to, from string) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		if _, err := io.CopyN(out, in, 64<<20); errors.Is(err, io.EOF) {
			return out.Sync()
		} else if err != nil {
			return err
		}
	}
}
