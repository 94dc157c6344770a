package main

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// bars are progress bars on a terminal, one below the other: a stage each. They
// are drawn every second too, so that a part that takes minutes is seen to live.
// What else is to be said goes through Write, above them.
type bars struct {
	out   io.Writer
	width func() int // of the terminal, in columns

	mu    sync.Mutex
	bars  []*bar
	total int64 // of each; 0 while it is not known
	lines int   // on the screen

	stop chan struct{}
	wg   sync.WaitGroup
}

// bar is that of a stage. While the total is not known, it only counts.
type bar struct {
	*progressbar.ProgressBar
	stage  string
	done   int
	failed int
	begun  time.Time
}

// Of a terminal's columns, a bar has what the numbers leave, at most barWidth.
const (
	barWidth = 12
	numbers  = 66
)

// newBars draws on a terminal of a width until close.
func newBars(out io.Writer, width func() int, unit string, stages ...string) *bars {
	b := &bars{out: out, width: width, stop: make(chan struct{})}
	for _, stage := range stages {
		// It draws nothing by itself. A bar of no length would count modulo its width.
		p := progressbar.NewOptions64(math.MaxInt64, progressbar.OptionSetWriter(io.Discard), progressbar.OptionSetWidth(min(max(width()-numbers, 1), barWidth)),
			progressbar.OptionShowCount(), progressbar.OptionShowIts(),
			progressbar.OptionSetItsString(unit), progressbar.OptionSetElapsedTime(true), progressbar.OptionSetPredictTime(true))
		b.bars = append(b.bars, &bar{ProgressBar: p, stage: stage, begun: time.Now()})
	}
	b.draw()
	b.wg.Go(func() {
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				b.draw()
			case <-b.stop:
				return
			}
		}
	})
	return b
}

// bars draws on standard error, if that is a terminal and no JSON is asked for;
// else it is nil.
func (a *app) bars(unit string, stages ...string) *bars {
	f, ok := a.err.(*os.File)
	if !ok || a.global.logFormat == "json" || !term.IsTerminal(int(f.Fd())) {
		return nil
	}
	return newBars(f, func() int { return columns(f) }, unit, stages...)
}

// columns is the width of a terminal.
func columns(terminal *os.File) int {
	width, _, err := term.GetSize(int(terminal.Fd()))
	if err != nil || width < 2 {
		return 80
	}
	return width
}

// know tells how much each stage has to do.
func (b *bars) know(total int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.total == total {
		return
	}
	b.total = total
	for _, bar := range b.bars {
		bar.ChangeMax64(total)
	}
	b.redraw(nil)
}

// count counts what is done of a stage, and how many of its rows have failed.
func (b *bars) count(stage string, failed int) {
	b.mu.Lock()
	for _, bar := range b.bars {
		if bar.stage == stage {
			bar.done++
			bar.failed = failed
			_ = bar.Add(1) // it writes to nowhere
		}
	}
	b.mu.Unlock()
	b.draw()
}

func (b *bars) draw() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.redraw(nil)
}

// Write says something above the bars. It never fails: a terminal that cannot be
// drawn on is no reason to stop.
func (b *bars) Write(text []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.redraw(text)
	return len(text), nil
}

// redraw draws the bars again, below some text. It draws at once, so that nothing
// flickers, and no line is longer than the terminal, or going up would be short.
func (b *bars) redraw(text []byte) {
	var screen bytes.Buffer
	if b.lines > 0 {
		fmt.Fprintf(&screen, "\x1b[%dA\r\x1b[J", b.lines)
	}
	screen.Write(text)
	width := b.width() - 1
	for _, bar := range b.bars {
		line := []rune(bar.line(b.total))
		fmt.Fprintf(&screen, "%s\n", string(line[:min(len(line), width)]))
	}
	b.lines = len(b.bars)
	_, _ = b.out.Write(screen.Bytes())
}

// line is how the bar stands.
func (b *bar) line(total int64) string {
	name := b.stage
	if b.failed > 0 {
		name += fmt.Sprintf(" (%d failed)", b.failed)
	}
	if total == 0 {
		return fmt.Sprintf("%s (%d done) [%s]", name, b.done, time.Since(b.begun).Round(time.Second))
	}
	b.Describe(name)
	_ = b.RenderBlank()
	return strings.TrimPrefix(b.String(), "\r")
}

// close draws for the last time and leaves the bars where they are.
func (b *bars) close() {
	close(b.stop)
	b.wg.Wait()
	b.draw()
}
