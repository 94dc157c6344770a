package shards

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"strings"

	"micodata/dataset"
	"micodata/storage"
)

// BegunName is the file of a set that is being written: it is there from before the
// first other file until after the manifest. It is the manifest as far as it is known
// by then. Its shards are those of the finished set that was there before, as far as
// this one has them too: they need not be read again.
const BegunName = "shard.begun.json"

// OtherSetError says that the output folder holds a finished set of other
// settings, of another dataset or of another version of micodata.
type OtherSetError struct {
	Path        string
	Differences []string
	Takedown    bool // that it was asked for
}

func (e *OtherSetError) Error() string {
	do := "ask for the same, or name another folder"
	if e.Takedown {
		do += "; where that can't be had, write a new set with the same --exclude, and remove this one"
	}
	return fmt.Sprintf("%s is a finished set made otherwise: %s (%s)", e.Path, strings.Join(e.Differences, "; "), do)
}

// ForeignError says that the output folder holds files of a set's names that
// micodata did not write.
type ForeignError struct{ Path string }

func (e *ForeignError) Error() string {
	return e.Path + " is there, but not of a set of micodata's, and would be overwritten: name another folder"
}

const opConflict = "write the set in"

// conflict is an error for two runs that write into one folder.
func conflict(out storage.Store, what string) error {
	return &storage.Error{Op: opConflict, Path: out.Path(""), Err: fmt.Errorf("%s: let one run at a time write there, and run this command again", what)}
}

// claim is what an output folder held when a run came to it.
type claim struct {
	env      *Env
	out      storage.Store
	finished *Manifest // nil if there was no finished set
	begun    *Manifest // nil if there was none that was begun
}

// claim looks at the output folder. Errors: [*ForeignError].
func (e *Env) claim(ctx context.Context) (*claim, error) {
	c := &claim{env: e, out: e.Out}
	var err error
	if c.begun, err = readBegun(ctx, e.Out); ignoreMissing(err) != nil {
		return nil, err
	}
	m, err := ReadManifest(ctx, e.Out)
	switch {
	case err == nil && (c.begun == nil || c.begun.Plan == m.Plan):
		c.finished, c.begun = m, nil
	case err == nil: // another set was begun after this one had been finished
	case !errors.Is(err, fs.ErrNotExist):
		return nil, err
	case c.begun == nil:
		return c, e.isFree(ctx)
	}
	return c, nil
}

// was is the set that was there, finished or begun; empty if there was none.
func (c *claim) was() *Manifest {
	switch {
	case c.finished != nil:
		return c.finished
	case c.begun != nil:
		return c.begun
	}
	return &Manifest{}
}

// Existing looks at a folder that a set is to be written into: it returns what the set
// that is there was made with, finished or only begun, or nil if there is none. The
// error is a [*ForeignError] if it holds what [Write] would not replace.
func Existing(ctx context.Context, out storage.Store) (*Manifest, error) {
	c, err := (&Env{Out: out}).claim(ctx)
	if err != nil || c.finished == nil && c.begun == nil {
		return nil, err
	}
	return c.was(), nil
}

// isFree is a [*ForeignError] if a file of a set's names is there.
func (e *Env) isFree(ctx context.Context) error {
	objects, err := e.Out.List(ctx, "data/")
	if err != nil {
		return err
	}
	for _, name := range []string{IndexName, CardName, StatsName, PreviewName} {
		_, err := e.Out.Stat(ctx, name)
		if err == nil {
			objects = append(objects, storage.Info{Name: name})
		} else if ignoreMissing(err) != nil {
			return err
		}
	}
	if len(objects) > 0 {
		return &ForeignError{e.Out.Path(objects[0].Name)}
	}
	return nil
}

