package main

import (
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"time"

	"micodata/dataset"
	"micodata/engine"
)

// progress shows parts as they are done: bars on a terminal, a line a part on a
// pipe, slog JSON on request.
type progress struct {
	app   *app
	err   io.Writer                  // below the bars, once they are closed
	log   *slog.Logger               // json
	bars  *bars                      // nil: no terminal
	sums  map[string]*dataset.Report // by stage, of what this run made
	order []string
	kept  map[string]int
}

// newProgress shows the progress of stages until summary; until then, notes go
// above the bars, if there are any.
func (a *app) newProgress(total int, stages []engine.Stage) *progress {
	p := &progress{app: a, err: a.err, log: a.logger(), sums: map[string]*dataset.Report{}, kept: map[string]int{}}
	var names []string
	for _, s := range stages {
		names = append(names, s.Name)
	}
	if p.bars = a.bars("parts", names...); p.bars != nil {
		p.know(int64(total))
		a.err = p.bars
	}
	return p
}

// counted passes parts on, and learns from the last of them how many there are.
func (p *progress) counted(parts partSource) partSource {
	return func(yield func(engine.Part, error) bool) {
		for part, err := range parts {
			if err == nil && part.Last {
				p.know(int64(part.Index) + 1)
			}
			if !yield(part, err) {
				return
			}
		}
	}
}

// know learns how many parts there are, if that is more than 0.
func (p *progress) know(total int64) {
	if p.bars != nil && total > 0 {
		p.bars.know(total)
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
		p.bars.count(d.Stage, p.sums[d.Stage].Failed)
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
	if p.bars != nil {
		p.bars.close()
		p.app.err = p.err
	}
	var slowest string
	for _, stage := range p.order {
		r := p.sums[stage]
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

// counter shows how many of some things are done, as progress does parts.
type counter struct {
	what string
	err  io.Writer
	log  *slog.Logger
	bars *bars // nil: no terminal
}

// newCounter shows what is counted until close.
func (a *app) newCounter(what string) *counter {
	return &counter{what: what, err: a.err, log: a.logger(), bars: a.bars(what, what)}
}

// count takes one event, from any goroutine.
func (c *counter) count(done, total int) {
	switch {
	case c.log != nil:
		c.log.Info(c.what, "done", done, "total", total)
	case c.bars != nil:
		c.bars.know(int64(total))
		c.bars.count(c.what, 0)
	default:
		fmt.Fprintf(c.err, "%s: %d of %d\n", c.what, done, total)
	}
}

func (c *counter) close() {
	if c.bars != nil {
		c.bars.close()
	}
}
