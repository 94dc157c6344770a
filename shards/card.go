package shards

import (
	"context"

	"micodata/storage"
)

func (e *Env) writeCard(ctx context.Context, m *Manifest, stats *Stats) error {
	return storage.WriteAll(ctx, e.Out, CardName, storage.Replace, []byte("# card\n"))
}
