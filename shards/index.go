package shards

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"math"
	"slices"
	"strings"

	"micodata/dataset"
	"micodata/internal/table"
	"micodata/storage"
)

// IndexRow is a row of index.parquet: a tuple without its blobs, and where they
// are.
type IndexRow struct {
	Tuple
	Shard    string // object name of its shard
	RowGroup int32  // in the shard
	Row      int64  // in the shard
	// Places of the tuple's own blobs, by column name; of Frames by element.
	Image, Video, Audio, Depth, Normal Place
	Frames                             []FramePlace
}

// Place is where a blob's bytes stand in its shard; nil for a null.
type Place struct{ Offset, Size *int64 }

// FramePlace is a frame and the places of its blobs.
type FramePlace struct {
	Time                 float64
	Image, Depth, Normal Place
}

// IndexSchema is the schema of index.parquet.
var IndexSchema = table.NewSchema(append(
	tupleColumns(func(r *IndexRow) *Tuple { return &r.Tuple }, indexMedia, indexFrames()),
	table.Value("shard", func(r *IndexRow) *string { return &r.Shard }),
	table.Value("row_group", func(r *IndexRow) *int32 { return &r.RowGroup }),
	table.Value("row", func(r *IndexRow) *int64 { return &r.Row }),
)...)

func indexMedia(name string, _ func(*Tuple) *table.Blob) []table.Column[IndexRow] {
	return placeColumns(name, func(r *IndexRow) *Place { return r.place(name) })
}

func placeColumns[R any](name string, at func(*R) *Place) []table.Column[R] {
	return []table.Column[R]{
		table.Optional(name+"_offset", func(r *R) **int64 { return &at(r).Offset }),
		table.Optional(name+"_size", func(r *R) **int64 { return &at(r).Size }),
	}
}

func indexFrames() table.Column[IndexRow] {
	cols := []table.Column[FramePlace]{table.Value("time", func(f *FramePlace) *float64 { return &f.Time })}
	for _, name := range []string{"image", "depth", "normal"} {
		cols = append(cols, placeColumns(name, func(f *FramePlace) *Place { return f.place(name) })...)
	}
	return table.List("frames", func(r *IndexRow) *[]FramePlace { return &r.Frames }, cols...)
}

func (r *IndexRow) place(column string) *Place {
	switch column {
	case "image":
		return &r.Image
	case "video":
		return &r.Video
	case "audio":
		return &r.Audio
	case "depth":
		return &r.Depth
	case "normal":
		return &r.Normal
	}
	panic("shards: no blob column " + column)
}

func (f *FramePlace) place(field string) *Place {
	switch field {
	case "image":
		return &f.Image
	case "depth":
		return &f.Depth
	case "normal":
		return &f.Normal
	}
	panic("shards: no blob in frames named " + field)
}

var framesPath = table.ElementPath("frames") + "."

// set puts a blob's place into its row.
func (r *IndexRow) set(p table.BlobPlace) error {
	place := Place{Offset: &p.Offset, Size: &p.Size}
	column := strings.TrimSuffix(p.Column, ".bytes")
	field, ofFrame := strings.CutPrefix(column, framesPath)
	if !ofFrame {
		*r.place(column) = place
		return nil
	}
	if p.Elem >= len(r.Frames) {
		return fmt.Errorf("row %d has %d frames, and a blob for frame %d", p.Row, len(r.Frames), p.Elem)
	}
	*r.Frames[p.Elem].place(field) = place
	return nil
}

// IndexShard makes the index's rows of a shard, an object's name, from its scalar
// columns and its footer; no blob is read. Errors are the storage's, or say what is
// wrong with the file.
func IndexShard(ctx context.Context, s storage.Store, schema *table.Schema[Tuple], shard string) ([]*IndexRow, error) {
	o, err := s.Open(ctx, shard)
	if err != nil {
		return nil, err
	}
	defer o.Close()
	columns := slices.DeleteFunc(schema.Columns(), func(c string) bool { return slices.Contains(ownBlobs, c) })
	r, err := schema.NewReader(o, table.ReaderOptions{Columns: columns, NoBlobs: true}) // of frames the times are read
	if err != nil {
		return nil, err
	}
	defer r.Close()
	places, err := r.Blobs()
	if err != nil {
		return nil, err
	}
	byRow := make([][]table.BlobPlace, r.Rows())
	for _, p := range places {
		byRow[p.Row] = append(byRow[p.Row], p)
	}
	var out []*IndexRow
	for group, rows := range r.RowGroups() {
		for range rows {
			t, err := r.Next()
			if err != nil {
				return nil, err
			}
			row := int64(len(out))
			x := &IndexRow{Tuple: *t, Shard: shard, RowGroup: int32(group), Row: row}
			for _, f := range t.Frames {
				x.Frames = append(x.Frames, FramePlace{Time: f.Time})
			}
			x.Tuple.Frames = nil // of which no media were read
			for _, p := range byRow[row] {
				if err := x.set(p); err != nil {
					return nil, err
				}
			}
			out = append(out, x)
		}
	}
	return out, ctx.Err()
}

// Shards that are read ahead of the index's writing: each waits for some answers, one
// after the other. Their rows are in memory, some 2 KB each; those of one shard may be
// more.
const shardsAhead, rowsAhead = 16, 1 << 16

// indexRowGroupBytes is a balance: each row group adds some 8 kB to the footer, which
// whoever looks for one tuple reads (17 MB for 100 million of them), and readers
// hold one row group.
const indexRowGroupBytes = 64 << 20

