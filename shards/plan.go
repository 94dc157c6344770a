package shards

import (
	"context"
	"fmt"
	"hash"
	"hash/fnv"
	"io"
	"os"
	"slices"

	"micodata/dataset"
	"micodata/internal/table"
)

// run is a stretch of rows of a part that go to the same shard.
type run struct {
	Part     int
	First, N int64
}

// shardPlan says what goes into one shard.
type shardPlan struct {
	Split string
	Index int // within the split
	Total int // shards of the split
	Runs  []run
	Rows  int64
	list  *rowList  // instead of Runs where the set is shuffled
	sum   hash.Hash // of list
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
	stages      map[string]Counts
	// leftOut counts clips that could be tuples and are not, by the setting that
	// left them out.
	leftOut  map[string]int64
	excluded int64            // tuples that were taken out
	hits     map[keyHash]bool // what took them out
	notes    []string
	digest   string
	lists    *os.File // of shuffled shards' rows; nil without
}

// unknown are the keys that took no tuple out.
func (p *plan) unknown(keys []string) []string {
	return slices.DeleteFunc(slices.Clone(keys), func(key string) bool { return p.hits[hashKey(key)] })
}

// close frees what the plan holds.
func (p *plan) close() {
	if p.lists != nil {
		_ = p.lists.Close() // it has no name any more
	}
}

// maxNotes bounds the dropped sources that the manifest names.
const maxNotes = 100

// planner assigns rows to shards, part after part.
type planner struct {
	env    *Env
	schema *table.Schema[Tuple]
	plan   *plan
	// owner keeps a source whose id occurs in several parts.
	owner map[string]owner
	// allTrain puts every source into train.
	allTrain bool
	splits   map[string][]*shardPlan
	sizes    map[int][]int64 // of each part's files
	limit    int64
	filter   *Filter
	excluded exclusion
	placed   int64              // tuples, with those that are excluded
	sorters  map[string]*sorter // of the splits, where the set is shuffled
}

