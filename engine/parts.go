package engine

import (
	"context"

	"micodata/dataset"
	"micodata/storage"
)

// committed tells which parts of a stage exist.
func committed(ctx context.Context, s storage.Store, stage string) (map[int]bool, error) {
	objects, err := s.List(ctx, stage+"/")
	if err != nil {
		return nil, err
	}
	parts := map[int]bool{}
	for _, o := range objects {
		if i, ok := dataset.PartIndex(stage, o.Name); ok {
			parts[i] = true
		}
	}
	return parts, nil
}

// PartCount is the number of a stage's parts that exist without a gap, from 0.
func PartCount(ctx context.Context, s storage.Store, stage string) (int, error) {
	parts, err := committed(ctx, s, stage)
	if err != nil {
		return 0, err
	}
	n := 0
	for parts[n] {
		n++
	}
	return n, nil
}
