package verify

import (
	"context"
	"fmt"
	"maps"
	"path"
	"reflect"
	"slices"
	"strings"

	"micodata/dataset"
	"micodata/internal/hash64"
	"micodata/shards"
)

// tally counts what the manifest says of all tuples. Rows come in the order of the
// shards.
type tally struct {
	tuples  int64
	seconds float64
	splits  map[string]int64
	sources sourceCount
	missing map[string]map[dataset.Class]int64
	isWhole bool // all rows were counted
}

// sourceCount counts sources, by hashes of their ids: 8 bytes a source, or in a
// shuffled set a tuple.
type sourceCount struct{ hashes []uint64 }

func (c *sourceCount) add(id string) {
	if h := hash64.Of(id); len(c.hashes) == 0 || h != c.hashes[len(c.hashes)-1] { // a source's tuples mostly stand together
		c.hashes = append(c.hashes, h)
	}
}

func (c *sourceCount) count() int64 {
	slices.Sort(c.hashes)
	c.hashes = slices.Compact(c.hashes)
	return int64(len(c.hashes))
}

func (n *tally) add(split string, t *shards.Tuple) {
	if n.splits == nil {
		n.splits, n.missing = map[string]int64{}, map[string]map[dataset.Class]int64{}
	}
	n.tuples++
	n.seconds += t.Duration
	n.splits[split]++
	n.sources.add(t.SourceID)
	told := map[dataset.StageError]bool{} // frames have an entry each; the tuple counts once
	for _, e := range t.Status {
		e.Error = ""
		if told[e] {
			continue
		}
		told[e] = true
		if n.missing[e.Stage] == nil {
			n.missing[e.Stage] = map[dataset.Class]int64{}
		}
		n.missing[e.Stage][e.Class]++
	}
}

// counts checks that the manifest adds up: with its shards, with the rows of the
// index, and in itself, from the sources to the tuples. A row that was dropped shows
// here, whatever else was rewritten with it.
func (v *verifier) counts(context.Context) error {
	m := v.manifest
	wrong := func(format string, args ...any) { v.fileProblem(shards.ManifestName, "manifest", format, args...) }
	var rows, bytes int64
	for _, s := range m.Shards {
		rows += s.Rows
		bytes += s.Bytes
	}
	if rows != m.Tuples || bytes != m.Bytes || m.Index.Rows != m.Tuples {
		wrong("says %d tuples, %d bytes and %d index rows; its shards have %d tuples of %d bytes", m.Tuples, m.Bytes, m.Index.Rows, rows, bytes)
	}
	if n := &v.index; n.isWhole {
		if !maps.Equal(n.splits, m.Splits) && n.tuples+int64(len(m.Splits)) > 0 {
			wrong("says splits of %v tuples; there are %v", m.Splits, n.splits)
		}
		if sources := n.sources.count(); sources != m.Sources || !near(n.seconds, m.Seconds) {
			wrong("says %d sources and %v s; there are %d and %v", m.Sources, m.Seconds, sources, n.seconds)
		}
		if len(n.missing)+len(m.Missing) > 0 && !reflect.DeepEqual(n.missing, m.Missing) {
			wrong("says that %v are missing; the tuples' status says %v", m.Missing, n.missing)
		}
	}
	if most := m.Settings.Limit; most > 0 && m.Tuples > most {
		wrong("%d tuples, above the settings' limit of %d", m.Tuples, most)
	}
	for _, s := range v.stageProblems() {
		wrong("%s", s)
	}
	return v.digests()
}

// stageProblems checks the counts of each stage and from each to the next.
func (v *verifier) stageProblems() (wrong []string) {
	m := v.manifest
	say := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
	for _, stage := range []string{dataset.StageIngest, dataset.StageExtract} {
		if _, ok := m.Stages[stage]; !ok {
			say("stages has no %s", stage)
		}
	}
	for _, stage := range append(slices.Sorted(maps.Keys(m.Stages)), shards.StageShard) {
		if _, ok := m.Counts[stage]; !ok {
			say("counts has no %s", stage)
		}
	}
	for _, stage := range slices.Sorted(maps.Keys(m.Counts)) {
		c := m.Counts[stage]
		classes := int64(0)
		for _, n := range c.Classes {
			classes += n
		}
		if c.Rows != c.OK+c.Failed+c.Skipped || classes != c.Failed+c.Skipped {
			say("counts of %s: %d rows are not %d ok, %d failed, %d skipped, or these not the %d of its classes", stage, c.Rows, c.OK, c.Failed, c.Skipped, classes)
		}
		if path.Dir(stage) == "label" && c.Rows != m.Counts[dataset.StageExtract].OK {
			say("counts of %s: %d rows for %d clips", stage, c.Rows, m.Counts[dataset.StageExtract].OK)
		}
	}
	shard := m.Counts[shards.StageShard]
	if clips := m.Counts[dataset.StageExtract].OK; shard.Rows != clips {
		say("%d clips were extracted, and %d are accounted for", clips, shard.Rows)
	}
	if shard.OK != m.Tuples {
		say("%d clips became tuples, and there are %d", shard.OK, m.Tuples)
	}
	said := int64(0)
	for _, why := range slices.Sorted(maps.Keys(m.LeftOut)) {
		said += m.LeftOut[why]
		if !v.leavesOut(why) {
			say("%d clips were left out by %s, which is not asked for", m.LeftOut[why], why)
		}
	}
	// A note names the sources that are there twice, whose clips are the others.
	if left := shard.Failed + shard.Skipped; left < said || left > said && len(m.Notes) == 0 {
		say("%d clips were left out, and of %d it is said why", left, said)
	}
	return wrong
}

// leavesOut tells whether a reason to leave clips out is one of this set.
func (v *verifier) leavesOut(why string) bool {
	s := &v.manifest.Settings
	switch name, isRequired := strings.CutPrefix(why, "require "); {
	case isRequired:
		return slices.Contains(s.Require, name)
	case why == "where":
		return s.Where != ""
	case why == "limit":
		return s.Limit > 0
	}
	return why == "exclude" && len(v.excluded) > 0
}

// digests checks that the manifest is of these settings, and its plan made of those of
// the shards, which their footers name too.
func (v *verifier) digests() error {
	m := v.manifest
	fingerprint, plan, err := m.Digests()
	if err != nil {
		return err
	}
	if fingerprint != m.Fingerprint {
		v.fileProblem(shards.ManifestName, "fingerprint", "%.12s is not that of its settings and stages, %.12s", m.Fingerprint, fingerprint)
	}
	if plan != m.Plan {
		v.fileProblem(shards.ManifestName, "fingerprint", "plan %.12s is not that of its shards and counts", m.Plan)
	}
	return nil
}
