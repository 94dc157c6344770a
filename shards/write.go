package shards

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"micodata/dataset"
	"micodata/internal/table"
	"micodata/storage"
)

// Footer metadata keys of shards.
const (
	metaPlan        = "micodata.plan"
	metaFingerprint = dataset.MetaFingerprint
)

// Write makes the training set of a dataset in env.Out, or what is missing of
// it. A set that is finished already is left as it is. It returns a
// [*NoTuplesError] if there is nothing to write, and an [*OtherSetError] if the
// folder holds a finished set of other settings.
func Write(ctx context.Context, env Env) (Result, error) {
	if err := env.Validate(); err != nil {
		return Result{}, err
	}
	if env.Workers <= 0 {
		env.Workers = 2
	}
	n, err := env.parts(ctx)
	if err != nil {
		return Result{}, err
	}
	excluded, err := exclude(ctx, env.Out, env.Exclude)
	if err != nil {
		return Result{}, err
	}
	p, err := makePlan(ctx, &env, n, excluded)
	if err != nil {
		return Result{}, err
	}
	defer p.close()
	if p.tuples == 0 {
		err := error(&NoTuplesError{Stages: p.stages})
		if len(excluded) > 0 { // what was taken out must not stay for want of others
			err = errors.Join(env.clear(ctx, p), err)
		}
		return Result{Stages: p.stages}, err
	}
	if done, err := env.finished(ctx, p); done != nil || err != nil {
		return result(done), err
	}
	if err := env.clear(ctx, p); err != nil {
		return Result{}, err
	}
	m := &Manifest{SchemaVersion: dataset.SchemaVersion, Micodata: env.Version, Fingerprint: p.fingerprint, Plan: p.digest,
		Settings: env.Settings, AudioRate: p.audioRate, Counts: p.stages, Notes: p.notes, Models: env.Models}
	if m.Stages, err = env.stages(); err != nil {
		return Result{}, err
	}
	if m.Shards, err = env.writeShards(ctx, p); err != nil {
		return Result{}, err
	}
	if err := env.describe(ctx, m); err != nil {
		return Result{}, err
	}
	return result(m), m.save(ctx, env.Out)
}

// finished returns the manifest of the set if it is this one.
func (e *Env) finished(ctx context.Context, p *plan) (*Manifest, error) {
	m, err := ReadManifest(ctx, e.Out)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if m.Fingerprint != p.fingerprint {
		return nil, &OtherSetError{Path: e.Out.Path(ManifestName), Have: m.Fingerprint, Want: p.fingerprint}
	}
	if m.Plan != p.digest {
		return nil, nil // the same settings, but parts were made again
	}
	for _, s := range m.Shards {
		info, err := e.Out.Stat(ctx, s.Name)
		if errors.Is(err, fs.ErrNotExist) || err == nil && info.Size != s.Bytes {
			return nil, nil // someone removed it: write it again
		}
		if err != nil {
			return nil, err
		}
	}
	return m, nil
}

// clear removes what is not of this plan: first the manifest, so that the set is
// unfinished from here on, then the shards of another number.
func (e *Env) clear(ctx context.Context, p *plan) error {
	if err := e.Out.Sweep(ctx, "data"); err != nil {
		return err
	}
	if err := e.Out.Delete(ctx, ManifestName); err != nil {
		return err
	}
	wanted := map[string]bool{}
	for _, s := range p.shards {
		wanted[s.name()] = true
	}
	objects, err := e.Out.List(ctx, "data/")
	if err != nil {
		return err
	}
	for _, o := range objects {
		if strings.HasSuffix(o.Name, ".parquet") && !wanted[o.Name] {
			if err := e.Out.Delete(ctx, o.Name); err != nil {
				return err
			}
		}
	}
	return nil
}

// writeShards writes what is missing and returns the entries of all.
func (e *Env) writeShards(ctx context.Context, p *plan) ([]Shard, error) {
	schema := NewTupleSchema(p.audioRate)
	out := make([]Shard, len(p.shards))
	var done atomic.Int64
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(e.Workers)
	for i, s := range p.shards {
		g.Go(func() error {
			entry, err := e.shard(ctx, schema, p, s)
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

// shard keeps a shard that is there, or writes it.
func (e *Env) shard(ctx context.Context, schema *table.Schema[Tuple], p *plan, s *shardPlan) (Shard, error) {
	err := e.keep(ctx, schema, s)
	if errors.Is(err, fs.ErrNotExist) {
		err = e.writeShard(ctx, schema, p, s)
	}
	if err != nil {
		return Shard{}, err
	}
	return describeShard(ctx, e.Out, schema, s)
}

// keep looks whether the shard's file is there, and removes one that is broken
// or of another plan. The error is [fs.ErrNotExist] if it is to be written.
func (e *Env) keep(ctx context.Context, schema *table.Schema[Tuple], s *shardPlan) error {
	o, err := e.Out.Open(ctx, s.name())
	if err != nil {
		return err
	}
	r, err := schema.NewReader(o, table.ReaderOptions{})
	same := err == nil && r.Metadata(metaPlan) == s.Digest && r.Rows() == s.Rows && isWhole(ctx, r)
	if err := errors.Join(o.Close(), ctx.Err()); err != nil || same {
		return err
	}
	if err := e.Out.Delete(ctx, s.name()); err != nil {
		return err
	}
	return fs.ErrNotExist
}

// isWhole reads all rows, and with them the checksums: the sha256 that the
// manifest will have is right for any bytes.
func isWhole(ctx context.Context, r *table.Reader[Tuple]) bool {
	for {
		if _, err := r.Next(); err != nil || ctx.Err() != nil {
			return err == io.EOF
		}
	}
}

func (e *Env) writeShard(ctx context.Context, schema *table.Schema[Tuple], p *plan, s *shardPlan) error {
	object, err := e.Out.Create(ctx, s.name(), storage.Exclusive)
	if err != nil {
		return err
	}
	defer object.Abort()
	w := schema.NewWriter(object, table.WriterOptions{
		RowGroupBytes: e.RowGroupBytes,
		Metadata: []table.KeyValue{
			{Key: metaFingerprint, Value: p.fingerprint},
			{Key: metaPlan, Value: s.Digest},
		},
	})
	if s.list != nil {
		if err := e.copyShuffled(ctx, w, s.list); err != nil {
			return err
		}
	}
	for i := 0; i < len(s.Runs); {
		n := i // the runs of one part are read in one go
		for n < len(s.Runs) && s.Runs[n].Part == s.Runs[i].Part {
			n++
		}
		if err := e.copyRuns(ctx, w, s.Runs[i:n]); err != nil {
			return err
		}
		i = n
	}
	if err := w.Close(); err != nil {
		return err
	}
	if err := object.Commit(ctx); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil // where another writer was faster, it wrote the same bytes
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