// check is an [*OtherSetError] if the finished set is not of these settings and this
// dataset. Other versions of micodata are told apart later: they may have made the
// same set.
func (c *claim) check(datasetID string) error {
	m := c.finished
	if m == nil {
		return nil
	}
	var diffs []string
	if m.Dataset != datasetID {
		diffs = append(diffs, "of another dataset")
	}
	settings, err := dataset.Differences("the set", &m.Settings, &c.env.Settings)
	if err != nil {
		return err
	}
	diffs = append(diffs, settings...)
	now, err := c.env.stages()
	if err != nil {
		return err
	}
	for _, stage := range []string{dataset.StageIngest, dataset.StageExtract, dataset.StageDepth, dataset.StageNormal} {
		was, had := m.Stages[stage]
		is, has := now[stage]
		switch {
		case had && !has:
			diffs = append(diffs, "the set has "+stage)
		case has && !had:
			diffs = append(diffs, "the set has no "+stage)
		case was.Fingerprint != is.Fingerprint:
			diffs = append(diffs, stage+" was made otherwise")
		}
	}
	if len(diffs) > 0 {
		return &OtherSetError{c.out.Path(ManifestName), diffs, len(c.env.Exclude) > 0}
	}
	return nil
}

// begin notes that the set is unfinished from here on, and removes what is not of
// the plan: shards of another number. The files of others stay. It returns the set
// if another run has just finished it.
func (c *claim) begin(ctx context.Context, m *Manifest, p *plan) (*Manifest, error) {
	if err := c.out.Sweep(ctx, "data", ExcludedFolder, "assets"); err != nil {
		return nil, err
	}
	b, planned := *m, map[string]bool{}
	for _, s := range p.shards {
		planned[s.Digest] = true
	}
	for _, s := range c.was().Shards {
		if planned[s.Plan] {
			b.Shards = append(b.Shards, s)
		}
	}
	if err := writeJSON(ctx, c.out, BegunName, &b); err != nil {
		return nil, err
	}
	now, err := ReadManifest(ctx, c.out)
	switch {
	case err == nil && now.Plan == p.digest: // its files may be missing, and are written again
		if whole, err := c.env.isWhole(ctx, now, p); whole || err != nil {
			return now, errors.Join(err, c.out.Delete(ctx, BegunName))
		}
	case err == nil && c.finished != nil && now.Plan == c.finished.Plan, err == nil && c.begun != nil:
		if err := c.out.Delete(ctx, ManifestName); err != nil {
			return nil, err
		}
	case err == nil:
		return nil, errors.Join(conflict(c.out, "another run has just finished a set there"), c.out.Delete(ctx, BegunName))
	case !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	return nil, removeShards(ctx, c.out, p.names())
}

var shardName = regexp.MustCompile(`^data/(train|validation|test)-[0-9]{5,}-of-[0-9]{5,}\.parquet$`)

// removeShards removes all shards but those that are wanted.
func removeShards(ctx context.Context, out storage.Store, wanted map[string]bool) error {
	objects, err := out.List(ctx, "data/")
	if err != nil {
		return err
	}
	for _, o := range objects {
		if shardName.MatchString(o.Name) && !wanted[o.Name] {
			if err := out.Delete(ctx, o.Name); err != nil {
				return err
			}
		}
	}
	return nil
}

// empty removes a set of which nothing is left, but for the list of what was taken
// out and the mark, which tells what m was made with.
func (c *claim) empty(ctx context.Context, m *Manifest) error {
	if err := writeJSON(ctx, c.out, BegunName, m); err != nil {
		return err
	}
	if err := c.out.Delete(ctx, ManifestName); err != nil {
		return err
	}
	if err := removeShards(ctx, c.out, nil); err != nil {
		return err
	}
	for _, name := range []string{IndexName, StatsName, CardName, PreviewName} {
		if err := c.out.Delete(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

// owned is the output folder while a plan is carried out: nothing is committed once
// another run has begun another set there.
type owned struct {
	storage.Store
	claim *claim
	plan  string
}

func (o *owned) Create(ctx context.Context, name string, mode storage.Mode) (storage.Writer, error) {
	w, err := o.Store.Create(ctx, name, mode)
	return &ownedWriter{w, o}, err
}

func (o *owned) Delete(ctx context.Context, name string) error {
	if err := o.claim.isOurs(ctx, o.plan); err != nil {
		return err
	}
	return o.Store.Delete(ctx, name)
}

type ownedWriter struct {
	storage.Writer
	store *owned
}

func (w *ownedWriter) Commit(ctx context.Context) error {
	if err := w.store.claim.isOurs(ctx, w.store.plan); err != nil {
		return err
	}
	return w.Writer.Commit(ctx)
}

// finish commits the manifest to out, which is [owned]. It is an error if another run
// has begun another set here meanwhile, which then has removed shards of this one.
func (c *claim) finish(ctx context.Context, out storage.Store, m *Manifest) error {
	sizes, err := shardSizes(ctx, c.out)
	if err != nil {
		return err
	}
	for _, s := range m.Shards {
		if sizes[s.Name] != s.Bytes {
			return conflict(c.out, s.Name+" was changed meanwhile")
		}
	}
	if err := m.save(ctx, out); err != nil {
		return err
	}
	if err := c.isOurs(ctx, m.Plan); err != nil {
		return err
	}
	return c.tidy(ctx, m)
}

// tidy removes what does not go with a finished set: shards that another run committed
// just when this one began, and the mark.
func (c *claim) tidy(ctx context.Context, m *Manifest) error {
	wanted := map[string]bool{}
	for _, s := range m.Shards {
		wanted[s.Name] = true
	}
	if err := removeShards(ctx, c.out, wanted); err != nil {
		return err
	}
	if _, err := c.out.Stat(ctx, BegunName); err != nil {
		return ignoreMissing(err)
	}
	return c.out.Delete(ctx, BegunName)
}

// lost is the error of a run that failed: that another one has taken its folder, if
// it has, for then most that goes wrong does for that reason.
func (c *claim) lost(ctx context.Context, plan string, err error) error {
	var taken *storage.Error
	if other := c.isOurs(ctx, plan); errors.As(other, &taken) && taken.Op == opConflict {
		return other
	}
	return err
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// isOurs is an error if another run writes another set into the folder. A run of the
// same plan writes the same bytes, and may have ended.
func (c *claim) isOurs(ctx context.Context, plan string) error {
	b, err := readBegun(ctx, c.out)
	if err == nil && b.Plan == plan {
		return nil
	}
	if ignoreMissing(err) != nil {
		return err
	}
	if m, err := ReadManifest(ctx, c.out); b == nil && err == nil && m.Plan == plan {
		return nil
	}
	return conflict(c.out, "another run writes another set there")
}

func readBegun(ctx context.Context, s storage.Store) (*Manifest, error) {
	data, err := storage.ReadAll(ctx, s, BegunName, maxManifestBytes)
	if err != nil {
		return nil, err
	}
	b := new(Manifest)
	if err := json.Unmarshal(data, b); err != nil {
		return nil, &storage.Error{Op: "read", Path: s.Path(BegunName), Err: fmt.Errorf("it is damaged (%w): remove the set, or name another folder", err)}
	}
	return b, nil
}

// shardSizes are the sizes of what is in data/, bytes.
func shardSizes(ctx context.Context, s storage.Store) (map[string]int64, error) {
	objects, err := s.List(ctx, "data/")
	if err != nil {
		return nil, err
	}
	sizes := map[string]int64{}
	for _, o := range objects {
		sizes[o.Name] = o.Size
	}
	return sizes, nil
}

// datasetID tells datasets apart: the sha256 of the URIs of the first part's
// sources, which neither more sources nor a second try change.
func (e *Env) datasetID(ctx context.Context) (string, error) {
	h := sha256.New()
	_, err := dataset.ReadPart(ctx, e.Dataset, dataset.SourceSchema, dataset.StageIngest, 0, func(s *dataset.Source) error {
		fmt.Fprintf(h, "%q\n", s.URI)
		return nil
	}, "uri")
	return hex.EncodeToString(h.Sum(nil)), err
}
