package main

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"micodata/dataset"
	"micodata/engine"
)

// progress shows parts as they are done: bars on a terminal, a line a part on a
// pipe, slog JSON on request.
type progress struct {
	err   io.Writer
	log   *slog.Logger // json
	total atomic.Int64 // parts, 0 while unknown
	bars  map[string]*progressbar.ProgressBar
	sums  map[string]*dataset.Report // by stage, of what this run made
	order []string
	kept  map[string]int
}

func (a *app) newProgress(total int) *progress {
	p := &progress{err: a.err, sums: map[string]*dataset.Report{}, kept: map[string]int{}}
	p.total.Store(int64(total))
	switch f, ok := a.err.(*os.File); {
	case a.global.logFormat == "json":
		p.log = slog.New(slog.NewJSONHandler(a.err, nil))
	case ok && term.IsTerminal(int(f.Fd())):
		p.bars = map[string]*progressbar.ProgressBar{}
	}
	return p
}

// counted passes parts on, and learns from the last of them how many there are.
func (p *progress) counted(parts partSource) partSource {
	return func(yield func(engine.Part, error) bool) {
		for part, err := range parts {
			if err == nil && part.Last {
				p.total.Store(int64(part.Index) + 1)
			}
			if !yield(part, err) {
				return
			}
		}
	}
}

// part takes one event; the engine never calls it twice at once.
func (p *progress) part(d engine.PartDone) {
	if _, ok := p.sums[d.Stage]; !ok {
		p.sums[d.Stage] = &dataset.Report{}
		p.order = append(p.order, d.Stage)
	}
	if d.Kept {
		p.kept[d.Stage]++
	} else {
		p.sums[d.Stage].Merge(d.Report)
	}
	switch {
	case p.bars != nil:
		bar, ok := p.bars[d.Stage]
		if !ok {
			// A spinner, while the list is still being read.
			bar = progressbar.NewOptions(-1, progressbar.OptionSetWriter(p.err), progressbar.OptionShowCount(),
				progressbar.OptionShowIts(), progressbar.OptionSetItsString("parts"), progressbar.OptionSetPredictTime(true))
			p.bars[d.Stage] = bar
		}
		if total := p.total.Load(); total > 0 && bar.GetMax64() != total {
			bar.ChangeMax64(total)
		}
		bar.Describe(fmt.Sprintf("%s (%d failed)", d.Stage, p.sums[d.Stage].Failed))
		_ = bar.Add(1) // a terminal that cannot be drawn on is no reason to stop
	case d.Kept: // nothing was done, nothing to say
	case p.log != nil:
		p.log.Info("part done", "stage", d.Stage, "part", d.Part, "rows", d.Report.Rows, "ok", d.Report.OK,
			"failed", d.Report.Failed, "skipped", d.Report.Skipped, "passed_on", d.Report.PassedOn, "classes", d.Report.Classes, "seconds", d.Wall.Seconds())
	default:
		fmt.Fprintf(p.err, "%s part %d: %s in %s\n", d.Stage, d.Part, counts(d.Report), d.Wall.Round(10*time.Millisecond))
	}
}

// summary prints the run's accounts, and which stage was the bottleneck.
func (p *progress) summary() {
	var slowest string
	for _, stage := range p.order {
		r := p.sums[stage]
		if p.bars != nil {
			_ = p.bars[stage].Exit()
			fmt.Fprintln(p.err)
		}
		if r.Rows > 0 && (slowest == "" || r.Cost.Wall > p.sums[slowest].Cost.Wall) {
			slowest = stage
		}
		switch {
		case p.log != nil:
			p.log.Info("stage done", "stage", stage, "rows", r.Rows, "ok", r.OK, "failed", r.Failed, "skipped", r.Skipped,
				"passed_on", r.PassedOn, "kept_parts", p.kept[stage], "cpu_seconds", r.Cost.CPU.Seconds(), "wall_seconds", r.Cost.Wall.Seconds(), "bytes", r.Cost.Bytes)
		case r.Rows == 0 && p.kept[stage] > 0:
			fmt.Fprintf(p.err, "%s: %d parts were there already\n", stage, p.kept[stage])
		default:
			fmt.Fprintf(p.err, "%s: %s; %s\n", stage, counts(*r), costs(r.Cost))
		}
	}
	if slowest != "" && p.log == nil && len(p.order) > 1 {
		fmt.Fprintf(p.err, "bottleneck: %s\n", slowest)
	}
}

// counts spells a report for people.
func counts(r dataset.Report) string {
	s := fmt.Sprintf("%d rows, %d ok", r.Rows, r.OK)
	if r.Failed > 0 {
		s += fmt.Sprintf(", %d failed", r.Failed)
	}
	if r.Skipped > 0 {
		s += fmt.Sprintf(", %d skipped", r.Skipped)
	}
	if len(r.Classes) > 0 {
		s += " (" + classes(r.Classes) + ")"
	}
	if r.PassedOn > 0 {
		s += fmt.Sprintf(", %d passed on", r.PassedOn)
	}
	return s
}

func classes(m map[dataset.Class]int) string {
	var parts []string
	for _, c := range dataset.Classes() {
		if m[c] > 0 {
			parts = append(parts, fmt.Sprintf("%s %d", c, m[c]))
		}
	}
	for c, n := range m { // an unknown class is shown, not hidden
		if !slices.Contains(dataset.Classes(), c) {
			parts = append(parts, fmt.Sprintf("%q %d", c, n))
		}
	}
	return strings.Join(parts, ", ")
}

func costs(c dataset.Cost) string {
	s := fmt.Sprintf("%.1f CPU s, %.1f s", c.CPU.Seconds(), c.Wall.Seconds())
	if c.GPU > 0 {
		s += fmt.Sprintf(", %.1f GPU s", c.GPU.Seconds())
	}
	if c.Bytes > 0 {
		s += fmt.Sprintf(", %.1f MB read", float64(c.Bytes)/1e6)
	}
	return s
}
