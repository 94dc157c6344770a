package shards

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"math"
	"slices"

	"micodata/dataset"
	"micodata/internal/table"
)

// shardPlan says what goes into one shard.
type shardPlan struct {
	Split string
	Index int // within the split
	Total int // shards of the split
	Rows  int64
	runs  runList
	list  *rowList          // instead of runs where the set is shuffled
	sum   [sha256.Size]byte // of the rows and the parts that they are of
	// Bytes is at least what the file will have.
	Bytes int64
	// Digest identifies the content: the settings, the rows and the parts.
	Digest string
}

func (p *shardPlan) name() string {
	return fmt.Sprintf("data/%s-%05d-of-%05d.parquet", p.Split, p.Index, p.Total)
}

// plan is what a set will hold.
type plan struct {
	fingerprint string
	audioRate   int
	shards      []*shardPlan // train, then validation, then test
	tuples      int64
	sources     int64 // that have a tuple
	stages      map[string]Counts
	// leftOut counts clips that could be tuples and are not, by the setting that
	// left them out.
	leftOut  map[string]int64
	excluded int64            // tuples that were taken out
	hits     map[keyHash]bool // what took them out
	notes    []string
	digest   string
	noted    *notebook // of a shuffled set; nil without
}

// names are those of all shards.
func (p *plan) names() map[string]bool {
	names := map[string]bool{}
	for _, s := range p.shards {
		names[s.name()] = true
	}
	return names
}

// unknown are the keys that took no tuple out.
func (p *plan) unknown(keys []string) []string {
	return slices.DeleteFunc(slices.Clone(keys), func(key string) bool { return p.hits[hashKey(key)] })
}

// close frees what the plan holds.
func (p *plan) close() {
	if p.noted != nil {
		p.noted.close()
	}
}

// maxNotes bounds the dropped sources that the manifest names.
const maxNotes = 100

// planner assigns rows to shards, part after part.
type planner struct {
	env    *Env
	schema *table.Schema[Tuple]
	plan   *plan
	owners owners
	// allTrain puts every source into train.
	allTrain bool
	splits   map[string][]*shardPlan
	digests  [][sha256.Size]byte // of each part
	limit    int64
	filter   *Filter
	excluded Exclusion
	placed   int64              // tuples, with those that are excluded
	sources  uint32             // of the parts before
	counted  []uint64           // bits: sources that have a tuple
	sorters  map[string]*sorter // of the splits, where the set is shuffled
}

// makePlan reads scalar columns and footers only. The order is that of the
// parts. A small set in which no source falls to train is all train.
func makePlan(ctx context.Context, env *Env, parts int, excluded Exclusion) (*plan, error) {
	filter, err := ParseFilter(env.Where)
	if err != nil {
		return nil, err
	}
	p := &planner{env: env, limit: env.ShardBytes, filter: filter, excluded: excluded, plan: &plan{}}
	err = p.all(ctx, parts)
	if err == nil && p.placed > 0 && len(p.splits[Train]) == 0 {
		p.allTrain = true
		p.plan.close()
		err = p.all(ctx, parts)
	}
	if err == nil {
		err = p.finish()
	}
	if err != nil {
		p.plan.close()
		return nil, err
	}
	return p.plan, nil
}

// partsAhead is how many parts are read at once while a set is planned: each waits for
// some tens of answers, one after the other, and holds a few MB.
const partsAhead = 32

func (p *planner) all(ctx context.Context, parts int) error {
	p.plan = &plan{}
	print, err := p.env.fingerprint()
	if err != nil {
		return err
	}
	p.plan = &plan{fingerprint: print, audioRate: p.env.audioRate(), stages: map[string]Counts{},
		leftOut: map[string]int64{}, hits: map[keyHash]bool{}}
	p.schema = NewTupleSchema(p.plan.audioRate)
	p.splits, p.digests, p.owners = map[string][]*shardPlan{}, nil, owners{}
	p.placed, p.sources, p.counted = 0, 0, nil
	if p.env.Shuffle != 0 {
		if p.plan.noted, err = newNotebook(p.env.TempDir, p.schema); err != nil {
			return err
		}
		p.sorters = map[string]*sorter{}
		defer func() {
			for _, s := range p.sorters {
				s.close()
			}
		}()
	}
	err = inOrder(ctx, parts, window{values: partsAhead}, p.read, func(part int, r *partRows) error { return p.part(ctx, part, r) })
	if err == nil && p.env.Shuffle != 0 {
		err = p.arrange(ctx)
	}
	return err
}

// partRows is what planning reads of a part.
type partRows struct {
	digest  [sha256.Size]byte
	sources []*dataset.Source // as in the ingest part
	rows    []partRow
}

