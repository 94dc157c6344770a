package verify

import (
	"context"
	"crypto/sha256"
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
	"micodata/internal/hash64"
	"micodata/internal/table"
	"micodata/shards"
	"micodata/storage"
)

// eachRow reads a shard row by row.
func eachRow(o storage.Object, schema *table.Schema[shards.Tuple], opts table.ReaderOptions, each func(row int64, t *shards.Tuple) error) error {
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

// shardCheck is the check of one shard. What it finds counts only if the file is the
// one that was written.
type shardCheck struct {
	v *verifier
	shards.Shard
	object   storage.Object
	keys     []uint64
	sampled  int64
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
	o, err := v.Out.Open(ctx, s.Name)
	if errors.Is(err, fs.ErrNotExist) {
		v.fileProblem(s.Name, "manifest", "the file is missing")
		return nil
	}
	if err != nil {
		return err
	}
	defer o.Close()
	if o.Size() != s.Bytes {
		v.fileProblem(s.Name, "checksum", "%d bytes, the manifest says %d", o.Size(), s.Bytes)
		return nil
	}
	file := &hashed{Object: o, sum: sha256.New()}
	c := &shardCheck{v: v, Shard: s, object: file}
	if err := c.rows(ctx, index); err != nil {
		return err
	}
	sum, err := file.finish(ctx)
	if err != nil {
		return err
	}
	if sum != s.SHA256 {
		v.fileProblem(s.Name, "checksum", "sha256 %s, the manifest says %s", sum, s.SHA256)
		return nil
	}
	v.add(c.problems, c.found)
	v.mu.Lock()
	defer v.mu.Unlock()
	v.report.Tuples += int64(len(c.keys))
	v.report.Sampled += c.sampled
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

// check is the check of one tuple.
type check struct {
	*shardCheck
	row int64
	t   *shards.Tuple
}

func (c *check) problem(promise, format string, args ...any) {
	c.shardCheck.problem(c.row, c.t.Key, promise, format, args...)
}

// scalars checks what needs no decoding. Every tuple gets this.
func (c *check) scalars() {
	t := c.t
	if id, _, err := dataset.SplitKey(t.Key); err != nil || id != t.SourceID {
		c.problem("key", "does not name clip and source %q", t.SourceID)
	}
	if c.v.excluded.Has(t) {
		c.problem("excluded", "was taken out of the set, and is in it")
	}
	if !c.v.split(c.Shard, t.SourceID) {
		c.problem("splits", "source %s does not belong to %s", t.SourceID, c.Split)
	}
	if !(t.End > t.Start && t.Start >= 0) || t.Duration != t.End-t.Start {
		c.problem("span", "start %v, end %v, duration %v", t.Start, t.End, t.Duration)
	}
	if want := shards.BestText(t.Captions); t.Text != want {
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
		wanted = wanted && c.v.manifest.Settings.Keeps(modality)
		if wanted && blob.Bytes == nil && !isMissing(t, modality) {
			c.problem(modality, "is null, and status does not say why")
		}
	}
	if t.Text == "" && !isMissing(t, "text") {
		c.problem("text", "is empty, and status does not say why")
	}
	c.chosen()
	c.ranges()
	for modality, blob := range blobs(t) {
		c.named(modality, modality, blob, "")
		if blob.Bytes != nil && !c.v.manifest.Settings.Keeps(modality) {
			c.problem(modality, "is there, and the set's columns leave it out")
		}
	}
	if len(t.Frames) > 0 && !c.v.manifest.Settings.Keeps("frames") {
		c.problem("frames", "are there, and the set's columns leave them out")
	}
	depth, normal := t.Depth.Bytes != nil, t.Normal.Bytes != nil
	for i, f := range t.Frames {
		number := fmt.Sprintf(".%02d", i)
		c.named("frames", "image", f.Image, number)
		c.named("depth", "depth", f.Depth, number)
		c.named("normal", "normal", f.Normal, number)
		c.frameMap(dataset.StageDepth, i, f.Depth)
		c.frameMap(dataset.StageNormal, i, f.Normal)
		depth, normal = depth || f.Depth.Bytes != nil, normal || f.Normal.Bytes != nil
	}
	if depth && t.DepthMeta == nil || normal && t.NormalMeta == nil {
		c.problem("depth and normal", "a map without its model")
	}
}

// blobs are those of the tuple's own columns, without those of its frames.
func blobs(t *shards.Tuple) map[string]table.Blob {
	return map[string]table.Blob{"image": t.Image, "video": t.Video, "audio": t.Audio, "depth": t.Depth, "normal": t.Normal}
}

// named checks that a blob has the name of its tuple; number is that of its frame.
func (c *check) named(promise, modality string, blob table.Blob, number string) {
	suffix := map[string]string{"image": ".jpg", "video": ".mp4", "depth": ".depth.png", "normal": ".normal.png"}[modality]
	if modality == "audio" {
		suffix = "." + c.v.audioFormat()
	}
	if want := c.t.Key + number + suffix; blob.Bytes != nil && blob.Path != want {
		c.problem(promise, "its path is %q, not %q", blob.Path, want)
	}
}

// chosen checks that the tuple is one of those that the settings ask for.
func (c *check) chosen() {
	s, t := &c.v.manifest.Settings, c.t
	if keeps, err := c.v.filter.Keeps(t); err != nil {
		c.problem("where", "%v", err)
	} else if !keeps {
		c.problem("where", "%s is not true of it", s.Where)
	}
	for _, name := range s.Require {
		blob, isBlob := blobs(t)[name]
		if isBlob && s.Keeps(name) && blob.Bytes == nil || name == "text" && t.Text == "" || name == "subtitles" && len(t.Subtitles) == 0 {
			c.problem("require", "it has no %s", name)
		}
	}
}

// ranges checks that numbers and words are among those that there are.
func (c *check) ranges() {
	t := c.t
	for name, v := range map[string]float64{"motion": t.Motion, "silence": t.Silence, "brightness": t.Brightness} {
		if !(v >= 0 && v <= 1) {
			c.problem(name, "is %v, not 0 to 1", v)
		}
	}
	if !(t.Sharpness >= 0) || math.IsInf(t.Sharpness, 1) {
		c.problem("sharpness", "is %v", t.Sharpness)
	}
	if !(math.Abs(t.AudioOffsetMS) <= 1000*t.Duration) {
		c.problem("audio_offset_ms", "is %v in a clip of %v s", t.AudioOffsetMS, t.Duration)
	}
	kinds := shards.CaptionKinds()
	for i, caption := range t.Captions {
		if !slices.Contains(kinds, caption.Kind) {
			c.problem("captions", "caption %d is of the kind %q", i, caption.Kind)
		}
	}
	if m := t.DepthMeta; m != nil {
		if m.Kind != dataset.AffineInvariantDepth && m.Kind != dataset.InverseDepth && m.Kind != dataset.MetricDepth {
			c.problem("depth", "depth_meta.kind is %q", m.Kind)
		}
		least, most := m.Min, m.Max
		if m.Kind == dataset.InverseDepth { // what is near is more
			least, most = most, least
		}
		if !(least <= most) || math.IsInf(float64(m.Min), 0) || math.IsInf(float64(m.Max), 0) {
			c.problem("depth", "depth_meta is from %v to %v", m.Min, m.Max)
		}
		c.byModel("depth", m.Model, m.WeightsSHA256)
	}
	if m := t.NormalMeta; m != nil {
		c.byModel("normal", m.Model, m.WeightsSHA256)
	}
}

// byModel checks that the manifest names the model of a map.
func (c *check) byModel(task, name, weights string) {
	if !slices.ContainsFunc(c.v.manifest.Models, func(m shards.Model) bool { return m.Task == task && m.Name == name && m.WeightsSHA256 == weights }) {
		c.problem(task, "%s_meta names the model %q with weights %.12q, which is none of the manifest's", task, name, weights)
	}
}

// frameMap checks that frame i has the map of a label stage if it was asked for.
func (c *check) frameMap(stage string, i int, m table.Blob) {
	wanted := c.v.manifest.Stages[stage].MapsFrames() && c.v.manifest.Settings.Keeps(path.Base(stage))
	if wanted && m.Bytes == nil && !slices.ContainsFunc(c.t.Status, func(e dataset.StageError) bool { return e.OfFrame(stage, i) }) {
		c.problem(path.Base(stage), "of frame %d is null, and status does not say why", i)
	}
}

// timeSlack is for times that went through a container's milliseconds.
const timeSlack = 0.001

// blobEnds are where the blobs of a shard end, as its pages were met.
type blobEnds struct {
	r     *table.Reader[shards.Tuple]
	rows  int64 // of the row group, still to come
	next  map[string][]int64
	group int
}

// row moves on to the next row.
func (b *blobEnds) row() {
	if b.rows == 0 {
		for ; b.rows == 0; b.group++ {
			b.rows = b.r.RowGroups()[b.group]
		}
		b.next = map[string][]int64{}
	}
	b.rows--
}

// take is the end of the leaf's next blob, -1 if it is not known.
func (b *blobEnds) take(leaf string) int64 {
	ends, begun := b.next[leaf]
	if !begun {
		ends = b.r.BlobEnds(leaf)
	}
	if len(ends) == 0 {
		return -1
	}
	b.next[leaf] = ends[1:]
	return ends[0]
}

// places checks that the index points at the very bytes of each blob.
func (c *check) places(ends *blobEnds, x *shards.IndexRow) {
	ends.row()
	same := func(leaf, what string, p shards.Place, blob table.Blob) {
		end := int64(0)
		if blob.Bytes != nil {
			end = ends.take(leaf + ".bytes")
		}
		switch {
		case p.Offset == nil || p.Size == nil:
			if blob.Bytes != nil {
				c.problem("index", "%s has no place", what)
			}
		case blob.Bytes == nil || int64(len(blob.Bytes)) != *p.Size || *p.Offset+*p.Size != end:
			c.problem("index", "the %d bytes at %d are not %s", *p.Size, *p.Offset, what)
		}
	}
	t := c.t
	same("image", "image", x.Image, t.Image)
	same("video", "video", x.Video, t.Video)
	same("audio", "audio", x.Audio, t.Audio)
	same("depth", "depth", x.Depth, t.Depth)
	same("normal", "normal", x.Normal, t.Normal)
	element := table.ElementPath("frames")
	for i, f := range t.Frames {
		p := x.Frames[i]
		same(element+".image", fmt.Sprintf("image of frame %d", i), p.Image, f.Image)
		same(element+".depth", fmt.Sprintf("depth of frame %d", i), p.Depth, f.Depth)
		same(element+".normal", fmt.Sprintf("normal of frame %d", i), p.Normal, f.Normal)
	}
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
