package main

import (
	"context"
	"sort"

	"micodata/dataset"
	"micodata/internal/table"
	"micodata/storage"
)

// stageState is what is known of a stage from its parts.
type stageState struct {
	dataset.Report
	Parts int `json:"parts"`
	// Errors are some of the failed rows.
	Errors []rowError `json:"errors,omitempty"`
}

type rowError struct {
	Key   string        `json:"key"`
	Class dataset.Class `json:"error_class"`
	Error string        `json:"error"`
}

// maxErrors is how many failed rows status names of each stage.
const maxErrors = 20

// stageReport sums up the committed parts of a stage. It reads rows, and no blob,
// only of parts that have failures to name.
func stageReport(ctx context.Context, s storage.Store, stage string) (stageState, error) {
	switch stage {
	case dataset.StageIngest:
		return nameFailures(ctx, s, dataset.SourceSchema, stage, "source_id", func(r *dataset.Source) (string, dataset.Outcome) { return r.ID + " " + r.URI, r.Outcome }, "uri")
	case dataset.StageExtract:
		return nameFailures(ctx, s, dataset.ClipSchema, stage, "key", func(r *dataset.Clip) (string, dataset.Outcome) { return r.Key, r.Outcome })
	case dataset.StageDepth:
		return nameFailures(ctx, s, dataset.DepthSchema, stage, "key", func(r *dataset.Depth) (string, dataset.Outcome) { return r.Key, r.Outcome })
	default:
		return nameFailures(ctx, s, dataset.NormalSchema, stage, "key", func(r *dataset.Normal) (string, dataset.Outcome) { return r.Key, r.Outcome })
	}
}

func nameFailures[R any](ctx context.Context, s storage.Store, schema *table.Schema[R], stage, key string, outcome func(*R) (string, dataset.Outcome), more ...string) (stageState, error) {
	var st stageState
	parts, err := dataset.Parts(ctx, s, stage)
	if err != nil {
		return st, err
	}
	st.Parts = len(parts)
	if st.Report, err = dataset.StageReport(ctx, s, stage); err != nil {
		return st, err
	}
	named := min(st.Failed, maxErrors)
	columns := append([]string{key, "status", "error_class", "error"}, more...)
	for _, i := range parts {
		if len(st.Errors) >= named {
			break
		}
		if r, err := dataset.PartReport(ctx, s, stage, i); err != nil {
			return st, err
		} else if r.Failed == 0 {
			continue
		}
		if _, err := dataset.ReadPart(ctx, s, schema, stage, i, func(r *R) error {
			if name, o := outcome(r); o.Status == dataset.Failed && len(st.Errors) < named {
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
