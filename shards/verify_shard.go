package shards

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"path"
	"reflect"
	"slices"
	"strings"

	"github.com/apache/arrow/go/v15/parquet"
	"github.com/apache/arrow/go/v15/parquet/compress"
	"github.com/apache/arrow/go/v15/parquet/metadata"

	"micodata/dataset"
	"micodata/internal/table"
	"micodata/storage"
)

// eachRow reads a shard row by row.
func eachRow(o storage.Object, schema *table.Schema[Tuple], opts table.ReaderOptions, each func(row int64, t *Tuple) error) error {
	r, err := schema.NewReader(o, opts)
	if err != nil {
		return err
	}
	defer r.Close()
	for row := int64(0); ; row++ {
		t, err := r.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if err := each(row, t); err != nil {
			return err
		}
	}
}

// firstRows are the rows of the index at which each shard's begin: they follow
// each other as the shards do.
func (v *verifier) firstRows() []int64 {
	out := make([]int64, len(v.manifest.Shards))
	next := int64(0)
	for i, s := range v.manifest.Shards {
		out[i] = next
		next += s.Rows
	}
	return out
}

// shard checks one file and its rows. What it says of itself is compared with
// the manifest and with the index.
func (v *verifier) shard(ctx context.Context, s Shard, first int64) error {
	whole, err := v.file(ctx, s.File)
	if err != nil || !whole {
		return err
	}
	o, err := v.Out.Open(ctx, s.Name)
	if err != nil {
		return err
	}
	defer o.Close()
	r, err := v.schema.NewReader(o, table.ReaderOptions{})
	if err != nil {
		v.fileProblem(s.Name, "parquet", "%v", err)
		return nil
	}
	defer r.Close()
	v.footer(s, r)
	want, err := v.derivedIndex(ctx, s)
	if err != nil {
		v.fileProblem(s.Name, "parquet", "%v", err)
		return nil
	}
	if err := v.compareIndex(ctx, s, first, want); err != nil {
		return err
	}
	picked := v.pick(want)
	var sampled int64
	var src *source // of the tuple before
	for row := int64(0); ; row++ {
		t, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			v.fileProblem(s.Name, "parquet", "%v", err)
			break
		}
		c := &check{v: v, shard: s, row: row, t: t}
		c.scalars()
		c.places(o, want[row])
		if picked[row] {
			sampled++
			if err := c.media(ctx, &src); err != nil {
				return err
			}
		}
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.report.Tuples += int64(len(want))
	v.report.Sampled += sampled
	for _, x := range want {
		v.hashes = append(v.hashes, hash64(x.Key))
	}
	return nil
}

// pick chooses the rows to decode: those in the sample, and of each shard at
// least the one with the smallest hash.
func (v *verifier) pick(rows []*IndexRow) map[int64]bool {
	picked := map[int64]bool{}
	least, hash := int64(-1), uint64(math.MaxUint64)
	for i, x := range rows {
		if v.sampled(x.Key) {
			picked[int64(i)] = true
		}
		if h := hash64(x.Key); least < 0 || h < hash {
			least, hash = int64(i), h
		}
	}
	if len(picked) == 0 && least >= 0 {
		picked[least] = true
	}
	return picked
}

// derivedIndex is what the index should say of a shard.
func (v *verifier) derivedIndex(ctx context.Context, s Shard) (rows []*IndexRow, err error) {
	err = indexShard(ctx, v.Out, v.schema, s.Name, func(x *IndexRow) error {
		rows = append(rows, x)
		return nil
	})
	return rows, err
}

// compareIndex compares the index with the shard, row by row.
func (v *verifier) compareIndex(ctx context.Context, s Shard, first int64, want []*IndexRow) error {
	o, err := v.Out.Open(ctx, IndexName)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // has its problem already
	}
	if err != nil {
		return err
	}
	defer o.Close()
	r, err := IndexSchema.NewReader(o, table.ReaderOptions{})
	if err == nil {
		defer r.Close()
		err = r.Skip(first)
	}
	for i := 0; err == nil && i < len(want); i++ {
		var got *IndexRow
		if got, err = r.Next(); err == nil && !reflect.DeepEqual(got, want[i]) {
			v.problem(Problem{Shard: s.Name, Row: int64(i), Key: want[i].Key, Promise: "index",
				Detail: fmt.Sprintf("%s has another row for it, of key %s", IndexName, got.Key)})
		}
	}
	if err != nil {
		v.fileProblem(IndexName, "index", "rows of %s: %v", s.Name, err)
	}
	return nil
}

