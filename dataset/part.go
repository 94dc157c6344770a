package dataset

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"

	"micodata/internal/table"
	"micodata/storage"
)

// PartInfo identifies a part and says what made it; it is the part's footer
// metadata.
type PartInfo struct {
	Stage       string
	Part        int
	Fingerprint string
	List        string // MetaList, ingest only
	Last        bool   // MetaLast, ingest only
}

// PartWriter writes one part file, which appears whole at Commit or not at all.
type PartWriter[R any] struct {
	*table.Writer[R]
	object storage.Writer
}

// CreatePart starts a part file. Exclusive: whoever commits first has made it,
// and a later Commit fails with fs.ErrExist.
func CreatePart[R any](ctx context.Context, s storage.Store, schema *table.Schema[R], p PartInfo) (*PartWriter[R], error) {
	object, err := s.Create(ctx, PartName(p.Stage, p.Part), storage.Exclusive)
	if err != nil {
		return nil, err
	}
	md := []table.KeyValue{
		{Key: MetaStage, Value: p.Stage},
		{Key: MetaPart, Value: strconv.Itoa(p.Part)},
		{Key: MetaFingerprint, Value: p.Fingerprint},
	}
	if p.Stage == StageIngest {
		md = append(md, table.KeyValue{Key: MetaList, Value: p.List}, table.KeyValue{Key: MetaLast, Value: strconv.FormatBool(p.Last)})
	}
	return &PartWriter[R]{Writer: schema.NewWriter(object, table.WriterOptions{Metadata: md}), object: object}, nil
}

// Commit ends the file and puts it in place.
func (w *PartWriter[R]) Commit(ctx context.Context) error {
	if err := w.Writer.Close(); err != nil {
		return err
	}
	return w.object.Commit(ctx)
}

// Abort drops the file; after Commit it does nothing.
func (w *PartWriter[R]) Abort() error { return w.object.Abort() }

// PartReader reads one part file. What is wrong with it is a [*storage.Error].
type PartReader[R any] struct {
	*table.Reader[R]
	Info   PartInfo
	store  storage.Store
	object storage.Object
}

// Damaged is the error of a part that is not what it should be: the storage's,
// since parts are whole when they are committed.
func Damaged(s storage.Store, name string, err error) error {
	var own *storage.Error
	if errors.As(err, &own) {
		return err
	}
	maker := "the next run"
	if _, ok := PartIndex(StageIngest, name); ok {
		maker = "ingest with the same sources"
	}
	return &storage.Error{Op: "read", Path: s.Path(name), Err: fmt.Errorf("%w (remove the file, and %s makes it again)", err, maker)}
}

// OpenPart opens a part file; columns as in [table.ReaderOptions]. A part that
// cannot be read is a [*storage.Error].
func OpenPart[R any](ctx context.Context, s storage.Store, schema *table.Schema[R], stage string, part int, columns ...string) (*PartReader[R], error) {
	return openPart(ctx, s, schema, stage, part, table.ReaderOptions{Columns: columns})
}

// OpenPartWithoutBlobs opens a part file whose blobs are to be read by their places,
// if at all.
func OpenPartWithoutBlobs[R any](ctx context.Context, s storage.Store, schema *table.Schema[R], stage string, part int, columns ...string) (*PartReader[R], error) {
	return openPart(ctx, s, schema, stage, part, table.ReaderOptions{Columns: columns, NoBlobs: true})
}

func openPart[R any](ctx context.Context, s storage.Store, schema *table.Schema[R], stage string, part int, o table.ReaderOptions) (*PartReader[R], error) {
	name := PartName(stage, part)
	object, err := s.Open(ctx, name)
	if err != nil {
		return nil, err
	}
	r, err := schema.NewReader(object, o)
	if err != nil {
		object.Close()
		return nil, Damaged(s, name, err)
	}
	info := PartInfo{Stage: r.Metadata(MetaStage), Fingerprint: r.Metadata(MetaFingerprint), List: r.Metadata(MetaList), Last: r.Metadata(MetaLast) == "true"}
	info.Part, err = strconv.Atoi(r.Metadata(MetaPart))
	if err != nil || info.Stage != stage || info.Part != part {
		r.Close()
		object.Close()
		return nil, Damaged(s, name, fmt.Errorf("it says of itself that it is part %q of %q", r.Metadata(MetaPart), info.Stage))
	}
	return &PartReader[R]{Reader: r, Info: info, store: s, object: object}, nil
}

// Next is that of [table.Reader].
func (r *PartReader[R]) Next() (*R, error) {
	row, err := r.Reader.Next()
	return row, r.damaged(err)
}

// Skip is that of [table.Reader].
func (r *PartReader[R]) Skip(rows int64) error { return r.damaged(r.Reader.Skip(rows)) }

// Blobs is that of [table.Reader].
func (r *PartReader[R]) Blobs() ([]table.BlobPlace, error) {
	places, err := r.Reader.Blobs()
	return places, r.damaged(err)
}

func (r *PartReader[R]) damaged(err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	return Damaged(r.store, PartName(r.Info.Stage, r.Info.Part), err)
}

// Close closes the file.
func (r *PartReader[R]) Close() error {
	r.Reader.Close()
	return r.object.Close()
}

// ReadPart calls each for every row of a part file.
func ReadPart[R any](ctx context.Context, s storage.Store, schema *table.Schema[R], stage string, part int, each func(*R) error, columns ...string) (PartInfo, error) {
	r, err := OpenPart(ctx, s, schema, stage, part, columns...)
	if err != nil {
		return PartInfo{}, err
	}
	defer r.Close()
	for {
		row, err := r.Next()
		if err == io.EOF {
			return r.Info, nil
		}
		if err != nil {
			return PartInfo{}, err
		}
		if err := each(row); err != nil {
			return PartInfo{}, err
		}
		if err := ctx.Err(); err != nil {
			return PartInfo{}, err
		}
	}
}
