package shards

import (
	"cmp"
	"container/heap"
	"context"
	"fmt"
	"math"
	"slices"

	"micodata/dataset"
	"micodata/internal/hash64"
)

// Stats is stats.json.
type Stats struct {
	Tuples int64 `json:"tuples"`
	// Sampled is the number of tuples the distributions are of: all, or those
	// with the smallest hashes of their keys.
	Sampled       int                     `json:"sampled"`
	Distributions map[string]Distribution `json:"distributions"`
	// Licenses counts tuples by the licence of their source.
	Licenses map[string]int64 `json:"licenses"`
	// CostPer1000 is what each stage took for 1,000 tuples of this set.
	CostPer1000 map[string]Cost `json:"cost_per_1000_tuples"`
}

// Distribution describes a measure's values.
type Distribution struct {
	Mean      float64            `json:"mean"`
	Quantiles map[string]float64 `json:"quantiles"`
}

// maxSample is how many tuples the distributions are of at most: some 8 MB, and
// quantiles good to a third of a percent.
const maxSample = 100_000

// measures are the columns with a distribution.
var measures = []struct {
	name string
	at   func(*Tuple) float64
}{
	{"duration", func(t *Tuple) float64 { return t.Duration }},
	{"width", func(t *Tuple) float64 { return float64(t.Width) }},
	{"height", func(t *Tuple) float64 { return float64(t.Height) }},
	{"fps", func(t *Tuple) float64 { return t.FPS }},
	{"motion", func(t *Tuple) float64 { return t.Motion }},
	{"sharpness", func(t *Tuple) float64 { return t.Sharpness }},
	{"brightness", func(t *Tuple) float64 { return t.Brightness }},
	{"silence", func(t *Tuple) float64 { return t.Silence }},
	{"text_bytes", func(t *Tuple) float64 { return float64(len(t.Text)) }},
}

// notFinite names the first measure that is no number or endless, which JSON cannot
// say; "" if none is.
func notFinite(t *Tuple) string {
	for _, m := range measures {
		if v := m.at(t); math.IsNaN(v) || math.IsInf(v, 0) {
			return m.name
		}
	}
	return ""
}

// sample keeps the tuples with the smallest hashes, whatever their order.
type sample struct {
	max  int
	rows []sampled
}

type sampled struct {
	hash   uint64
	values []float64
}

func (s *sample) Len() int           { return len(s.rows) }
func (s *sample) Less(i, j int) bool { return s.rows[i].hash > s.rows[j].hash } // the largest on top
func (s *sample) Swap(i, j int)      { s.rows[i], s.rows[j] = s.rows[j], s.rows[i] }
func (s *sample) Push(x any)         { s.rows = append(s.rows, x.(sampled)) }
func (s *sample) Pop() any {
	last := s.rows[len(s.rows)-1]
	s.rows = s.rows[:len(s.rows)-1]
	return last
}

func (s *sample) add(t *Tuple) {
	hash := hash64.Of(t.Key)
	if len(s.rows) == s.max && hash >= s.rows[0].hash {
		return
	}
	row := sampled{hash: hash}
	for _, m := range measures {
		row.values = append(row.values, m.at(t))
	}
	heap.Push(s, row)
	if len(s.rows) > s.max {
		heap.Pop(s)
	}
}

// distributions sums the sample up. Values are sorted before they are added, so
// that the order of tuples does not show in the last digit.
func (s *sample) distributions() map[string]Distribution {
	out := map[string]Distribution{}
	for k, m := range measures {
		var values []float64
		for _, r := range s.rows {
			values = append(values, r.values[k])
		}
		if len(values) == 0 {
			continue
		}
		slices.SortFunc(values, cmp.Compare)
		d := Distribution{Quantiles: map[string]float64{}}
		for _, v := range values {
			d.Mean += v / float64(len(values))
		}
		for _, q := range []float64{0, 0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 1} {
			d.Quantiles[fmt.Sprint(q)] = values[int(q*float64(len(values)-1)+0.5)]
		}
		out[m.name] = d
	}
	return out
}

// costs sums what the parts of each stage took, as far as it was kept.
func (e *Env) costs(ctx context.Context, stages map[string]dataset.Stage) (map[string]Cost, error) {
	out := map[string]Cost{}
	for stage := range stages {
		report, err := dataset.StageReport(ctx, e.Dataset, stage)
		if err != nil {
			return nil, err
		}
		sum := report.Cost
		out[stage] = Cost{CPUSeconds: sum.CPU.Seconds(), GPUSeconds: sum.GPU.Seconds(), WallSeconds: sum.Wall.Seconds(), BytesRead: sum.Bytes}
	}
	return out, nil
}

// per1000 scales costs to 1,000 tuples.
func per1000(costs map[string]Cost, tuples int64) map[string]Cost {
	out := map[string]Cost{}
	k := 1000 / float64(tuples)
	for stage, c := range costs {
		out[stage] = Cost{c.CPUSeconds * k, c.GPUSeconds * k, c.WallSeconds * k, int64(float64(c.BytesRead) * k)}
	}
	return out
}

// describe makes all that is told of the shards: the index, the numbers in the
// manifest, stats.json and the card.
func (e *Env) describe(ctx context.Context, m *Manifest) error {
	s := &sample{max: maxSample}
	m.Splits = map[string]int64{}
	m.Missing = map[string]map[dataset.Class]int64{}
	split := map[string]string{}
	for _, shard := range m.Shards {
		split[shard.Name] = shard.Split
		m.Bytes += shard.Bytes
	}
	licenses := licenses{}
	var pictures previewSample
	err := writeIndex(ctx, e.Out, m, func(x *IndexRow) {
		m.Tuples++
		m.Seconds += x.Duration
		m.Splits[split[x.Shard]]++
		licenses.add(x.License)
		for i, st := range x.Status {
			// Frames have an entry each; the tuple counts once.
			if slices.ContainsFunc(x.Status[:i], func(e dataset.StageError) bool { return e.Stage == st.Stage && e.Class == st.Class }) {
				continue
			}
			if m.Missing[st.Stage] == nil {
				m.Missing[st.Stage] = map[dataset.Class]int64{}
			}
			m.Missing[st.Stage][st.Class]++
		}
		s.add(&x.Tuple)
		pictures.add(x)
	})
	if err != nil {
		return err
	}
	if m.Cost, err = e.costs(ctx, m.Stages); err != nil {
		return err
	}
	stats := Stats{Tuples: m.Tuples, Sampled: len(s.rows), Distributions: s.distributions(), Licenses: licenses, CostPer1000: per1000(m.Cost, m.Tuples)}
	if err := writeJSON(ctx, e.Out, StatsName, stats); err != nil {
		return err
	}
	return e.writeCard(ctx, m, &stats, pictures.rows)
}
