package shards

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"micodata/dataset"
	"micodata/internal/table"
	"micodata/storage"
)

// MetaPlan is the key under which a shard's footer has [Shard]'s Plan. The set's
// fingerprint is there too, under [dataset.MetaFingerprint].
const MetaPlan = "micodata.plan"

// Write makes the training set of a dataset in env.Out, or what is missing of
// it. A set that is finished already is left as it is. Errors: a [*NoTuplesError] if
// there is nothing to write; an [*OtherSetError] or a [*ForeignError] if the folder
// holds something else, which is left as it is.
func Write(ctx context.Context, env Env) (Result, error) {
	if err := env.Validate(); err != nil {
		return Result{}, err
	}
	env.Settings = env.canonical()
	if env.Workers <= 0 || env.Workers > maxWorkers {
		env.Workers = maxWorkers
	}
	n, err := env.parts(ctx)
	if err != nil {
		return Result{}, err
	}
	c, err := env.claim(ctx)
	if err != nil {
		return Result{}, err
	}
	id, err := env.datasetID(ctx)
	if err != nil {
		return Result{}, err
	}
	if err := c.check(id); err != nil {
		return Result{}, err
	}
	version, by := env.Version, ""
	if c.finished != nil || c.was().TakenDownBy != "" {
		env.Version = c.was().Micodata
	}
	if env.Version != version {
		by = version
	}
	gone, err := openTakedown(ctx, env.Out, env.Exclude)
	if err != nil {
		return Result{}, err
	}
	p, err := makePlan(ctx, &env, n, gone.all)
	if err != nil {
		return Result{}, err
	}
	defer p.close()
	unknown := p.unknown(env.Exclude)
	m := &Manifest{SchemaVersion: dataset.SchemaVersion, Micodata: env.Version, TakenDownBy: by, Fingerprint: p.fingerprint, Plan: p.digest, Sources: p.sources, Dataset: id,
		Settings: env.Settings, AudioRate: p.audioRate, Counts: p.stages, LeftOut: p.leftOut, Notes: p.notes, Models: env.Models}
	if m.Stages, err = env.stages(); err != nil {
		return Result{}, err
	}
	if p.tuples == 0 {
		return Result{Stages: p.stages, Excluded: p.excluded, Unknown: unknown}, env.nothing(ctx, c, m, p, gone)
	}
	if whole, err := env.isWhole(ctx, c.finished, p); err != nil {
		return Result{}, err
	} else if whole { // keys without tuples are heeded once they have some
		return c.finished.result(p, unknown), errors.Join(gone.save(ctx), c.tidy(ctx, c.finished))
	}
	if c.finished != nil && c.finished.Plan != p.digest && by != "" && len(env.Exclude) == 0 {
		diff := fmt.Sprintf("the set was made by micodata %s, of other parts, and this is %s", env.Version, version)
		return Result{}, &OtherSetError{env.Out.Path(ManifestName), []string{diff}, false}
	}
	if err := gone.save(ctx); err != nil {
		return Result{}, err
	}
	if done, err := c.begin(ctx, m, p); done != nil || err != nil {
		return done.result(p, unknown), err
	}
	env.Out = &owned{env.Out, c, p.digest}
	if m.Shards, err = env.writeShards(ctx, p, c); err == nil {
		err = env.describe(ctx, m)
	}
	if err != nil {
		return Result{}, c.lost(ctx, p.digest, err)
	}
	if err := gone.holds(ctx); err != nil {
		return Result{}, err
	}
	return m.result(p, unknown), c.finish(ctx, env.Out, m)
}

// maxWorkers is the number of shards written at once: each holds some two and a half
// row groups in memory, and all of them no more than six.
const maxWorkers = 2

// nothing is the error of a set without tuples. What was taken out must not stay
// there for want of others.
func (e *Env) nothing(ctx context.Context, c *claim, m *Manifest, p *plan, gone *takedown) error {
	err := &NoTuplesError{Stages: p.stages, LeftOut: p.leftOut}
	if p.excluded == 0 {
		return err
	}
	if err := gone.save(ctx); err != nil {
		return err
	}
	if err := c.empty(ctx, m); err != nil {
		return err
	}
	return err
}

// isWhole tells whether a finished set is the planned one, with all its files.
func (e *Env) isWhole(ctx context.Context, m *Manifest, p *plan) (bool, error) {
	if m == nil || m.Plan != p.digest || m.Fingerprint != p.fingerprint {
		return false, nil // none, or parts were made again
	}
	for _, name := range append(m.Beside(), IndexName) {
		info, err := e.Out.Stat(ctx, name)
		if errors.Is(err, fs.ErrNotExist) || err == nil && name == IndexName && info.Size != m.Index.Bytes {
			return false, nil // someone removed it: write it again
		}
		if err != nil {
			return false, err
		}
	}
	sizes, err := shardSizes(ctx, e.Out)
	if err != nil {
		return false, err
	}
	for _, s := range m.Shards {
		if sizes[s.Name] != s.Bytes {
			return false, nil
		}
	}
	return true, nil
}

