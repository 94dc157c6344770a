package verify

import (
	"context"
	"fmt"
	"math"
	"reflect"

	"github.com/apache/arrow/go/v15/parquet"
	"github.com/apache/arrow/go/v15/parquet/compress"
	"github.com/apache/arrow/go/v15/parquet/metadata"

	"micodata/dataset"
	"micodata/internal/hash64"
	"micodata/internal/table"
	"micodata/shards"
	"micodata/storage"
)

// shardCheck is the check of one shard. What it finds counts only if the file is the
// one that was written.
type shardCheck struct {
	v *verifier
	shards.Shard
	object   storage.Object
	keys     []uint64
	sampled  int64
	unnamed  int64
	sources  SourceReport
	problems []Problem
	found    int
}

// problem notes what is wrong with a row; -1 stands for the whole file.
func (c *shardCheck) problem(row int64, key, promise, format string, args ...any) {
	c.found++
	if len(c.problems) < c.v.MaxProblems {
		c.problems = append(c.problems, Problem{Shard: c.Name, Row: row, Key: key, Promise: promise, Detail: fmt.Sprintf(format, args...)})
	}
}

func (c *shardCheck) fileProblem(promise, format string, args ...any) {
	c.problem(-1, "", promise, format, args...)
}

// shard checks a file and its rows. What it says of itself is compared with the
// manifest and with the index's rows of it.
func (v *verifier) shard(ctx context.Context, s shards.Shard, index []*shards.IndexRow) error {
	c := &shardCheck{v: v, Shard: s}
	isWhole, err := v.file(ctx, s.File, func(o storage.Object) error {
		c.object = o
		return c.rows(ctx, index)
	})
	if err != nil || !isWhole {
		return err
	}
	v.add(c.problems, c.found)
	v.mu.Lock()
	defer v.mu.Unlock()
	v.report.Tuples += int64(len(c.keys))
	v.report.Sampled += c.sampled
	v.report.Unnamed += c.unnamed
	v.report.Sources.add(&c.sources)
	v.hashes = append(v.hashes, c.keys...)
	return nil
}

