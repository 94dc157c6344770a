package verify

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"micodata/dataset"
	"micodata/internal/ffmpeg"
	"micodata/internal/hash64"
	"micodata/internal/table"
	"micodata/shards"
	"micodata/storage"
)

// Env is what [Set] works with.
type Env struct {
	Out   storage.Store
	Tools ffmpeg.Tools
	// Sample is the share of tuples whose media are decoded, 0..1; one of every
	// shard is in any case. Which ones is a matter of their keys, not of chance.
	Sample float64
	// WithoutSources leaves out the comparison of sampled tuples with their
	// sources, which is made where a source is at hand: a local file, or media
	// that Dataset holds.
	WithoutSources bool
	// Dataset, if not nil, is the dataset that the set was made of.
	Dataset storage.Store
	// TempDir holds a clip or two of each worker while they are decoded, and sources that are fetched from
	// a bucket, up to 4 GiB; "" for the system's.
	TempDir string
	// Workers is the number of shards read at once; each holds a row group in memory,
	// and the frames of a clip. Default 2.
	Workers int
	// MaxProblems is how many problems are kept; all are counted. Default 1000.
	MaxProblems int
	// Progress, if set, is told of each shard that was read, from several
	// goroutines.
	Progress func(done, total int)
}

// Problem is a promise that a set breaks.
type Problem struct {
	Shard   string `json:"shard"`         // or another file of the set
	Row     int64  `json:"row"`           // in the shard; -1 for the whole file
	Key     string `json:"key,omitempty"` // of the tuple, "" for the whole file
	Promise string `json:"promise"`       // what is broken, in a word or two: "audio sync", "depth"
	Detail  string `json:"detail"`
}

func (p Problem) String() string {
	where := p.Shard
	if p.Row >= 0 {
		where += fmt.Sprintf(" row %d (%s)", p.Row, p.Key)
	}
	return fmt.Sprintf("%s: %s: %s", where, p.Promise, p.Detail)
}

// Report is what [Set] found.
type Report struct {
	Shards  int          `json:"shards"`
	Tuples  int64        `json:"tuples"`
	Sampled int64        `json:"sampled"`
	Sources SourceReport `json:"sources"`
	// Unnamed counts depth and normal maps that do not say of which picture they were
	// made, as those of builds before they did: nothing tells whether they were swapped.
	Unnamed int64 `json:"unnamed_maps"`
	// Problems are in the order of shards, rows and promises; Found counts also those that
	// were not kept.
	Problems []Problem `json:"problems,omitempty"`
	Found    int       `json:"found"`
}

// Set checks a finished set: every file against the manifest, every row
// against the index, and the media of a sample of rows against each other. An
// error means that the set could not be checked; what is wrong with it is in
// the report. Errors: those of [shards.ReadManifest], a set that is not finished among
// them; a [*storage.Error]; the context's.
func Set(ctx context.Context, env Env) (Report, error) {
	if env.Workers <= 0 {
		env.Workers = 2
	}
	if env.MaxProblems <= 0 {
		env.MaxProblems = 1000
	}
	m, err := shards.ReadManifest(ctx, env.Out)
	if err != nil {
		return Report{}, err
	}
	excluded, err := shards.ReadExcluded(ctx, env.Out)
	if err != nil {
		return Report{}, err
	}
	v := &verifier{Env: env, manifest: m, schema: shards.NewTupleSchema(m.AudioRate), sources: sources{dataset: env.Dataset, tempDir: env.TempDir},
		excluded: excluded}
	if v.filter, err = shards.ParseFilter(m.Settings.Where); err != nil {
		v.fileProblem(shards.ManifestName, "manifest", "its settings' %v", err)
		v.filter = &shards.Filter{}
	}
	for _, step := range []func(context.Context) error{v.files, v.shards, v.uniqueKeys, v.counts} {
		if err := step(ctx); err != nil {
			return Report{}, err
		}
	}
	slices.SortStableFunc(v.report.Problems, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Shard, b.Shard), cmp.Compare(a.Row, b.Row), cmp.Compare(a.Promise, b.Promise))
	})
	v.report.Shards = len(m.Shards)
	return v.report, nil
}

// verifier holds what the checks of one set share.
type verifier struct {
	Env
	manifest *shards.Manifest
	schema   *table.Schema[shards.Tuple]
	sources  sources
	excluded shards.Exclusion
	filter   *shards.Filter // the settings' where
	index    tally          // of the index's rows

	mu     sync.Mutex
	report Report
	hashes []uint64 // of all keys
	done   int
}

// add adds problems to the report: those that are kept, and how many there are.
func (v *verifier) add(problems []Problem, found int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.report.Found += found
	room := max(0, v.MaxProblems-len(v.report.Problems))
	v.report.Problems = append(v.report.Problems, problems[:min(room, len(problems))]...)
}

func (v *verifier) problem(p Problem) { v.add([]Problem{p}, 1) }

func (v *verifier) fileProblem(name, promise, format string, args ...any) {
	v.problem(Problem{Shard: name, Row: -1, Promise: promise, Detail: fmt.Sprintf(format, args...)})
}