// footer checks what the shard says of itself and how it is laid out.
func (v *verifier) footer(s Shard, r *table.Reader[Tuple]) {
	if r.Rows() != s.Rows || !reflect.DeepEqual(r.RowGroups(), s.RowGroups) {
		v.fileProblem(s.Name, "manifest", "%d rows in row groups of %d, the manifest says %d in %d", r.Rows(), r.RowGroups(), s.Rows, s.RowGroups)
	}
	if got := r.Metadata(metaFingerprint); got != v.manifest.Fingerprint {
		v.fileProblem(s.Name, "fingerprint", "%.12s, the manifest says %.12s", got, v.manifest.Fingerprint)
	}
	if got, want := r.Metadata("huggingface"), v.schema.Features(); got != want {
		v.fileProblem(s.Name, "features", "the key huggingface is %q, not %q", got, want)
	}
	if s.Bytes > v.manifest.Settings.ShardBytes && s.Rows > 1 {
		v.fileProblem(s.Name, "layout", "%d bytes in %d rows, above shard_bytes %d", s.Bytes, s.Rows, v.manifest.Settings.ShardBytes)
	}
	md := r.FileMetaData()
	want := v.schema.Leaves()
	if md.Schema.NumColumns() != len(want) {
		v.fileProblem(s.Name, "layout", "%d leaf columns, want %d", md.Schema.NumColumns(), len(want))
		return
	}
	for g := range r.RowGroups() {
		rg := md.RowGroup(g)
		// Page headers and levels come on top of the values that are counted.
		if most := v.manifest.Settings.RowGroupBytes; r.RowGroups()[g] > 1 && rg.TotalByteSize() > most+most/8+rowGroupSlack {
			v.fileProblem(s.Name, "layout", "row group %d has %d bytes, above row_group_bytes %d", g, rg.TotalByteSize(), most)
		}
		for i, leaf := range want {
			if problem := checkLeaf(rg, i, leaf); problem != "" {
				v.fileProblem(s.Name, "layout", "row group %d, column %s: %s", g, leaf.Path, problem)
			}
		}
	}
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

// check is the check of one tuple.
type check struct {
	v     *verifier
	shard Shard
	row   int64
	t     *Tuple
}

func (c *check) problem(promise, format string, args ...any) {
	c.v.problem(Problem{Shard: c.shard.Name, Row: c.row, Key: c.t.Key, Promise: promise, Detail: fmt.Sprintf(format, args...)})
}

// scalars checks what needs no decoding. Every tuple gets this.
func (c *check) scalars() {
	t := c.t
	if id, _, err := dataset.SplitKey(t.Key); err != nil || id != t.SourceID {
		c.problem("key", "does not name clip and source %q", t.SourceID)
	}
	if c.v.excluded.has(t) {
		c.problem("excluded", "was taken out of the set, and is in it")
	}
	if !c.v.split(c.shard, t.SourceID) {
		c.problem("splits", "source %s does not belong to %s", t.SourceID, c.shard.Split)
	}
	if !(t.End > t.Start && t.Start >= 0) || t.Duration != t.End-t.Start {
		c.problem("span", "start %v, end %v, duration %v", t.Start, t.End, t.Duration)
	}
	if want := bestText(t.Captions); t.Text != want {
		c.problem("text", "is %q, the best of captions %q", t.Text, want)
	}
	for _, cue := range t.Subtitles {
		if !(cue.Start >= 0 && cue.Start <= cue.End && cue.End <= t.Duration+timeSlack) {
			c.problem("subtitles", "a cue from %v to %v in a clip of %v s", cue.Start, cue.End, t.Duration)
		}
	}
	for i, f := range t.Frames {
		if !(f.Time >= 0 && f.Time < t.Duration) || i > 0 && f.Time < t.Frames[i-1].Time {
			c.problem("frames", "frame %d of a clip of %v s is at %v s", i, t.Duration, f.Time)
		}
	}
	for modality, blob := range map[string]table.Blob{"image": t.Image, "video": t.Video, "depth": t.Depth, "normal": t.Normal} {
		wanted := modality == "image" || modality == "video" && c.v.asksVideo() || c.v.asked("label/"+modality)
		wanted = wanted && c.v.manifest.Settings.keeps(modality)
		if wanted && blob.Bytes == nil && !isMissing(t, modality) {
			c.problem(modality, "is null, and status does not say why")
		}
	}
	for modality, blob := range t.blobs() {
		c.named(modality, blob)
		if blob.Bytes != nil && !c.v.manifest.Settings.keeps(modality) {
			c.problem(modality, "is there, and the set's columns leave it out")
		}
	}
	if len(t.Frames) > 0 && !c.v.manifest.Settings.keeps("frames") {
		c.problem("frames", "are there, and the set's columns leave them out")
	}
	if m := t.DepthMeta; m != nil && m.Kind != dataset.AffineInvariantDepth && m.Kind != dataset.InverseDepth && m.Kind != dataset.MetricDepth {
		c.problem("depth", "depth_meta.kind is %q", m.Kind)
	}
	depth, normal := t.Depth.Bytes != nil, t.Normal.Bytes != nil
	for i, f := range t.Frames {
		c.named("frames", f.Image)
		c.named("depth", f.Depth)
		c.named("normal", f.Normal)
		c.frameMap(dataset.StageDepth, i, f.Depth)
		c.frameMap(dataset.StageNormal, i, f.Normal)
		depth, normal = depth || f.Depth.Bytes != nil, normal || f.Normal.Bytes != nil
	}
	if depth && t.DepthMeta == nil || normal && t.NormalMeta == nil {
		c.problem("depth and normal", "a map without its model")
	}
}

// blobs are those of the tuple's own columns, without those of its frames.
func (t *Tuple) blobs() map[string]table.Blob {
	return map[string]table.Blob{"image": t.Image, "video": t.Video, "audio": t.Audio, "depth": t.Depth, "normal": t.Normal}
}

// named checks that a blob has the name of its tuple.
func (c *check) named(modality string, blob table.Blob) {
	if blob.Bytes != nil && !strings.HasPrefix(blob.Path, c.t.Key+".") {
		c.problem(modality, "its path is %q, which is not of this key", blob.Path)
	}
}

// frameMap checks that frame i has the map of a label stage if it was asked for.
func (c *check) frameMap(stage string, i int, m table.Blob) {
	wanted := ofFrames(c.v.manifest.Stages[stage]) && c.v.manifest.Settings.keeps(path.Base(stage))
	if wanted && m.Bytes == nil && !slices.ContainsFunc(c.t.Status, func(e dataset.StageError) bool { return e.OfFrame(stage, i) }) {
		c.problem(path.Base(stage), "of frame %d is null, and status does not say why", i)
	}
}

// timeSlack is for times that went through a container's milliseconds.
const timeSlack = 0.001

// places checks that the index points at the very bytes of each blob.
func (c *check) places(o storage.Object, x *IndexRow) {
	same := func(column string, p Place, want table.Blob) {
		if p.Offset == nil || p.Size == nil {
			if want.Bytes != nil {
				c.problem("index", "%s has no place", column)
			}
			return
		}
		if int64(len(want.Bytes)) != *p.Size || !rangeIs(o, *p.Offset, want.Bytes) {
			c.problem("index", "the %d bytes at %d are not %s", *p.Size, *p.Offset, column)
		}
	}
	t := c.t
	for column, blob := range t.blobs() {
		same(column, *x.place(column), blob)
	}
	for i, f := range t.Frames {
		same(fmt.Sprintf("image of frame %d", i), x.Frames[i].Image, f.Image)
		same(fmt.Sprintf("depth of frame %d", i), x.Frames[i].Depth, f.Depth)
		same(fmt.Sprintf("normal of frame %d", i), x.Frames[i].Normal, f.Normal)
	}
}

// rangeIs tells whether the object holds want at offset.
func rangeIs(o storage.Object, offset int64, want []byte) bool {
	buf := make([]byte, min(len(want), 256<<10))
	for len(want) > 0 {
		n := min(len(buf), len(want))
		if k, err := o.ReadAt(buf[:n], offset); k < n || err != nil && err != io.EOF {
			return false
		}
		if string(buf[:n]) != string(want[:n]) {
			return false
		}
		offset += int64(n)
		want = want[n:]
	}
	return true
}

// media decodes a tuple's media and checks them against each other and against
// the source.
func (c *check) media(ctx context.Context, src **source) error {
	stills := c.stills()
	clip, err := c.v.decode(ctx, c.t)
	if broken := new(brokenMedia); errors.As(err, &broken) {
		c.problem(broken.modality, "does not decode: %s", strings.TrimSpace(broken.err.Error()))
		return nil
	}
	if err != nil {
		return err
	}
	if clip.video != nil {
		c.video(clip)
		c.moments(clip, stills)
	}
	c.sound(clip)
	return c.source(ctx, src, clip, stills)
}
