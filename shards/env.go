package shards

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"micodata/dataset"
	"micodata/storage"
)

// Env is what [Write] works with.
type Env struct {
	Dataset storage.Store
	Out     storage.Store
	Settings
	// Exclude are keys and source ids to take out of the set for good. They are no
	// setting: the other shards of a set that is there stay as they are, and a set
	// that an earlier version of micodata made stays that version's.
	Exclude []string
	// Frozen are the dataset's settings: what made the parts.
	Frozen *dataset.Frozen
	// Labels are the label stages to join, such as [dataset.StageDepth]. Their
	// parts must all be there.
	Labels []string
	// Version is micodata's own.
	Version string
	// Models are named in the dataset card.
	Models []Model
	// Workers is the number of shards written at once; each holds some two row
	// groups in memory. Default 2.
	Workers int
	// TempDir is where a shuffled set is noted, some 1.5 KB a tuple; "" for
	// the system's.
	TempDir string
	// Progress, if set, is told of each finished shard, from several goroutines.
	Progress func(done, total int)
}

// Model is an estimator that made a column.
type Model struct {
	Name          string `json:"name"`
	Task          string `json:"task"`
	License       string `json:"license"`
	WeightsSHA256 string `json:"weights_sha256"`
}

// Counts are the rows of a stage by what became of them.
type Counts struct {
	Rows    int64                   `json:"rows"`
	OK      int64                   `json:"ok"`
	Failed  int64                   `json:"failed"`
	Skipped int64                   `json:"skipped"`
	Classes map[dataset.Class]int64 `json:"classes,omitempty"` // of failed and skipped rows
}

func (c *Counts) add(o dataset.Outcome) {
	c.Rows++
	switch o.Status {
	case dataset.OK:
		c.OK++
		return
	case dataset.Skipped:
		c.Skipped++
	default:
		c.Failed++
	}
	if c.Classes == nil {
		c.Classes = map[dataset.Class]int64{}
	}
	c.Classes[o.Class]++
}

// Result tells what a set holds.
type Result struct {
	Tuples int64
	Shards int
	Bytes  int64 // of all shards
	// Stages counts sources (ingest), clips (extract and the labels) and, under
	// StageShard, the clips that were joined.
	Stages map[string]Counts
	// Excluded is the number of tuples that the set would have, had nothing been
	// taken out of it.
	Excluded int64
	// Unknown are those of Env.Exclude that are of no tuple.
	Unknown []string
}

// StageShard names this stage in counts.
const StageShard = "shard"

// ErrNoTuples is the kind of [*NoTuplesError].
var ErrNoTuples = errors.New("no tuples: no clip is left to write")

// NoTuplesError says that a dataset has nothing to make a set of, and why.
type NoTuplesError struct {
	Stages map[string]Counts
	// LeftOut counts clips that a setting left out, by its name.
	LeftOut map[string]int64
}

func (e *NoTuplesError) Error() string {
	msg := ErrNoTuples.Error()
	for _, stage := range []string{dataset.StageIngest, dataset.StageExtract, StageShard} {
		c, ok := e.Stages[stage]
		if !ok || len(c.Classes) == 0 || stage == StageShard && len(e.LeftOut) > 0 {
			continue
		}
		msg += fmt.Sprintf("; %s:", stage)
		for _, class := range dataset.Classes() {
			if n := c.Classes[class]; n > 0 {
				msg += fmt.Sprintf(" %d %s", n, class)
			}
		}
	}
	for i, why := range slices.Sorted(maps.Keys(e.LeftOut)) {
		msg += fmt.Sprintf("%s --%s left out %d", []string{";", ","}[min(i, 1)], why, e.LeftOut[why])
	}
	return msg
}

func (e *NoTuplesError) Unwrap() error { return ErrNoTuples }

func (e *Env) asked(stage string) bool { return slices.Contains(e.Labels, stage) }

// stages are the frozen settings of all stages that feed the set.
func (e *Env) stages() (map[string]dataset.Stage, error) {
	out := map[string]dataset.Stage{}
	for _, name := range append([]string{dataset.StageIngest, dataset.StageExtract}, e.Labels...) {
		st, ok := e.Frozen.Stages[name]
		if !ok {
			return nil, fmt.Errorf("the dataset has no stage %s yet", name)
		}
		out[name] = st
	}
	return out, nil
}

// check refuses a part that was made otherwise than the dataset says.
func (e *Env) check(info dataset.PartInfo) error {
	if want := e.Frozen.Stages[info.Stage].Fingerprint; info.Fingerprint != want {
		return dataset.Damaged(e.Dataset, dataset.PartName(info.Stage, info.Part),
			fmt.Errorf("made with other settings than dataset.json says (fingerprint %.12s, not %.12s): it does not belong to this dataset", info.Fingerprint, want))
	}
	return nil
}

// fingerprint hashes all that shapes the set but the parts' content.
func (e *Env) fingerprint() (string, error) {
	stages, err := e.stages()
	if err != nil {
		return "", err
	}
	return settingsDigest(e.Version, e.Settings, stages)
}

// audioRate is the sampling rate of all separate sound, 0 if it is the source's.
func (e *Env) audioRate() int { return e.Frozen.Stages[dataset.StageExtract].Int("audio_rate") }

// parts is the number of the dataset's parts, all of whose stages must be there.
func (e *Env) parts(ctx context.Context) (int, error) {
	n := -1
	for _, stage := range append([]string{dataset.StageIngest, dataset.StageExtract}, e.Labels...) {
		have, err := countParts(ctx, e.Dataset, stage)
		if err != nil {
			return 0, err
		}
		if n >= 0 && have != n {
			return 0, fmt.Errorf("%s has %d parts, %s %d: run the stages before shard to their end", stage, have, dataset.StageIngest, n)
		}
		n = have
	}
	if n == 0 {
		return 0, fmt.Errorf("%s has no parts yet: ingest first", e.Dataset.Path(dataset.StageIngest))
	}
	last, err := dataset.OpenPart(ctx, e.Dataset, dataset.SourceSchema, dataset.StageIngest, n-1, "source_id")
	if err != nil {
		return 0, err
	}
	defer last.Close()
	if !last.Info.Last {
		return 0, fmt.Errorf("the list of sources is not ingested to its end: run ingest again, it goes on from part %d", n)
	}
	return n, nil
}

// countParts counts a stage's parts and checks that none is missing between.
func countParts(ctx context.Context, s storage.Store, stage string) (int, error) {
	objects, err := s.List(ctx, stage+"/")
	if err != nil {
		return 0, err
	}
	n, highest := 0, -1
	for _, o := range objects {
		if i, ok := dataset.PartIndex(stage, o.Name); ok {
			n, highest = n+1, max(highest, i)
		}
	}
	if highest != n-1 {
		return 0, fmt.Errorf("%s has %d parts numbered up to %d: some are missing (the command that made them makes them again)", s.Path(stage), n, highest)
	}
	return n, nil
}