// makePlan reads scalar columns and footers only. The order is that of the
// parts. A small set in which no source falls to train is all train.
func makePlan(ctx context.Context, env *Env, parts int, excluded exclusion) (*plan, error) {
	owner, err := owners(ctx, env, parts)
	if err != nil {
		return nil, err
	}
	filter, err := ParseFilter(env.Where)
	if err != nil {
		return nil, err
	}
	p := &planner{env: env, owner: owner, limit: env.ShardBytes, filter: filter, excluded: excluded}
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

func (p *planner) all(ctx context.Context, parts int) error {
	p.plan = &plan{}
	print, err := p.env.fingerprint()
	if err != nil {
		return err
	}
	p.plan = &plan{fingerprint: print, audioRate: p.env.audioRate(), stages: map[string]Counts{},
		leftOut: map[string]int64{}, hits: map[keyHash]bool{}}
	p.schema = NewTupleSchema(p.plan.audioRate)
	p.splits, p.sizes, p.placed = map[string][]*shardPlan{}, map[int][]int64{}, 0
	if p.env.Shuffle != 0 {
		p.sorters = map[string]*sorter{}
		defer func() {
			for _, s := range p.sorters {
				s.close()
			}
		}()
	}
	for part := range parts {
		if err := p.part(ctx, part); err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	if p.env.Shuffle != 0 {
		return p.arrange(ctx)
	}
	return nil
}

func (p *planner) part(ctx context.Context, part int) error {
	j, err := openJoin(ctx, p.env, part, noMedia)
	if err != nil {
		return err
	}
	defer j.close()
	if p.sizes[part], err = p.partSizes(ctx, part); err != nil {
		return err
	}
	blobs, err := j.blobs(&p.env.Settings)
	if err != nil {
		return err
	}
	for _, s := range j.order {
		p.count(dataset.StageIngest, s.Outcome)
	}
	keys := map[string]bool{}
	for row := int64(0); ; row++ {
		r, err := j.next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		t, err := p.takes(r, part, keys, blobs[row].columns)
		if err != nil {
			return err
		}
		if t == nil {
			continue
		}
		if name := notFinite(t); name != "" {
			return j.misfit(dataset.StageExtract, fmt.Sprintf("has in row %d (%s) a %s that is no finite number", row, t.Key, name))
		}
		split, bytes, gone := p.split(r.clip.SourceID), p.schema.RowBytes(p.env.trim(t))+blobs[row].bytes, p.isGone(t)
		if p.env.Shuffle != 0 {
			s := p.sorters[split]
			if s == nil {
				s = &sorter{dir: p.env.TempDir}
				p.sorters[split] = s
			}
			x := shuffled{orderHash(p.env.Shuffle, r.clip.Key), bytes, ref{uint32(part), uint32(row)}, gone}
			if err := s.add(x); err != nil {
				return err
			}
			continue
		}
		last := p.place(split, bytes)
		if p.settle(last, gone) {
			last.add(run{part, row, 1})
		}
	}
}

// takes counts a clip and makes its tuple, without blobs; nil if it becomes none.
func (p *planner) takes(r *joined, part int, keys map[string]bool, blobs []string) (*Tuple, error) {
	if r.source.Status == dataset.OK { // else it is counted as a source that failed
		p.count(dataset.StageExtract, r.clip.Outcome)
	}
	if r.clip.Status != dataset.OK {
		return nil, nil
	}
	if r.depth != nil {
		p.count(dataset.StageDepth, r.depth.Outcome)
	}
	if r.normal != nil {
		p.count(dataset.StageNormal, r.normal.Outcome)
	}
	owner, several := p.owner[r.clip.SourceID]
	if several && owner.part != part || keys[r.clip.Key] {
		o := dataset.Outcome{Status: dataset.Skipped, Class: dataset.Policy}
		note := fmt.Sprintf("source %s: part %d has it again; its clips there were left out", r.clip.SourceID, part)
		if several && owner.sha256 != r.source.SHA256 {
			o.Status = dataset.Failed
			note = fmt.Sprintf("source %s: in part %d the id names different media, %s instead of %s; its clips there were left out",
				r.clip.SourceID, part, r.source.URI, owner.uri)
		}
		p.count(StageShard, o)
		if len(p.plan.notes) < maxNotes && !slices.Contains(p.plan.notes, note) {
			p.plan.notes = append(p.plan.notes, note)
		}
		return nil, nil
	}
	keys[r.clip.Key] = true
	t := r.tuple()
	why, err := p.leavesOut(t, blobs)
	if err != nil {
		return nil, err
	}
	if why != "" {
		p.leave(why)
		return nil, nil
	}
	return t, nil
}

// leave counts a clip that a setting leaves out of the set.
func (p *planner) leave(why string) {
	p.count(StageShard, dataset.Outcome{Status: dataset.Skipped, Class: dataset.Policy})
	p.plan.leftOut[why]++
}

// isGone tells whether a tuple was taken out of the set, and notes by what.
func (p *planner) isGone(t *Tuple) bool {
	hits := p.excluded.hits(t)
	for _, h := range hits {
		p.plan.hits[h] = true
	}
	return len(hits) > 0
}

// leavesOut names the setting by which a tuple is none of those that were asked for;
// "" if it is one. Blobs are the columns that have one: the tuple itself was read
// without.
func (p *planner) leavesOut(t *Tuple, blobs []string) (string, error) {
	if p.env.Limit > 0 && p.env.Shuffle == 0 && p.placed >= p.env.Limit {
		return "limit", nil
	}
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
	return p.env.Splits.of(sourceID)
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

// settle counts a tuple that has its place, and tells whether it is written: one
// that is excluded keeps its place, so that no other moves to another shard.
func (p *planner) settle(shard *shardPlan, gone bool) bool {
	if gone {
		p.leave("exclude")
		p.plan.excluded++
		return false
	}
	p.count(StageShard, dataset.Outcome{Status: dataset.OK})
	p.plan.tuples++
	shard.Rows++
	return true
}

// add adds a row to a shard.
func (p *shardPlan) add(r run) {
	if n := len(p.Runs); n > 0 && p.Runs[n-1].Part == r.Part && p.Runs[n-1].First+p.Runs[n-1].N == r.First {
		p.Runs[n-1].N++
		return
	}
	p.Runs = append(p.Runs, r)
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
			sizes := map[int][]int64{}
			for _, r := range s.Runs {
				sizes[r.Part] = p.sizes[r.Part]
			}
			what := any(s.Runs)
			if s.list != nil {
				what, sizes = s.sum.Sum(nil), p.sizes // it may have rows of any part
			}
			var err error
			if s.Digest, err = digest(p.plan.fingerprint, s.Split, s.Index, s.Total, what, sizes); err != nil {
				return err
			}
			digests = append(digests, s.Digest)
			p.plan.shards = append(p.plan.shards, s)
		}
	}
	var err error
	p.plan.digest, err = digest(p.plan.fingerprint, digests, p.plan.stages, p.plan.notes)
	return err
}

// partSizes are the sizes of a part's files: a part that was made again, as
// retry does, is another one.
func (p *planner) partSizes(ctx context.Context, part int) ([]int64, error) {
	var sizes []int64
	for _, stage := range append([]string{dataset.StageIngest, dataset.StageExtract}, p.env.Labels...) {
		info, err := p.env.Dataset.Stat(ctx, dataset.PartName(stage, part))
		if err != nil {
			return nil, err
		}
		sizes = append(sizes, info.Size)
	}
	return sizes, nil
}

// owner is a source of an id, and the part that it is in.
type owner struct {
	part        int
	sha256, uri string
}

// owners tells for each source id that occurs in several parts which part keeps
// it: the first in which it is OK. It holds 8 bytes a source while it looks.
func owners(ctx context.Context, env *Env, parts int) (map[string]owner, error) {
	var hashes []uint64
	each := func(do func(part int, s *dataset.Source), more ...string) error {
		for part := range parts {
			_, err := dataset.ReadPart(ctx, env.Dataset, dataset.SourceSchema, dataset.StageIngest, part, func(s *dataset.Source) error {
				if s.Status == dataset.OK {
					do(part, s)
				}
				return nil
			}, append(more, "source_id", "status")...)
			if err != nil {
				return err
			}
		}
		return nil
	}
	if err := each(func(_ int, s *dataset.Source) { hashes = append(hashes, hash64(s.ID)) }); err != nil {
		return nil, err
	}
	slices.Sort(hashes)
	several := map[uint64]bool{}
	for i := 1; i < len(hashes); i++ {
		if hashes[i] == hashes[i-1] {
			several[hashes[i]] = true
		}
	}
	first := map[string]owner{}
	if len(several) == 0 {
		return first, nil
	}
	return first, each(func(part int, s *dataset.Source) {
		if _, seen := first[s.ID]; !seen && several[hash64(s.ID)] {
			first[s.ID] = owner{part, s.SHA256, s.URI}
		}
	}, "sha256", "uri")
}

func hash64(s string) uint64 {
	h := fnv.New64a()
	_, _ = io.WriteString(h, s) // a hash takes all
	return h.Sum64()
}