// writeIndex makes index.parquet of all shards and shows each row to see.
func writeIndex(ctx context.Context, s storage.Store, m *Manifest, see func(*IndexRow)) error {
	object, err := s.Create(ctx, IndexName, storage.Replace)
	if err != nil {
		return err
	}
	defer object.Abort()
	out := &summed{w: object, sum: sha256.New()}
	w := IndexSchema.NewWriter(out, table.WriterOptions{RowGroupBytes: indexRowGroupBytes, Metadata: []table.KeyValue{{Key: dataset.MetaFingerprint, Value: m.Fingerprint}}})
	schema := NewTupleSchema(m.AudioRate)
	ahead := window{values: shardsAhead, weight: rowsAhead, of: func(i int) int64 { return m.Shards[i].Rows }}
	err = inOrder(ctx, len(m.Shards), ahead, func(ctx context.Context, i int) ([]*IndexRow, error) {
		rows, err := IndexShard(ctx, s, schema, m.Shards[i].Name)
		if err != nil {
			return nil, fmt.Errorf("index %s: %w", m.Shards[i].Name, err)
		}
		return rows, nil
	}, func(_ int, rows []*IndexRow) error {
		for _, x := range rows {
			see(x)
			if err := w.Write(x); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	m.Index = File{Name: IndexName, Rows: w.Rows(), Bytes: out.n, SHA256: hex.EncodeToString(out.sum.Sum(nil))}
	return object.Commit(ctx)
}

// summed counts and hashes what is written.
type summed struct {
	w   io.Writer
	sum hash.Hash
	n   int64
}

func (s *summed) Write(p []byte) (int, error) {
	n, err := s.w.Write(p)
	s.sum.Write(p[:n]) // a hash takes all
	s.n += int64(n)
	return n, err
}

// ReadIndex calls each for every tuple of a finished set, in the order of its
// shards, without reading a shard. Columns are those of the index to read; none
// means all. What is wrong with the index is a [*storage.Error].
func ReadIndex(ctx context.Context, s storage.Store, each func(*IndexRow) error, columns ...string) error {
	o, err := s.Open(ctx, IndexName)
	if err != nil {
		return Damaged(s, IndexName, err)
	}
	defer o.Close()
	r, err := IndexSchema.NewReader(o, table.ReaderOptions{Columns: columns})
	if err != nil {
		return Damaged(s, IndexName, err)
	}
	defer r.Close()
	for {
		x, err := r.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return Damaged(s, IndexName, err)
		}
		if err := errors.Join(each(x), ctx.Err()); err != nil {
			return err
		}
	}
}

// indexRow reads the named columns of the tuple with the key; nil if there is none.
// What is wrong with the index is a [*storage.Error].
func indexRow(ctx context.Context, s storage.Store, key string, columns ...string) (_ *IndexRow, err error) {
	defer func() { err = Damaged(s, IndexName, err) }()
	o, err := s.Open(ctx, IndexName)
	if err != nil {
		return nil, err
	}
	defer o.Close()
	r, err := IndexSchema.NewReader(o, table.ReaderOptions{Columns: columns})
	if err != nil {
		return nil, err
	}
	defer r.Close()
	row, err := r.Find("key", key)
	if err != nil || row < 0 {
		return nil, err
	}
	if err := r.Skip(row); err != nil {
		return nil, err
	}
	return r.Next()
}

// ReadBlob reads one blob by its place: one range of the shard, with the page's header
// before it, whose checksum is compared. It is nil where the place is. What is wrong
// with the shard is a [*storage.Error].
func ReadBlob(ctx context.Context, s storage.Store, shard string, p Place) ([]byte, error) {
	if p.Offset == nil || p.Size == nil {
		return nil, nil
	}
	place := table.BlobPlace{Offset: *p.Offset, Size: *p.Size}
	if err := checkPlace(place); err != nil {
		return nil, Damaged(s, IndexName, fmt.Errorf("%w in %s", err, shard))
	}
	blobs, err := readBlobs(ctx, s, shard, []table.BlobPlace{place})
	if err != nil {
		return nil, Damaged(s, shard, err)
	}
	return blobs[0], nil
}

// checkPlace refuses what can be no place of a blob: a file may say anything.
func checkPlace(p table.BlobPlace) error {
	if p.Offset < 0 || p.Size < 0 || p.Size > table.MaxBlobBytes || p.Offset > math.MaxInt64-p.Size {
		return fmt.Errorf("it has a blob of %d bytes at %d", p.Size, p.Offset)
	}
	return nil
}

// blobGap joins reads of blobs that lie no farther apart.
const blobGap = 64 << 10

// maxJoined bounds a joined read.
const maxJoined = 16 << 20

// readBlobs reads blobs of one file by their places, neighbours by one range.
func readBlobs(ctx context.Context, s storage.Store, name string, places []table.BlobPlace) ([][]byte, error) {
	order := make([]int, len(places))
	for i, p := range places {
		if err := checkPlace(p); err != nil {
			return nil, err
		}
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(places[a].Offset, places[b].Offset) })
	blobs := make([][]byte, len(places))
	for i := 0; i < len(order); {
		first := places[order[i]]
		start, end, n := max(0, first.Offset-table.BlobMargin), first.Offset+first.Size, i+1
		for ; n < len(order); n++ {
			next := places[order[n]]
			if next.Offset-end > blobGap || next.Offset+next.Size-start > maxJoined {
				break
			}
			end = max(end, next.Offset+next.Size) // in a damaged file they may overlap
		}
		data, err := s.ReadRange(ctx, name, start, end-start)
		if err != nil {
			return nil, err
		}
		for _, k := range order[i:n] {
			p := places[k]
			near := data[max(0, p.Offset-table.BlobMargin-start) : p.Offset+p.Size-start]
			if blobs[k], err = table.CutBlob(near, p.Size); err != nil {
				return nil, err
			}
		}
		i = n
	}
	return blobs, nil
}
