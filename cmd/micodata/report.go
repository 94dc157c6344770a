package main

import (
	"context"
	"fmt"
	"sort"

	"micodata/dataset"
	"micodata/internal/table"
	"micodata/storage"
)

// stageState is what is known of a stage from its parts.
type stageState struct {
	dataset.Report
	Parts int `json:"parts"`
	// Errors are some of the rows that failed or, if asked for, were skipped.
	Errors []rowError `json:"errors,omitempty"`
}

type rowError struct {
	Key   string        `json:"key"`
	Class dataset.Class `json:"error_class"`
	Error string        `json:"error"`
}

func (e rowError) String() string {
	return oneLine(fmt.Sprintf("%s: %s: %s", e.Key, e.Class, e.Error))
}

// maxErrors is how many rows status names of each stage.
const maxErrors = 20

// stageReport sums up the committed parts of a stage, and names rows of a status
// other than OK. It reads rows, and no blob, only of parts that have some to name.
func stageReport(ctx context.Context, s storage.Store, stage, status string) (stageState, error) {
	switch stage {
	case dataset.StageIngest:
		return nameRows(ctx, s, dataset.SourceSchema, stage, status, func(r *dataset.Source) (string, string, dataset.Outcome) {
			return r.ID + " " + r.URI, r.ID, r.Outcome
		}, "source_id", "uri")
	case dataset.StageExtract:
		return nameRows(ctx, s, dataset.ClipSchema, stage, status, func(r *dataset.Clip) (string, string, dataset.Outcome) {
			return r.Key, r.SourceID, r.Outcome
		}, "key", "source_id")
	case dataset.StageDepth:
		return nameRows(ctx, s, dataset.DepthSchema, stage, status, func(r *dataset.Depth) (string, string, dataset.Outcome) {
			return r.Key, r.Key, r.Outcome
		}, "key")
	default:
		return nameRows(ctx, s, dataset.NormalSchema, stage, status, func(r *dataset.Normal) (string, string, dataset.Outcome) {
			return r.Key, r.Key, r.Outcome
		}, "key")
	}
}

// nameRows reads of rows what names them, and what the stage before knows them by.
func nameRows[R any](ctx context.Context, s storage.Store, schema *table.Schema[R], stage, status string, row func(*R) (name, before string, o dataset.Outcome), columns ...string) (stageState, error) {
	var st stageState
	parts, err := dataset.Parts(ctx, s, stage)
	if err != nil {
		return st, err
	}
	st.Parts = len(parts)
	if st.Report, err = dataset.StageReport(ctx, s, stage); err != nil {
		return st, err
	}
	have := func(r dataset.Report) int {
		if status == dataset.Skipped {
			return r.Skipped
		}
		return r.Failed
	}
	named := min(have(st.Report), maxErrors)
	columns = append(columns, "status", "error_class", "error")
	for _, i := range parts {
		if len(st.Errors) >= named {
			break
		}
		if r, err := dataset.PartReport(ctx, s, stage, i); err != nil {
			return st, err
		} else if have(r) == 0 {
			continue
		}
		ended, err := dataset.Ended(ctx, s, stage, i)
		if err != nil {
			return st, err
		}
		if _, err := dataset.ReadPart(ctx, s, schema, stage, i, func(r *R) error {
			if name, before, o := row(r); o.Status == status && !ended[before] && len(st.Errors) < named {
				st.Errors = append(st.Errors, rowError{name, o.Class, o.Error})
			}
			return nil
		}, columns...); err != nil {
			return st, err
		}
	}
	return st, nil
}

// stagesOf lists a dataset's stages in the order of the data's way.
func stagesOf(f *dataset.Frozen) []string {
	rank := map[string]int{dataset.StageIngest: 0, dataset.StageExtract: 1, dataset.StageDepth: 2, dataset.StageNormal: 3}
	var out []string
	for name := range f.Stages {
		if _, known := rank[name]; known {
			out = append(out, name)
		}
	}
	sort.Slice(out, func(i, j int) bool { return rank[out[i]] < rank[out[j]] })
	return out
}
