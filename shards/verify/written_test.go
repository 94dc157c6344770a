package verify

import (
	"testing"

	"micodata/dataset"
	"micodata/shards"
	"micodata/shards/testset"
)

// What shards.Write makes keeps every promise, by whatever settings and of whatever
// parts.
func TestVerifyWritten(t *testing.T) {
	plain := func(*shards.Env) {}
	for name, c := range map[string]struct {
		parts []testset.Part
		set   func(*shards.Env)
	}{
		"lost maps of frames":     {testset.PartsWithLostMaps(t), plain},
		"without labels":          {testset.Parts(t)[:1], func(e *shards.Env) { e.Labels = nil }},
		"without images":          {testset.Parts(t), func(e *shards.Env) { e.Columns = []string{"video", "audio", "depth", "normal", "frames"} }},
		"without video, frames":   {testset.Parts(t), func(e *shards.Env) { e.Columns = []string{"image", "audio", "depth", "normal"} }},
		"without sound and maps":  {testset.Parts(t), func(e *shards.Env) { e.Columns = []string{"image", "video", "frames"} }},
		"all is train, not valid": {testset.Parts(t)[:1], func(e *shards.Env) { e.Splits = shards.Splits{Train: 0.001, Validation: 0.999} }},
		"all is train, not test":  {testset.Parts(t)[:1], func(e *shards.Env) { e.Splits = shards.Splits{Train: 0.001, Test: 0.999} }},
		"shuffled":                {testset.Parts(t), func(e *shards.Env) { e.Shuffle, e.RowGroupBytes, e.ShardBytes = 7, 300<<10, 1<<20 }},
		"shuffled, and less of it": {testset.Parts(t), func(e *shards.Env) {
			e.Shuffle, e.RowGroupBytes, e.ShardBytes = 7, 300<<10, 1<<20
			e.Exclude, e.Columns = []string{"b.00000"}, []string{"image", "depth"}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			env := newEnv(t, c.parts)
			c.set(&env)
			write(t, env)
			for _, p := range verify(t, env.Out).Problems {
				t.Error(p)
			}
		})
	}
}

// The set of a part that was made again takes the place of the one before.
func TestVerifyChangedParts(t *testing.T) {
	p := testset.Parts(t)[:1]
	env := newEnv(t, p)
	write(t, env)
	env.Dataset = testset.Local(t)
	p[0].Rows[1] = testset.NewRow(testset.Make(t, 2, 0), dataset.Key("a", 1), 2)
	env.Frozen = testset.Dataset(t, env.Dataset, p)
	write(t, env)
	if r := verify(t, env.Out); len(r.Problems) > 0 || r.Tuples != 3 {
		t.Errorf("%+v", r)
	}
}
