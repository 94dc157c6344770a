package extract

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"

	"micodata/dataset"
)

// checkUnchanged makes sure that a source's media are what was ingested: its
// probe, its identity and the rest of its row would be another file's. Hashing is
// cheap beside decoding.
func checkUnchanged(ctx context.Context, path string, s *dataset.Source) error {
	err := compareMedia(ctx, path, s)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return dataset.Fail(dataset.NotFound, "%w", err)
	case errors.Is(err, fs.ErrPermission):
		return dataset.Fail(dataset.Forbidden, "%w", err)
	case err == nil, ctx.Err() != nil:
		return err
	}
	if _, ok := dataset.AsItem(err); ok {
		return err
	}
	return dataset.Fail(dataset.Corrupt, "%w", err) // the disk says so
}

func compareMedia(ctx context.Context, path string, s *dataset.Source) error {
	info, err := os.Stat(path) // not opened yet: it may have become a pipe
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() || info.Size() != s.Bytes {
		return dataset.Fail(dataset.Corrupt, "changed since it was ingested: %d bytes, not %d", info.Size(), s.Bytes)
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	hash := sha256.New()
	if _, err := io.Copy(hash, &contextReader{ctx, f}); err != nil {
		return err
	}
	if hex.EncodeToString(hash.Sum(nil)) != s.SHA256 {
		return dataset.Fail(dataset.Corrupt, "changed since it was ingested: its SHA-256 is another")
	}
	return nil
}

// contextReader ends with its context, which io.Copy of a long file would not.
type contextReader struct {
	ctx context.Context //nolint:containedctx // of the one call that reads
	r   io.Reader
}

func (r *contextReader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.Read(p)
}
