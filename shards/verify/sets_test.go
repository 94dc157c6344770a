package verify

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"testing"

	"micodata/dataset"
	"micodata/internal/ffmpeg"
	"micodata/internal/table"
	"micodata/shards"
	"micodata/shards/testset"
	"micodata/storage"
)

func tools(t testing.TB) ffmpeg.Tools {
	t.Helper()
	found, err := ffmpeg.Find(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func verify(t testing.TB, out storage.Store) Report {
	t.Helper()
	r, err := Set(t.Context(), Env{Out: out, Tools: tools(t), Sample: 1, TempDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func newEnv(t testing.TB, p []testset.Part) shards.Env {
	t.Helper()
	data := testset.Local(t)
	env := shards.Env{Dataset: data, Out: testset.Local(t), Settings: shards.DefaultSettings(), Version: "test",
		Frozen: testset.Dataset(t, data, p), Labels: []string{dataset.StageDepth, dataset.StageNormal},
		Models: []shards.Model{{Name: "ramp", Task: "depth", WeightsSHA256: "00"}, {Name: "waves", Task: "normal", WeightsSHA256: "11"}}}
	env.Splits = shards.Splits{Train: 1}
	return env
}

func write(t testing.TB, env shards.Env) {
	t.Helper()
	if _, err := shards.Write(t.Context(), env); err != nil {
		t.Fatal(err)
	}
}

func tuples(t testing.TB, s storage.Store) (rows []*shards.Tuple, m *shards.Manifest) {
	t.Helper()
	m, err := shards.ReadManifest(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	for _, shard := range m.Shards {
		rows = append(rows, testset.ReadTable(t, s, shards.NewTupleSchema(m.AudioRate), shard.Name)...)
	}
	return rows, m
}

// rewrite replaces the only shard of a set by one with other rows, and the index
// and manifest by those that fit it: what is wrong then is in the tuples alone.
func rewrite(t testing.TB, s storage.Store, change func([]*shards.Tuple) []*shards.Tuple) {
	t.Helper()
	rows, m := tuples(t, s)
	if len(m.Shards) != 1 {
		t.Fatalf("%d shards, want 1", len(m.Shards))
	}
	shard, schema := &m.Shards[0], shards.NewTupleSchema(m.AudioRate)
	meta := []table.KeyValue{{Key: dataset.MetaFingerprint, Value: m.Fingerprint}, {Key: shards.MetaPlan, Value: shard.Plan}}
	shard.File, shard.RowGroups = putTable(t, s, shard.Name, schema, table.WriterOptions{RowGroupBytes: m.Settings.RowGroupBytes, Metadata: meta}, change(rows))
	index, err := shards.IndexShard(t.Context(), s, schema, shard.Name)
	if err != nil {
		t.Fatal(err)
	}
	m.Index, _ = putTable(t, s, shards.IndexName, shards.IndexSchema, table.WriterOptions{RowGroupBytes: m.Settings.RowGroupBytes, Metadata: meta[:1]}, index)
	var n tally
	for _, x := range index {
		n.add(shard.Split, &x.Tuple)
	}
	m.Tuples, m.Bytes, m.Splits, m.Sources, m.Seconds, m.Missing = n.tuples, shard.Bytes, n.splits, n.sources.count(), n.seconds, n.missing
	save(t, s, m)
}

// putTable replaces a file of a set and tells what the manifest is to say of it.
func putTable[R any](t testing.TB, s storage.Store, name string, schema *table.Schema[R], opts table.WriterOptions, rows []*R) (f shards.File, rowGroups []int64) {
	t.Helper()
	var buf bytes.Buffer
	w := schema.NewWriter(&buf, opts)
	for _, r := range rows {
		if err := w.Write(r); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	put(t, s, name, buf.Bytes())
	r, err := schema.NewReader(bytes.NewReader(buf.Bytes()), table.ReaderOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	sum := sha256.Sum256(buf.Bytes())
	return shards.File{Name: name, Rows: r.Rows(), Bytes: int64(buf.Len()), SHA256: hex.EncodeToString(sum[:])}, r.RowGroups()
}

// put replaces a file of a set.
func put(t testing.TB, s storage.Store, name string, data []byte) {
	t.Helper()
	if err := storage.WriteAll(t.Context(), s, name, storage.Replace, data); err != nil {
		t.Fatal(err)
	}
}

func save(t testing.TB, s storage.Store, m *shards.Manifest) {
	t.Helper()
	data, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	put(t, s, shards.ManifestName, data)
}

// recount changes the manifest.
func recount(t testing.TB, s storage.Store, change func(*shards.Manifest)) {
	t.Helper()
	m, err := shards.ReadManifest(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	change(m)
	save(t, s, m)
}
