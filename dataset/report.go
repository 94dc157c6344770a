package dataset

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"micodata/internal/table"
	"micodata/storage"
)

// Cost is what some work took. It is printed and kept in accounts beside the
// data, never in it: two runs never cost the same.
type Cost struct {
	// CPU is the processor time of this process and its children. The sum over
	// all that a run did is measured; how much of it went into work that ran at
	// the same time as other work is an estimate (see engine.Local).
	CPU time.Duration `json:"cpu_ns"`
	GPU time.Duration `json:"gpu_ns"`
	// Wall is from begin to end. Work overlaps: sums may exceed the run's time.
	Wall  time.Duration `json:"wall_ns"`
	Bytes int64         `json:"bytes"` // read from sources
}

// Add sums costs.
func (c Cost) Add(o Cost) Cost {
	return Cost{c.CPU + o.CPU, c.GPU + o.GPU, c.Wall + o.Wall, c.Bytes + o.Bytes}
}

// Report counts the rows of a part, or of many.
type Report struct {
	Rows    int `json:"rows"`
	OK      int `json:"ok"`
	Failed  int `json:"failed"`
	Skipped int `json:"skipped"`
	// PassedOn rows only repeat what a stage before said of a source or a clip that
	// it could not use. They count there, and neither as failed nor as skipped here.
	PassedOn int           `json:"passed_on,omitempty"`
	Classes  map[Class]int `json:"classes,omitempty"` // of failed and skipped rows
	Seconds  float64       `json:"seconds"`           // of OK clips
	Cost     Cost          `json:"cost"`
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

// Split is the share of one of n outputs that were made together: of the cost,
// not of the rows, which each of them has.
func (r Report) Split(n int) Report {
	d := time.Duration(n)
	r.Cost = Cost{r.Cost.CPU / d, r.Cost.GPU / d, r.Cost.Wall / d, r.Cost.Bytes / int64(n)}
	return r
}

// Merge adds another report.
func (r *Report) Merge(o Report) {
	r.Rows += o.Rows
	r.OK += o.OK
	r.Failed += o.Failed
	r.Skipped += o.Skipped
	r.PassedOn += o.PassedOn
	r.Seconds += o.Seconds
	r.Cost = r.Cost.Add(o.Cost)
	for c, n := range o.Classes {
		if r.Classes == nil {
			r.Classes = map[Class]int{}
		}
		r.Classes[c] += n
	}
}

// CostName is the object that keeps what making a part cost: beside the data,
// because the same data never costs the same twice.
func CostName(stage string, part int) string {
	return fmt.Sprintf("%s%s/part-%05d.json", costFolder, stage, part)
}

const costFolder = "cost/"

// SaveCost records the report of a committed part.
func SaveCost(ctx context.Context, s storage.Store, stage string, part int, r Report) error {
	data, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("encode cost: %w", err)
	}
	return storage.WriteAll(ctx, s, CostName(stage, part), storage.Replace, append(data, '\n'))
}

// maxReportBytes bounds the record of a part's report, which has a number a class.
const maxReportBytes = 1 << 20

// savedReport is what [SaveCost] recorded; ok is false if there is no such record
// or nobody can read it, as records are a courtesy.
func savedReport(ctx context.Context, s storage.Store, stage string, part int) (r Report, ok bool, err error) {
	data, err := storage.ReadAll(ctx, s, CostName(stage, part), maxReportBytes)
	if errors.Is(err, fs.ErrNotExist) {
		return Report{}, false, nil
	}
	if err != nil {
		return Report{}, false, err
	}
	if json.Unmarshal(data, &r) != nil || r.Rows <= 0 {
		return Report{}, false, nil //nolint:nilerr // a broken record is as good as none
	}
	return r, true, nil
}

// PartReport counts the rows of a committed part: by the record of the run that
// made it, or else, without the cost, by reading the part.
func PartReport(ctx context.Context, s storage.Store, stage string, part int) (Report, error) {
	if r, ok, err := savedReport(ctx, s, stage, part); ok || err != nil {
		return r, err
	}
	return CountPart(ctx, s, stage, part)
}

