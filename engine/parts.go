package engine

import (
	"context"

	"micodata/dataset"
	"micodata/storage"
)

// committed tells which parts of a stage exist.
func committed(ctx context.Context, s storage.Store, stage string) (map[int]bool, error) {
	list, err := dataset.Parts(ctx, s, stage)
	if err != nil {
		return nil, err
	}
	parts := make(map[int]bool, len(list))
	for _, i := range list {
		parts[i] = true
	}
	return parts, nil
}

// PartCount is the number of a stage's parts that exist without a gap, from 0.
func PartCount(ctx context.Context, s storage.Store, stage string) (int, error) {
	parts, err := dataset.Parts(ctx, s, stage)
	if err != nil {
		return 0, err
	}
	n := 0
	for n < len(parts) && parts[n] == n {
		n++
	}
	return n, nil
}
