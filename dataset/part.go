package dataset

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"time"

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

// Cost is what some work took. It is printed and kept in accounts beside the
// data, never in it: two runs never cost the same.
type Cost struct {
	CPU   time.Duration // of this process and its children
	GPU   time.Duration
	Wall  time.Duration
	Bytes int64 // read from sources
}

// Add sums costs.
func (c Cost) Add(o Cost) Cost {
	return Cost{c.CPU + o.CPU, c.GPU + o.GPU, c.Wall + o.Wall, c.Bytes + o.Bytes}
}

// Report counts the rows of a part, or of many.
type Report struct {
	Rows, OK, Failed, Skipped int
	Classes                   map[Class]int // of failed and skipped rows
	Seconds                   float64       // of OK clips
	Cost                      Cost
}

// Count adds a row.
func (r *Report) Count(o Outcome) {
	r.Rows++
	switch o.Status {
	case OK:
		r.OK++
		return
	case Skipped:
		r.Skipped++
	default:
		r.Failed++
	}
	if r.Classes == nil {
		r.Classes = map[Class]int{}
	}
	r.Classes[o.Class]++
}

// Merge adds another report.
func (r *Report) Merge(o Report) {
	r.Rows += o.Rows
	r.OK += o.OK
	r.Failed += o.Failed
	r.Skipped += o.Skipped
	r.Seconds += o.Seconds
	r.Cost = r.Cost.Add(o.Cost)
	for c, n := range o.Classes {
		if r.Classes == nil {
			r.Classes = map[Class]int{}
		}
		r.Classes[c] += n
	}
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

// PartReader reads one part file.
type PartReader[R any] struct {
	*table.Reader[R]
	Info   PartInfo
	object storage.Object
}

// OpenPart opens a part file; columns as in [table.ReaderOptions].
func OpenPart[R any](ctx context.Context, s storage.Store, schema *table.Schema[R], stage string, part int, columns ...string) (*PartReader[R], error) {
	name := PartName(stage, part)
	object, err := s.Open(ctx, name)
	if err != nil {
		return nil, err
	}
	r, err := schema.NewReader(object, table.ReaderOptions{Columns: columns})
	if err != nil {
		object.Close()
		return nil, fmt.Errorf("%s: %w", s.Path(name), err)
	}
	info := PartInfo{Stage: r.Metadata(MetaStage), Fingerprint: r.Metadata(MetaFingerprint), List: r.Metadata(MetaList), Last: r.Metadata(MetaLast) == "true"}
	info.Part, err = strconv.Atoi(r.Metadata(MetaPart))
	if err != nil || info.Stage != stage || info.Part != part {
		r.Close()
		object.Close()
		return nil, fmt.Errorf("%s says of itself that it is part %q of %q", s.Path(name), r.Metadata(MetaPart), info.Stage)
	}
	return &PartReader[R]{Reader: r, Info: info, object: object}, nil
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
			return PartInfo{}, fmt.Errorf("%s: %w", s.Path(PartName(stage, part)), err)
		}
		if err := each(row); err != nil {
			return PartInfo{}, err
		}
		if err := ctx.Err(); err != nil {
			return PartInfo{}, err
		}
	}
}

// CostName is the object that keeps what making a part cost: beside the data,
// because the same data never costs the same twice.
func CostName(stage string, part int) string {
	return fmt.Sprintf("cost/%s/part-%05d.json", stage, part)
}

// SaveCost records the cost of a committed part.
func SaveCost(ctx context.Context, s storage.Store, stage string, part int, r Report) error {
	data, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("encode cost: %w", err)
	}
	return storage.WriteAll(ctx, s, CostName(stage, part), storage.Replace, append(data, '\n'))
}