// partRow is a clip, and of one that is OK the tuple that it would be.
type partRow struct {
	*joined
	sourceRow uint32
	tuple     *Tuple
	bytes     int64     // that the tuple takes in a file
	leftOut   string    // the setting by which it is not what was asked for
	err       error     // of the condition, which cannot be told of it
	hits      []keyHash // that exclude it
	note      []byte
}

// read reads a part; it runs beside others.
func (p *planner) read(ctx context.Context, part int) (*partRows, error) {
	mode := noMedia
	if p.env.Shuffle != 0 {
		mode = noBlobs
	}
	j, err := openJoin(ctx, p.env, part, mode)
	if err != nil {
		return nil, err
	}
	defer j.close()
	blobs, err := j.blobs(&p.env.Settings)
	if err != nil {
		return nil, err
	}
	out := &partRows{digest: j.digest(), sources: j.order, rows: make([]partRow, 0, len(blobs))}
	sourceRow := map[*dataset.Source]uint32{}
	for i, s := range j.order {
		sourceRow[s] = uint32(i)
	}
	for {
		clip, err := j.next()
		if err == io.EOF {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		r := partRow{joined: clip, sourceRow: sourceRow[clip.source]}
		if clip.clip.Status == dataset.OK {
			b := blobs[len(out.rows)]
			r.tuple = clip.tuple()
			r.leftOut, r.err = p.leavesOut(r.tuple, b.columns)
			if name := notFinite(r.tuple); name != "" && r.leftOut == "" {
				return nil, j.misfit(dataset.StageExtract, fmt.Sprintf("has in row %d (%s) a %s that is no finite number", len(out.rows), r.tuple.Key, name))
			}
			r.hits = p.excluded.hits(r.tuple)
			r.tuple = p.env.trim(r.tuple)
			r.bytes = p.schema.RowBytes(r.tuple) + b.bytes
			if mode == noBlobs && r.leftOut == "" && len(r.hits) == 0 {
				r.note = encodeNote(p.schema, part, r.tuple, b.places)
			}
		}
		out.rows = append(out.rows, r)
	}
}

// part takes the rows of a part.
func (p *planner) part(ctx context.Context, part int, rows *partRows) error {
	p.digests = append(p.digests, rows.digest)
	for _, s := range rows.sources {
		p.count(dataset.StageIngest, s.Outcome)
	}
	again, err := p.repeats(ctx, part, rows.sources)
	if err != nil {
		return err
	}
	keys := map[string]bool{}
	for i := range rows.rows {
		r := &rows.rows[i]
		takes, err := p.takes(r, part, keys, again)
		if err != nil {
			return err
		}
		if !takes {
			continue
		}
		for _, h := range r.hits {
			p.plan.hits[h] = true
		}
		split, source, gone := p.split(r.clip.SourceID), p.sources+r.sourceRow, len(r.hits) > 0
		if p.env.Shuffle != 0 {
			s := p.sorters[split]
			if s == nil {
				s = &sorter{dir: p.env.TempDir}
				p.sorters[split] = s
			}
			x := shuffled{hash: orderHash(p.env.Shuffle, r.clip.Key), ref: ref{uint32(part), uint32(i)},
				source: source, bytes: uint32(min(r.bytes, math.MaxUint32)), gone: gone}
			if x.note, err = p.plan.noted.add(r.note); err == nil {
				err = s.add(x)
			}
			if err != nil {
				return err
			}
			continue
		}
		last := p.place(split, r.bytes)
		if p.settle(last, source, gone) {
			last.runs.add(part, int64(i))
		}
	}
	p.sources += uint32(len(rows.sources))
	return nil
}

// takes counts a clip, and tells whether it becomes a tuple.
func (p *planner) takes(r *partRow, part int, keys map[string]bool, again map[*dataset.Source]*repeat) (bool, error) {
	if r.source.Status == dataset.OK { // else it is counted as a source that failed
		p.count(dataset.StageExtract, r.clip.Outcome)
	}
	if r.tuple == nil {
		return false, nil
	}
	if r.depth != nil {
		p.count(dataset.StageDepth, r.depth.Outcome)
	}
	if r.normal != nil {
		p.count(dataset.StageNormal, r.normal.Outcome)
	}
	repeated := again[r.source]
	if repeated == nil && keys[r.clip.Key] {
		repeated = sameAgain(part, r.source)
	}
	if repeated != nil {
		p.count(StageShard, repeated.outcome)
		if len(p.plan.notes) < maxNotes && !slices.Contains(p.plan.notes, repeated.note) {
			p.plan.notes = append(p.plan.notes, repeated.note)
		}
		return false, nil
	}
	keys[r.clip.Key] = true
	why := r.leftOut
	if p.env.Limit > 0 && p.env.Shuffle == 0 && p.placed >= p.env.Limit {
		why = "limit"
	} else if r.err != nil {
		return false, r.err
	}
	if why != "" {
		p.leave(why)
	}
	return why == "", nil
}

// leave counts a clip that a setting leaves out of the set.
func (p *planner) leave(why string) {
	p.count(StageShard, dataset.Outcome{Status: dataset.Skipped, Class: dataset.Policy})
	p.plan.leftOut[why]++
}

// leavesOut names the setting by which a tuple is none of those that were asked for;
// "" if it is one. Blobs are the columns that have one: the tuple itself was read
// without.
func (p *planner) leavesOut(t *Tuple, blobs []string) (string, error) {
	for _, name := range p.env.Require {
		has := slices.Contains(blobs, name)
		switch name {
		case "text":
			has = t.Text != ""
		case "subtitles":
			has = len(t.Subtitles) > 0
		}
		if !has {
			return "require " + name, nil
		}
	}
	if keeps, err := p.filter.Keeps(t); err != nil || keeps {
		return "", err
	}
	return "where", nil
}

func (p *planner) count(stage string, o dataset.Outcome) {
	c := p.plan.stages[stage]
	c.add(o)
	p.plan.stages[stage] = c
}

// What a file has beside its rows: the schema twice, and for each row group the
// metadata of some 60 leaves.
const (
	footerBytes         = 48 << 10
	rowGroupFooterBytes = 16 << 10
)

// split is a source's.
func (p *planner) split(sourceID string) string {
	if p.allTrain {
		return Train
	}
	return p.env.Splits.Of(sourceID)
}

// place finds room for a row at the end of its split.
func (p *planner) place(split string, bytes int64) *shardPlan {
	all := p.splits[split]
	var last *shardPlan
	if len(all) > 0 {
		last = all[len(all)-1]
	}
	if last == nil || p.fileBytes(last.Bytes+bytes) > p.limit {
		last = &shardPlan{Split: split, Index: len(all)}
		p.splits[split] = append(all, last)
	}
	last.Bytes += bytes
	p.placed++
	return last
}

// settle counts a tuple that has its place, and its source, and tells whether it is
// written: one that is excluded keeps its place, so that no other moves to another shard.
func (p *planner) settle(shard *shardPlan, source uint32, gone bool) bool {
	if gone {
		p.leave("exclude")
		p.plan.excluded++
		return false
	}
	p.count(StageShard, dataset.Outcome{Status: dataset.OK})
	p.plan.tuples++
	shard.Rows++
	if word := int(source / 64); word >= len(p.counted) {
		p.counted = append(p.counted, make([]uint64, word+1-len(p.counted))...)
	}
	if bit := uint64(1) << (source % 64); p.counted[source/64]&bit == 0 {
		p.counted[source/64] |= bit
		p.plan.sources++
	}
	return true
}

// fileBytes is at least the size of a file whose rows have that many bytes. A
// row group is at least half full on average, or holds a single row.
func (p *planner) fileBytes(rows int64) int64 {
	groups := 2*rows/p.env.RowGroupBytes + 1
	return rows + footerBytes + groups*rowGroupFooterBytes
}

// finish names the shards and identifies their content.
func (p *planner) finish() error {
	var digests []string
	for _, split := range []string{Train, Validation, Test} {
		for _, s := range p.splits[split] {
			s.Total = len(p.splits[split])
			if s.list == nil {
				s.sum = p.sum(s.runs.all())
			}
			var err error
			if s.Digest, err = digest(p.plan.fingerprint, s.Split, s.Index, s.Total, hex.EncodeToString(s.sum[:])); err != nil {
				return err
			}
			digests = append(digests, s.Digest)
			p.plan.shards = append(p.plan.shards, s)
		}
	}
	var err error
	p.plan.digest, err = planDigest(p.plan.fingerprint, digests, p.plan.stages, p.plan.notes)
	return err
}

// sum identifies runs and the content of the parts that they are of: a part that was
// made again, as retry does, is another one.
func (p *planner) sum(runs []run) (sum [sha256.Size]byte) {
	h := sha256.New()
	for i, r := range runs {
		var rec []byte
		for _, v := range []int64{int64(r.Part), r.First, r.N} {
			rec = binary.LittleEndian.AppendUint64(rec, uint64(v))
		}
		if i == 0 || runs[i-1].Part != r.Part {
			rec = append(rec, p.digests[r.Part][:]...)
		}
		h.Write(rec)
	}
	h.Sum(sum[:0])
	return sum
}
