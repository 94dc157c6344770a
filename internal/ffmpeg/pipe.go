package ffmpeg

import (
	"os"
	"sync"
)

// pipe is our end of one.
type pipe struct {
	file    *os.File
	isAsked bool // to be wide
}

// usualPipe is the size of a pipe in bytes where nothing else is asked for.
const usualPipe = 64 << 10

// widenFor enlarges the pipe before the first piece that it does not hold: the
// sum of all of a user's pipes is limited, and beyond it new ones are tiny.
func (p *pipe) widenFor(bytes int) {
	if bytes > usualPipe && !p.isAsked {
		p.isAsked = true
		widen(p.file)
	}
}

// input is our end of a pipe to the child.
type input struct {
	pipe
	pulse *pulse
}

func (in *input) Write(b []byte) (int, error) {
	in.widenFor(len(b))
	in.pulse.enter()
	defer in.pulse.leave()
	return in.file.Write(b)
}

// output is our end of a pipe from the child.
type output struct {
	pipe
	pulse *pulse

	once sync.Once // the end is counted once, by Read or Close
}

func (o *output) Read(b []byte) (int, error) {
	o.widenFor(len(b))
	o.pulse.enter()
	n, err := o.file.Read(b)
	o.pulse.leave()
	if err != nil {
		o.once.Do(o.pulse.closed)
	}
	return n, err
}

// Close makes the child's next write fail.
func (o *output) Close() error {
	o.once.Do(o.pulse.closed)
	return o.file.Close()
}