// files checks that data/ holds what the manifest lists and nothing else, and
// the files beside it.
func (v *verifier) files(ctx context.Context) error {
	m := v.manifest
	listed := map[string]bool{}
	for _, s := range m.Shards {
		if listed[s.Name] {
			v.fileProblem(s.Name, "manifest", "listed twice")
		}
		listed[s.Name] = true
	}
	objects, err := v.Out.List(ctx, "data/")
	if err != nil {
		return err
	}
	for _, o := range objects {
		if !listed[o.Name] {
			v.fileProblem(o.Name, "manifest", "is in the folder, but not in the manifest")
		}
	}
	for _, name := range m.Beside() {
		if _, err := v.Out.Stat(ctx, name); errors.Is(err, fs.ErrNotExist) {
			v.fileProblem(name, "manifest", "the file is missing (%s)", shards.Remedy)
		} else if err != nil {
			return err
		}
	}
	_, err = v.file(ctx, m.Index, nil)
	return err
}

// file checks size and checksum, and tells whether the file is the one that was
// written. Read, if there is one, reads what it wants of it, once for both.
func (v *verifier) file(ctx context.Context, want shards.File, read func(storage.Object) error) (isWhole bool, err error) {
	o, err := v.Out.Open(ctx, want.Name)
	if errors.Is(err, fs.ErrNotExist) {
		v.fileProblem(want.Name, "manifest", "the file is missing")
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer o.Close()
	if o.Size() != want.Bytes {
		v.fileProblem(want.Name, "checksum", "%d bytes, the manifest says %d", o.Size(), want.Bytes)
		return false, nil
	}
	file := &hashed{Object: o, sum: sha256.New()}
	if read != nil {
		if err := read(file); err != nil {
			return false, err
		}
	}
	sum, err := file.finish(ctx)
	if err != nil {
		return false, err
	}
	if sum != want.SHA256 {
		v.fileProblem(want.Name, "checksum", "sha256 %s, the manifest says %s", sum, want.SHA256)
	}
	return sum == want.SHA256, nil
}

// shards checks all shards, some at a time. The index is read once, beside them.
func (v *verifier) shards(ctx context.Context) error {
	index, err := v.openIndex(ctx)
	if err != nil {
		return err
	}
	defer index.close()
	g, of := errgroup.WithContext(ctx)
	g.SetLimit(v.Workers)
	for _, s := range v.manifest.Shards {
		rows, err := index.next(of, s)
		if err != nil {
			g.Go(func() error { return err })
			break
		}
		g.Go(func() error {
			if err := v.shard(of, s, rows); err != nil {
				return fmt.Errorf("verify %s: %w", s.Name, err)
			}
			v.mu.Lock()
			v.done++
			done := v.done
			v.mu.Unlock()
			if v.Progress != nil {
				v.Progress(done, len(v.manifest.Shards))
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return index.end(ctx)
}

// uniqueKeys looks for keys that occur twice in the set. Of the keys 8 bytes
// each were kept; those whose hashes coincide are compared.
func (v *verifier) uniqueKeys(ctx context.Context) error {
	slices.Sort(v.hashes)
	twice := map[uint64]bool{}
	for i := 1; i < len(v.hashes); i++ {
		if v.hashes[i] == v.hashes[i-1] {
			twice[v.hashes[i]] = true
		}
	}
	if len(twice) == 0 {
		return nil
	}
	first := map[string]string{}
	for _, s := range v.manifest.Shards {
		o, err := v.Out.Open(ctx, s.Name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		err = eachRow(o, v.schema, table.ReaderOptions{Columns: []string{"key"}}, func(row int64, t *shards.Tuple) error {
			if !twice[hash64.Of(t.Key)] || ctx.Err() != nil {
				return ctx.Err()
			}
			if where, seen := first[t.Key]; seen {
				v.problem(Problem{Shard: s.Name, Row: row, Key: t.Key, Promise: "unique keys", Detail: "the key is also in " + where})
			}
			first[t.Key] = fmt.Sprintf("%s row %d", s.Name, row)
			return nil
		})
		o.Close()
		if err := storage.Fault(ctx, err); err != nil {
			return err
		} // else a broken shard, which has its problem already
	}
	return nil
}

// sampled tells whether a tuple is in the sample: a matter of its key alone.
func (v *verifier) sampled(key string) bool {
	return float64(hash64.Of(key)) < v.Sample*math.MaxUint64
}

// split checks that a source is where its hash puts it. In a set with train
// alone, everything is.
func (v *verifier) split(s shards.Shard, sourceID string) bool {
	if len(v.manifest.Splits) == 1 {
		return s.Split == shards.Train
	}
	return s.Split == v.manifest.Settings.Splits.Of(sourceID)
}

// asked tells whether the set was made with a label stage.
func (v *verifier) asked(stage string) bool {
	_, ok := v.manifest.Stages[stage]
	return ok
}

// asksVideo tells whether the clips' video was asked for.
func (v *verifier) asksVideo() bool {
	return v.manifest.Stages[dataset.StageExtract].Settings["clip_mode"] != "none" && v.manifest.Settings.Keeps("video")
}

// audioFormat is that of the column audio, as its files end.
func (v *verifier) audioFormat() string {
	if f, ok := v.manifest.Stages[dataset.StageExtract].Settings["audio_format"].(string); ok {
		return f
	}
	return "flac" // the default
}

// frames is the number of uniform frames a clip should have, 0 if unknown.
func (v *verifier) frames() int { return v.manifest.Stages[dataset.StageExtract].Int("frames") }

// isMissing tells whether the status of a tuple names a stage that ends with the
// modality. Maps of frames have entries of their own: see [dataset.FrameError].
func isMissing(t *shards.Tuple, modality string) bool {
	return slices.ContainsFunc(t.Status, func(e dataset.StageError) bool { return path.Base(e.Stage) == modality })
}