// writeShards writes what is missing and returns the entries of all.
func (e *Env) writeShards(ctx context.Context, p *plan, c *claim) ([]Shard, error) {
	schema := NewTupleSchema(p.audioRate)
	sizes, err := shardSizes(ctx, e.Out)
	if err != nil {
		return nil, err
	}
	before := map[string]Shard{} // that the finished set had, by their plans
	for _, s := range c.was().Shards {
		if sizes[s.Name] == s.Bytes {
			before[s.Plan] = s
		}
	}
	out := make([]Shard, len(p.shards))
	var done atomic.Int64
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(e.Workers)
	for i, s := range p.shards {
		g.Go(func() error {
			entry, err := e.shard(ctx, schema, p, s, before[s.Digest])
			if err != nil {
				return fmt.Errorf("shard %s: %w", s.name(), err)
			}
			out[i] = entry
			if e.Progress != nil {
				e.Progress(int(done.Add(1)), len(p.shards))
			}
			return nil
		})
	}
	return out, g.Wait()
}

// shard keeps a shard that is there, or writes it. Before is its entry in the
// finished set that was there, if that had it.
func (e *Env) shard(ctx context.Context, schema *table.Schema[Tuple], p *plan, s *shardPlan, before Shard) (Shard, error) {
	entry, err := e.keep(ctx, schema, s, before)
	if errors.Is(err, fs.ErrNotExist) {
		return e.writeShard(ctx, schema, p, s)
	}
	return entry, err
}

// keep looks whether the shard's file is there, and removes one that is broken
// or of another plan. The error is [fs.ErrNotExist] if it is to be written. A file
// that the finished set had is not read again; any other is, with its checksums:
// the sha256 that the manifest will have is right for any bytes.
func (e *Env) keep(ctx context.Context, schema *table.Schema[Tuple], s *shardPlan, before Shard) (Shard, error) {
	o, err := e.Out.Open(ctx, s.name())
	if err != nil {
		return Shard{}, err
	}
	defer o.Close()
	entry := Shard{File: File{Name: s.name(), Rows: s.Rows, Bytes: o.Size(), SHA256: before.SHA256}, Split: s.Split, Plan: s.Digest}
	err = func() error {
		r, err := schema.NewReader(o, table.ReaderOptions{})
		if err != nil {
			return err
		}
		if r.Metadata(MetaPlan) != s.Digest || r.Rows() != s.Rows {
			return errors.New("it is of another plan")
		}
		entry.RowGroups = r.RowGroups()
		if before.Name == s.name() {
			return nil
		}
		if err := readAll(ctx, r); err != nil {
			return err
		}
		entry.SHA256, err = checksum(ctx, o)
		return err
	}()
	if err == nil {
		return entry, nil
	}
	if fault := storage.Fault(ctx, err); fault != nil {
		return entry, fault
	}
	if err := e.Out.Delete(ctx, s.name()); err != nil {
		return entry, err
	}
	return entry, fs.ErrNotExist
}

func readAll(ctx context.Context, r *table.Reader[Tuple]) error {
	for {
		if _, err := r.Next(); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
}

func (e *Env) writeShard(ctx context.Context, schema *table.Schema[Tuple], p *plan, s *shardPlan) (Shard, error) {
	object, err := e.Out.Create(ctx, s.name(), storage.Exclusive)
	if err != nil {
		return Shard{}, err
	}
	defer object.Abort()
	sum := sha256.New()
	if err := e.fill(ctx, io.MultiWriter(object, sum), schema, p, s); err != nil {
		return Shard{}, err
	}
	if err := object.Commit(ctx); errors.Is(err, fs.ErrExist) { // another writer was faster
		return describeShard(ctx, e.Out, schema, s, "")
	} else if err != nil {
		return Shard{}, err
	}
	return describeShard(ctx, e.Out, schema, s, hex.EncodeToString(sum.Sum(nil)))
}

// fill writes a shard's file.
func (e *Env) fill(ctx context.Context, to io.Writer, schema *table.Schema[Tuple], p *plan, s *shardPlan) error {
	w := schema.NewWriter(to, table.WriterOptions{
		RowGroupBytes: e.RowGroupBytes,
		Metadata: []table.KeyValue{
			{Key: dataset.MetaFingerprint, Value: p.fingerprint},
			{Key: MetaPlan, Value: s.Digest},
		},
	})
	if s.list != nil {
		if err := e.copyShuffled(ctx, w, s.list); err != nil {
			return err
		}
	}
	runs := s.runs.all()
	for i := 0; i < len(runs); {
		n := i // the runs of one part are read in one go
		for n < len(runs) && runs[n].Part == runs[i].Part {
			n++
		}
		if err := e.copyRuns(ctx, w, runs[i:n]); err != nil {
			return err
		}
		i = n
	}
	return w.Close()
}

// copyRuns joins rows of one part and adds them to a shard.
func (e *Env) copyRuns(ctx context.Context, w *table.Writer[Tuple], runs []run) error {
	j, err := openJoin(ctx, e, runs[0].Part, allBlobs)
	if err != nil {
		return err
	}
	defer j.close()
	for _, r := range runs {
		if err := j.skip(r.First - j.row); err != nil {
			return err
		}
		for range r.N {
			row, err := j.next()
			if err == io.EOF {
				return j.misfit(dataset.StageExtract, "has fewer rows than a moment ago")
			}
			if err != nil {
				return err
			}
			if row.clip.Status != dataset.OK {
				return j.misfit(dataset.StageExtract, fmt.Sprintf("has row %d %s, which was ok a moment ago", j.row-1, row.clip.Status))
			}
			if err := w.Write(e.trim(row.tuple())); err != nil {
				return err
			}
			if err := ctx.Err(); err != nil {
				return err
			}
		}
	}
	return nil
}
