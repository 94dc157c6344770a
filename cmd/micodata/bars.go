package main

import (
	"bytes"
	"fmt"
	"io"
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
	order []*progressbar.ProgressBar
	of    map[string]*progressbar.ProgressBar // by stage
	lines int                                 // on the screen

	stop chan struct{}
	wg   sync.WaitGroup
}

// barWidth leaves room for all else in 80 columns.
const barWidth = 12

// newBars draws on a terminal of a width until close.
func newBars(out io.Writer, width func() int, stages []string) *bars {
	b := &bars{out: out, width: width, of: map[string]*progressbar.ProgressBar{}, stop: make(chan struct{})}
	for _, stage := range stages {
		// Of unknown length, while the list is still being read. It draws nothing by
		// itself.
		bar := progressbar.NewOptions(-1, progressbar.OptionSetWriter(io.Discard), progressbar.OptionSetWidth(barWidth),
			progressbar.OptionSetDescription(stage), progressbar.OptionShowCount(), progressbar.OptionShowIts(),
			progressbar.OptionSetItsString("parts"), progressbar.OptionSetElapsedTime(true), progressbar.OptionSetPredictTime(true),
			progressbar.OptionSetSpinnerChangeInterval(0))
		b.of[stage] = bar
		b.order = append(b.order, bar)
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

// columns is the width of a terminal.
func columns(terminal *os.File) int {
	width, _, err := term.GetSize(int(terminal.Fd()))
	if err != nil || width < 2 {
		return 80
	}
	return width
}

// done counts a part of a stage. The total is 0 while it is not known.
func (b *bars) done(stage string, failed int, total int64) {
	b.mu.Lock()
	bar := b.of[stage]
	if total > 0 && bar.GetMax64() != total {
		bar.ChangeMax64(total)
	}
	if failed > 0 {
		bar.Describe(fmt.Sprintf("%s (%d failed)", stage, failed))
	}
	_ = bar.Add(1) // it writes to nowhere
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
	for _, bar := range b.order {
		_ = bar.RenderBlank()
		line := []rune(strings.TrimPrefix(bar.String(), "\r"))
		fmt.Fprintf(&screen, "%s\n", string(line[:min(len(line), width)]))
	}
	b.lines = len(b.order)
	_, _ = b.out.Write(screen.Bytes())
}

// close draws for the last time and leaves the bars where they are.
func (b *bars) close() {
	close(b.stop)
	b.wg.Wait()
	b.draw()
}