// rows checks the footer and every row.
func (c *shardCheck) rows(ctx context.Context, index []*shards.IndexRow) error {
	broken := func(err error) error {
		if err := storage.Fault(ctx, err); err != nil {
			return err
		}
		c.fileProblem("parquet", "%v", err)
		return nil
	}
	r, err := c.v.schema.NewReader(c.object, table.ReaderOptions{})
	if err != nil {
		return broken(err)
	}
	defer r.Close()
	if !c.footer(r) {
		return nil
	}
	want, err := shards.IndexShard(ctx, c.v.Out, c.v.schema, c.Name)
	if err != nil {
		return broken(err)
	}
	c.compareIndex(index, want)
	for _, x := range want {
		c.keys = append(c.keys, hash64.Of(x.Key))
	}
	picked := c.v.pick(want)
	var src *source // of the tuple before
	defer func() { src.close() }()
	ends := blobEnds{r: r}
	for row, x := range want {
		t, err := r.Next()
		if err != nil {
			return broken(err)
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		tc := &check{shardCheck: c, row: int64(row), t: t}
		tc.scalars()
		tc.places(&ends, x)
		if picked[int64(row)] {
			c.sampled++
			if err := tc.media(ctx, &src); err != nil {
				return err
			}
		}
	}
	return nil
}

// pick chooses the rows to decode: those in the sample, and of each shard at
// least the one with the smallest hash.
func (v *verifier) pick(rows []*shards.IndexRow) map[int64]bool {
	picked := map[int64]bool{}
	least, hash := int64(-1), uint64(math.MaxUint64)
	for i, x := range rows {
		if v.sampled(x.Key) {
			picked[int64(i)] = true
		}
		if h := hash64.Of(x.Key); least < 0 || h < hash {
			least, hash = int64(i), h
		}
	}
	if len(picked) == 0 && least >= 0 {
		picked[least] = true
	}
	return picked
}

// compareIndex compares the index's rows, as far as they could be read, with the
// shard's.
func (c *shardCheck) compareIndex(got, want []*shards.IndexRow) {
	for i := range min(len(got), len(want)) {
		if !reflect.DeepEqual(got[i], want[i]) {
			c.problem(int64(i), want[i].Key, "index", "%s has another row for it, of key %s", shards.IndexName, got[i].Key)
		}
	}
}

// footer checks what the shard says of itself and how it is laid out, and tells
// whether its rows can be read.
func (c *shardCheck) footer(r *table.Reader[shards.Tuple]) bool {
	v, s := c.v, c.Shard
	sum := int64(0)
	for _, n := range r.RowGroups() {
		sum += n
	}
	if sum != r.Rows() {
		c.fileProblem("parquet", "%d rows in row groups of %d", r.Rows(), r.RowGroups())
		return false
	}
	if r.Rows() != s.Rows || !reflect.DeepEqual(r.RowGroups(), s.RowGroups) {
		c.fileProblem("manifest", "%d rows in row groups of %d, the manifest says %d in %d", r.Rows(), r.RowGroups(), s.Rows, s.RowGroups)
	}
	if got := r.Metadata(dataset.MetaFingerprint); got != v.manifest.Fingerprint {
		c.fileProblem("fingerprint", "%.12s, the manifest says %.12s", got, v.manifest.Fingerprint)
	}
	if got := r.Metadata(shards.MetaPlan); got != s.Plan {
		c.fileProblem("fingerprint", "plan %.12s, the manifest says %.12s", got, s.Plan)
	}
	if got, want := r.Metadata("huggingface"), v.schema.Features(); got != want {
		c.fileProblem("features", "the key huggingface is %q, not %q", got, want)
	}
	if s.Bytes > v.manifest.Settings.ShardBytes && s.Rows > 1 {
		c.fileProblem("layout", "%d bytes in %d rows, above shard_bytes %d", s.Bytes, s.Rows, v.manifest.Settings.ShardBytes)
	}
	md := r.FileMetaData()
	want := v.schema.Leaves()
	if md.Schema.NumColumns() != len(want) {
		c.fileProblem("layout", "%d leaf columns, want %d", md.Schema.NumColumns(), len(want))
		return true
	}
	for g := range r.RowGroups() {
		rg := md.RowGroup(g)
		// Page headers and levels come on top of the values that are counted.
		if most := v.manifest.Settings.RowGroupBytes; r.RowGroups()[g] > 1 && rg.TotalByteSize() > most+most/8+rowGroupSlack {
			c.fileProblem("layout", "row group %d has %d bytes, above row_group_bytes %d", g, rg.TotalByteSize(), most)
		}
		for i, leaf := range want {
			if problem := checkLeaf(rg, i, leaf); problem != "" {
				c.fileProblem("layout", "row group %d, column %s: %s", g, leaf.Path, problem)
			}
		}
	}
	return true
}

const rowGroupSlack = 64 << 10

// checkLeaf checks the physical rules of one column chunk.
func checkLeaf(rg *metadata.RowGroupMetaData, i int, want table.LeafInfo) string {
	if got := rg.Schema.Column(i).Path(); got != want.Path {
		return "stands at the place of " + got
	}
	c, err := rg.ColumnChunk(i)
	if err != nil {
		return err.Error()
	}
	for _, e := range c.Encodings() {
		if e != parquet.Encodings.Plain && e != parquet.Encodings.RLE { // RLE is that of the levels
			return fmt.Sprintf("encoding %v", e)
		}
	}
	hasStats, err := c.StatsSet()
	switch {
	case err != nil:
		return err.Error()
	case c.HasDictionaryPage():
		return "has a dictionary"
	case want.Blob && (c.Compression() != compress.Codecs.Uncompressed || hasStats):
		return "a blob column is compressed or has statistics"
	case !want.Blob && c.Compression() != compress.Codecs.Zstd:
		return fmt.Sprintf("compressed by %v, not zstd", c.Compression())
	}
	return ""
}
