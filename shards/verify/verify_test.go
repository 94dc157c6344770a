package verify

import (
	"fmt"
	"strings"
	"testing"

	"micodata/dataset"
	"micodata/internal/table"
	"micodata/shards"
	"micodata/shards/testset"
	"micodata/storage"
)

func TestVerifyGood(t *testing.T) {
	env := newEnv(t, testset.Parts(t))
	env.ShardBytes, env.RowGroupBytes = 1<<20, 300<<10
	write(t, env)
	r := verify(t, env.Out)
	for _, p := range r.Problems {
		t.Error(p)
	}
	if r.Tuples != 6 || r.Sampled != 6 || r.Shards < 2 {
		t.Errorf("%+v", r)
	}
	// Without a share, one tuple of each shard is decoded.
	r, err := Set(t.Context(), Env{Out: env.Out, Tools: tools(t)})
	if err != nil || len(r.Problems) > 0 || r.Sampled != int64(r.Shards) {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestVerifyFindsCorruptSets(t *testing.T) {
	name := "data/train-00000-of-00001.parquet"
	flip := func(t *testing.T, s storage.Store, object string, at func([]byte) int) {
		data := testset.Files(t, s)[object]
		data[at(data)] ^= 1
		put(t, s, object, data)
	}
	env := newEnv(t, testset.Parts(t)[:1])
	write(t, env)
	good := testset.Files(t, env.Out)
	middle := func(b []byte) int { return len(b) / 2 }
	for _, c := range []struct {
		name, want string
		change     func(*testing.T, storage.Store)
	}{
		{"repeated key", "unique keys: the key is also in", func(t *testing.T, s storage.Store) {
			rewrite(t, s, func(r []*shards.Tuple) []*shards.Tuple { return append(r, r[0]) })
		}},
		{"dropped row", "2 clips became tuples, and there are 1", func(t *testing.T, s storage.Store) {
			rewrite(t, s, func(r []*shards.Tuple) []*shards.Tuple { return r[1:] })
		}},
		{"dropped row that is said to be left out", "1 clips were left out, and of 0 it is said why", func(t *testing.T, s storage.Store) {
			rewrite(t, s, func(r []*shards.Tuple) []*shards.Tuple { return r[1:] })
			recount(t, s, func(m *shards.Manifest) {
				c := m.Counts[shards.StageShard]
				c.OK, c.Skipped, c.Classes = c.OK-1, 1, map[dataset.Class]int64{dataset.Policy: 1}
				m.Counts[shards.StageShard] = c
			})
		}},
		{"left out by no setting", "1 clips were left out by where, which is not asked for", func(t *testing.T, s storage.Store) {
			recount(t, s, func(m *shards.Manifest) { m.LeftOut = map[string]int64{"where": 1} })
		}},
		{"dropped row that is said to have failed", "is not that of its shards and counts", func(t *testing.T, s storage.Store) {
			rewrite(t, s, func(r []*shards.Tuple) []*shards.Tuple { return r[1:] })
			recount(t, s, func(m *shards.Manifest) {
				for _, stage := range []string{dataset.StageExtract, shards.StageShard, dataset.StageDepth, dataset.StageNormal} {
					c := m.Counts[stage]
					c.Rows, c.OK = c.Rows-1, c.OK-1
					m.Counts[stage] = c
				}
			})
		}},
		{"row of an index without a shard", "has a row of no shard", func(t *testing.T, s storage.Store) {
			_, m := tuples(t, s)
			rewrite(t, s, func(r []*shards.Tuple) []*shards.Tuple { return append(r, r[0]) })
			_, longer := tuples(t, s)
			index := testset.Files(t, s)[shards.IndexName]
			rewrite(t, s, func(r []*shards.Tuple) []*shards.Tuple { return r[:m.Tuples] })
			put(t, s, shards.IndexName, index)
			recount(t, s, func(m *shards.Manifest) { m.Index = longer.Index })
		}},
		{"stages left out", "stages has no extract", func(t *testing.T, s storage.Store) {
			recount(t, s, func(m *shards.Manifest) { m.Stages = nil })
		}},
		{"not what was asked for", "where: motion > 0.9 is not true of it", func(t *testing.T, s storage.Store) {
			recount(t, s, func(m *shards.Manifest) { m.Settings.Where = "motion > 0.9" })
		}},
		{"not what was required", "require: it has no audio", func(t *testing.T, s storage.Store) {
			rewrite(t, s, func(r []*shards.Tuple) []*shards.Tuple { r[0].Audio = table.Blob{}; return r })
			recount(t, s, func(m *shards.Manifest) { m.Settings.Require = []string{"audio"} })
		}},
		{"another limit", "fingerprint", func(t *testing.T, s storage.Store) {
			recount(t, s, func(m *shards.Manifest) { m.Settings.Limit = 1000 })
		}},
		{"sources miscounted", "says 2 sources", func(t *testing.T, s storage.Store) { recount(t, s, func(m *shards.Manifest) { m.Sources++ }) }},
		{"seconds miscounted", "sources and ", func(t *testing.T, s storage.Store) { recount(t, s, func(m *shards.Manifest) { m.Seconds++ }) }},
		{"losses miscounted", "are missing", func(t *testing.T, s storage.Store) {
			recount(t, s, func(m *shards.Manifest) {
				m.Missing = map[string]map[dataset.Class]int64{"text": {dataset.NotFound: 1}}
			})
		}},
		{"split without tuples", "says splits of", func(t *testing.T, s storage.Store) {
			recount(t, s, func(m *shards.Manifest) { m.Splits[shards.Test] = 1 })
		}},
		{"preview gone", shards.PreviewName + ": manifest: the file is missing", func(t *testing.T, s storage.Store) {
			if err := s.Delete(t.Context(), shards.PreviewName); err != nil {
				t.Fatal(err)
			}
		}},
		{"flipped byte of a shard", name + ": checksum: sha256", func(t *testing.T, s storage.Store) { flip(t, s, name, middle) }},
		{"flipped byte of the index", shards.IndexName + ": checksum: sha256", func(t *testing.T, s storage.Store) { flip(t, s, shards.IndexName, middle) }},
		{"shard gone", name + ": manifest: the file is missing", func(t *testing.T, s storage.Store) {
			if err := s.Delete(t.Context(), name); err != nil {
				t.Fatal(err)
			}
		}},
		{"a file too many", "in the folder, but not in the manifest", func(t *testing.T, s storage.Store) {
			put(t, s, "data/train-00001-of-00001.parquet", []byte("x"))
		}},
		{"index of another order", "index: " + shards.IndexName + " has another row", func(t *testing.T, s storage.Store) {
			_, m := tuples(t, s)
			rewrite(t, s, func(r []*shards.Tuple) []*shards.Tuple { r[0], r[1] = r[1], r[0]; return r })
			_, swapped := tuples(t, s)
			rewrite(t, s, func(r []*shards.Tuple) []*shards.Tuple { r[0], r[1] = r[1], r[0]; return r })
			// The index of the swapped rows, and the shard of the others.
			_, good := tuples(t, s)
			rewrite(t, s, func(r []*shards.Tuple) []*shards.Tuple { r[0], r[1] = r[1], r[0]; return r })
			index := testset.Files(t, s)[shards.IndexName]
			rewrite(t, s, func(r []*shards.Tuple) []*shards.Tuple { r[0], r[1] = r[1], r[0]; return r })
			good.Index = swapped.Index
			if m.Index.Rows != good.Index.Rows {
				t.Fatal("rows were lost")
			}
			put(t, s, shards.IndexName, index)
			save(t, s, good)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			out := testset.Local(t)
			for name, data := range good {
				if err := storage.WriteAll(t.Context(), out, name, storage.Exclusive, data); err != nil {
					t.Fatal(err)
				}
			}
			c.change(t, out)
			r, err := Set(t.Context(), Env{Out: out, Tools: tools(t)})
			if err != nil {
				t.Fatal(err)
			}
			said := fmt.Sprint(r.Problems)
			if !strings.Contains(said, c.want) {
				t.Errorf("found %s, want %q", said, c.want)
			}
		})
	}
}

func TestVerifyUnfinished(t *testing.T) {
	env := newEnv(t, testset.Parts(t))
	write(t, env)
	if err := env.Out.Delete(t.Context(), shards.ManifestName); err != nil {
		t.Fatal(err)
	}
	if _, err := Set(t.Context(), Env{Out: env.Out, Tools: tools(t)}); err == nil || !strings.Contains(err.Error(), "not finished") {
		t.Errorf("err = %v", err)
	}
}

// A set with a source in the wrong split.
func TestVerifySplits(t *testing.T) {
	env := newEnv(t, testset.Parts(t))
	env.Splits = shards.Splits{Train: 0.5, Validation: 0.25, Test: 0.25}
	write(t, env)
	rows, m := tuples(t, env.Out)
	if len(m.Splits) < 2 {
		t.Fatalf("splits %v: too few for this test", m.Splits)
	}
	if r := verify(t, env.Out); len(r.Problems) > 0 {
		t.Error(r.Problems)
	}
	where := map[string]string{}
	err := shards.ReadIndex(t.Context(), env.Out, func(x *shards.IndexRow) error {
		split, _, _ := strings.Cut(strings.TrimPrefix(x.Shard, "data/"), "-")
		if old, ok := where[x.SourceID]; ok && old != split {
			return fmt.Errorf("source %s is in %s and %s", x.SourceID, old, split)
		}
		where[x.SourceID] = split
		return nil
	})
	if err != nil || len(where) != 3 || len(rows) != 6 {
		t.Errorf("%v, %v", where, err)
	}
	v := &verifier{manifest: m}
	if v.split(shards.Shard{Split: shards.Validation}, "a") && v.split(shards.Shard{Split: shards.Test}, "a") {
		t.Error("a source belongs to two splits")
	}
}