// CountPart counts the rows of a committed part by reading it and what the stage
// before said of the same sources or clips. It reads no blob and knows no cost.
func CountPart(ctx context.Context, s storage.Store, stage string, part int) (Report, error) {
	ended, err := Ended(ctx, s, stage, part)
	if err != nil {
		return Report{}, err
	}
	switch stage {
	case StageIngest:
		return countRows(ctx, s, SourceSchema, stage, part, func(r *Source) (Outcome, bool, float64) { return r.Outcome, false, 0 })
	case StageExtract:
		return countRows(ctx, s, ClipSchema, stage, part, func(r *Clip) (Outcome, bool, float64) { return r.Outcome, ended[r.SourceID], r.End - r.Start },
			"source_id", "start", "end")
	case StageDepth:
		return countRows(ctx, s, DepthSchema, stage, part, func(r *Depth) (Outcome, bool, float64) { return r.Outcome, ended[r.Key], 0 }, "key")
	case StageNormal:
		return countRows(ctx, s, NormalSchema, stage, part, func(r *Normal) (Outcome, bool, float64) { return r.Outcome, ended[r.Key], 0 }, "key")
	}
	return Report{}, fmt.Errorf("no stage is called %q", stage)
}

// Ended are what the stage before could not use of a part: ids of sources for
// extract, keys of clips for the labels.
func Ended(ctx context.Context, s storage.Store, stage string, part int) (map[string]bool, error) {
	ended := map[string]bool{}
	var err error
	switch stage {
	case StageExtract:
		_, err = ReadPart(ctx, s, SourceSchema, StageIngest, part, func(r *Source) error {
			if r.Status != OK {
				ended[r.ID] = true
			}
			return nil
		}, "source_id", "status")
	case StageDepth, StageNormal:
		_, err = ReadPart(ctx, s, ClipSchema, StageExtract, part, func(r *Clip) error {
			if r.Status != OK {
				ended[r.Key] = true
			}
			return nil
		}, "key", "status")
	}
	return ended, err
}

// countRows reads the status of a part's rows; row tells whether one is passed on,
// and its length in seconds.
func countRows[R any](ctx context.Context, s storage.Store, schema *table.Schema[R], stage string, part int, row func(*R) (o Outcome, passedOn bool, seconds float64), more ...string) (Report, error) {
	var report Report
	_, err := ReadPart(ctx, s, schema, stage, part, func(r *R) error {
		o, passedOn, seconds := row(r)
		if passedOn {
			report.Rows++
			report.PassedOn++
			return nil
		}
		report.Count(o)
		if o.Status == OK {
			report.Seconds += seconds
		}
		return nil
	}, append([]string{"status", "error_class"}, more...)...)
	return report, err
}

const (
	// reportReaders is how many records are read at once: on a network folder,
	// where each takes a few round trips, they wait rather than work.
	reportReaders = 16
	// reportBatch is how many reports are in memory. They are summed in order, so
	// that the same dataset gives the same sums to the last bit.
	reportBatch = 1024
)

// StageReport sums the reports of all committed parts of a stage.
func StageReport(ctx context.Context, s storage.Store, stage string) (Report, error) {
	parts, err := Parts(ctx, s, stage)
	if err != nil {
		return Report{}, err
	}
	var sum Report
	for batch := range slices.Chunk(parts, reportBatch) {
		reports := make([]Report, len(batch))
		g, gctx := errgroup.WithContext(ctx)
		g.SetLimit(reportReaders)
		for i, part := range batch {
			g.Go(func() (err error) {
				if err := gctx.Err(); err != nil {
					return err
				}
				reports[i], err = PartReport(gctx, s, stage, part)
				return err
			})
		}
		if err := g.Wait(); err != nil {
			return Report{}, err
		}
		for _, r := range reports {
			sum.Merge(r)
		}
	}
	return sum, nil
}
