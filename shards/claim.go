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
// first other file until after the manifest.
const BegunName = "shard.begun.json"

// begun is the content of that file.
type begun struct {
	SchemaVersion int    `json:"schema_version"`
	Plan          string `json:"plan"` // of the set that is being written
	// Shards are those of the finished set that was there before. Those that this
	// one has too need not be read again.
	Shards []Shard `json:"shards,omitempty"`
}

// OtherSetError says that the output folder holds a finished set of other
// settings, of another dataset or of another version of micodata.
type OtherSetError struct {
	Path        string
	Differences []string
}

func (e *OtherSetError) Error() string {
	return fmt.Sprintf("%s is a finished set made otherwise: %s (ask for the same, or name another folder)", e.Path, strings.Join(e.Differences, "; "))
}

// ForeignError says that the output folder holds files of a set's names that
// micodata did not write.
type ForeignError struct{ Path string }

func (e *ForeignError) Error() string {
	return e.Path + " is there, but not of a set of micodata's, and would be overwritten: name another folder"
}

// conflict is an error for two runs that write into one folder.
func conflict(out storage.Store, what string) error {
	return &storage.Error{Op: "write", Path: out.Path(""), Err: fmt.Errorf("%s: let one run at a time write there, and run this command again", what)}
}

// claim is what an output folder held when a run came to it.
type claim struct {
	env      *Env
	out      storage.Store
	finished *Manifest // nil if there was no finished set
	before   []Shard   // shards of the last finished set
}

// claim looks at the output folder. Errors: [*ForeignError].
func (e *Env) claim(ctx context.Context) (*claim, error) {
	c := &claim{env: e, out: e.Out}
	m, err := ReadManifest(ctx, e.Out)
	if err == nil {
		c.finished, c.before = m, m.Shards
		return c, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	b, err := readBegun(ctx, e.Out)
	if err == nil {
		c.before = b.Shards
		return c, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return c, e.isFree(ctx)
}

// CheckFolder is a [*ForeignError] if out holds what [Write] would refuse to replace,
// whatever its settings.
func CheckFolder(ctx context.Context, out storage.Store) error {
	_, err := (&Env{Out: out}).claim(ctx)
	return err
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
		return &OtherSetError{c.out.Path(ManifestName), diffs}
	}
	return nil
}

// begin notes that the set is unfinished from here on, and removes what is not of
// the plan: shards of another number. The files of others stay.
func (c *claim) begin(ctx context.Context, p *plan) error {
	if err := c.out.Sweep(ctx, Folders()...); err != nil {
		return err
	}
	b := begun{SchemaVersion: dataset.SchemaVersion, Plan: p.digest, Shards: c.before}
	if err := writeJSON(ctx, c.out, BegunName, b); err != nil {
		return err
	}
	now, err := ReadManifest(ctx, c.out)
	if err == nil && (c.finished == nil || now.Plan != c.finished.Plan) {
		return errors.Join(conflict(c.out, "another run has just finished a set there"), c.out.Delete(ctx, BegunName))
	}
	if ignoreMissing(err) != nil {
		return err
	}
	if err := c.out.Delete(ctx, ManifestName); err != nil {
		return err
	}
	wanted := map[string]bool{}
	for _, s := range p.shards {
		wanted[s.name()] = true
	}
	return removeShards(ctx, c.out, wanted)
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

// empty removes a set of which nothing is left, the list of what was taken out
// excepted. What tells that the folder is ours goes last.
func (c *claim) empty(ctx context.Context) error {
	if err := writeJSON(ctx, c.out, BegunName, begun{SchemaVersion: dataset.SchemaVersion}); err != nil {
		return err
	}
	if err := c.out.Delete(ctx, ManifestName); err != nil {
		return err
	}
	if err := removeShards(ctx, c.out, nil); err != nil {
		return err
	}
	for _, name := range []string{IndexName, StatsName, CardName, PreviewName, BegunName} {
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

// finish commits the manifest to out, which is [owned]. It is an error if another run has begun another set
// here meanwhile, which then has removed shards of this one.
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
	return c.out.Delete(ctx, BegunName)
}

// unmark removes what a run left that was killed right after it had finished the set.
func (c *claim) unmark(ctx context.Context) error {
	b, err := readBegun(ctx, c.out)
	if err != nil || b.Plan != c.finished.Plan {
		return ignoreMissing(err)
	}
	return c.out.Delete(ctx, BegunName)
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

func readBegun(ctx context.Context, s storage.Store) (*begun, error) {
	data, err := storage.ReadAll(ctx, s, BegunName, maxManifestBytes)
	if err != nil {
		return nil, err
	}
	b := new(begun)
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
