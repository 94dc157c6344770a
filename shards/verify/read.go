package verify

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"io/fs"

	"micodata/internal/table"
	"micodata/shards"
	"micodata/storage"
)

// hashed is an object whose bytes are hashed as they are read for the first time, so
// that a shard is read once: its pages stand in the order in which they are wanted.
// Reads may not run concurrently.
type hashed struct {
	storage.Object
	sum hash.Hash
	at  int64 // of the first byte that is not hashed
}

// maxHashGap is how far ahead of what was hashed a read may begin, so that what lies
// between is read too; the footer is read first, and lies farther. It is above the 4
// bytes in front of the first page.
const maxHashGap = 64 << 10

// ReadAt implements [io.ReaderAt].
func (h *hashed) ReadAt(p []byte, off int64) (int, error) {
	if off > h.at && off-h.at <= maxHashGap {
		if err := h.upTo(off); err != nil {
			return 0, err
		}
	}
	n, err := h.Object.ReadAt(p, off)
	if skip := h.at - off; skip >= 0 && skip < int64(n) {
		h.sum.Write(p[skip:n])
		h.at = off + int64(n)
	}
	return n, err
}

// upTo hashes what is before an offset.
func (h *hashed) upTo(end int64) error {
	_, err := io.Copy(h.sum, io.NewSectionReader(h.Object, h.at, end-h.at))
	h.at = end
	return err
}

// finish is the sha256 of the whole object, hex.
func (h *hashed) finish(ctx context.Context) (string, error) {
	for h.at < h.Size() {
		if err := h.upTo(min(h.Size(), h.at+1<<20)); err != nil {
			return "", cmp.Or(storage.Fault(ctx, err), err)
		}
		if err := ctx.Err(); err != nil {
			return "", err
		}
	}
	return hex.EncodeToString(h.sum.Sum(nil)), nil
}

// indexRows reads index.parquet once for all shards: its rows follow each other as
// the shards do.
type indexRows struct {
	v      *verifier
	object storage.Object
	r      *table.Reader[shards.IndexRow] // nil if there is no more to read
}

func (v *verifier) openIndex(ctx context.Context) (*indexRows, error) {
	x := &indexRows{v: v}
	o, err := v.Out.Open(ctx, shards.IndexName)
	if errors.Is(err, fs.ErrNotExist) {
		return x, nil // has its problem already
	}
	if err != nil {
		return nil, err
	}
	x.object = o
	if x.r, err = shards.IndexSchema.NewReader(o, table.ReaderOptions{}); err != nil {
		x.r = nil
		if fault := storage.Fault(ctx, err); fault != nil {
			return nil, errors.Join(fault, o.Close())
		}
		v.fileProblem(shards.IndexName, "index", "%v", err)
	}
	return x, nil
}

// next is the rows of the next shard, as many as there are.
func (x *indexRows) next(ctx context.Context, s shards.Shard) (rows []*shards.IndexRow, err error) {
	for x.r != nil && int64(len(rows)) < s.Rows {
		row, err := x.r.Next()
		if err == nil {
			x.v.index.add(s.Split, &row.Tuple)
			rows = append(rows, row)
			continue
		}
		if fault := storage.Fault(ctx, err); fault != nil {
			return nil, fault
		}
		x.v.fileProblem(shards.IndexName, "index", "rows of %s: %v", s.Name, err)
		x.r = nil
	}
	return rows, ctx.Err()
}

// end looks for rows of no shard.
func (x *indexRows) end(ctx context.Context) error {
	if x.r == nil {
		return nil
	}
	row, err := x.r.Next()
	switch {
	case err == io.EOF:
		x.v.index.isWhole = true
	case err != nil:
		if fault := storage.Fault(ctx, err); fault != nil {
			return fault
		}
		x.v.fileProblem(shards.IndexName, "index", "%v", err)
	default:
		x.v.fileProblem(shards.IndexName, "index", "has a row of no shard, of key %s", row.Key)
	}
	return nil
}

func (x *indexRows) close() {
	if x.object != nil {
		_ = x.object.Close() // it was only read
	}
}

// eachRow reads a shard row by row.
func eachRow(o storage.Object, schema *table.Schema[shards.Tuple], opts table.ReaderOptions, each func(row int64, t *shards.Tuple) error) error {
	r, err := schema.NewReader(o, opts)
	if err != nil {
		return err
	}
	defer r.Close()
	for row := int64(0); ; row++ {
		t, err := r.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if err := each(row, t); err != nil {
			return err
		}
	}
}
