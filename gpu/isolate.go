package gpu

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Isolation runs models in child processes, one a session: a driver that takes
// its process with it, or leaves it with a card of no use, costs the batches that
// the child had in work, and a new child goes on.
type Isolation struct {
	// Command makes the child, which calls [ServeChild].
	Command func() *exec.Cmd
	Library string // as [Options].LibraryPath
	// Patience is how long a child may take to load a model or to answer a run
	// before it is killed, for a card that hangs is lost, too. Default: [DefaultPatience].
	Patience time.Duration
}

// DefaultPatience is longer than TensorRT compiles a network, and than any run.
const DefaultPatience = 10 * time.Minute

// Select is [Runtime.Select] in a child of its own, so that this process never
// opens a GPU.
func (i Isolation) Select(ctx context.Context, name string) (devices []Device, note string, err error) {
	if err := checkName(name); err != nil {
		return nil, "", err
	}
	c, err := i.start()
	if err != nil {
		return nil, "", err
	}
	defer func() { _ = c.end() }() // a driver that fails on its way out has answered before
	a, err := c.ask(ctx, &frame{Select: &selectRequest{i.Library, name}})
	if err != nil {
		return nil, "", err
	}
	return a.Devices, a.Note, nil
}

// NewSession is [Runtime.NewSession] in a child.
func (i Isolation) NewSession(ctx context.Context, path string, o SessionOptions) (*Isolated, error) {
	s := &Isolated{isolation: i, path: path, options: o.withDefaults()}
	if err := s.load(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

// maxRevivals is how often a child is started anew with no run that succeeds
// between: a card that is gone stays gone.
const maxRevivals = 3

// Isolated is a model on a device, in a child process. It is a [Reviver].
type Isolated struct {
	isolation       Isolation
	path            string
	options         SessionOptions
	inputs, outputs []IO

	mu       sync.Mutex
	child    *child
	revivals int // since the last run that succeeded
}

// load starts a child with the model.
func (s *Isolated) load(ctx context.Context) error {
	c, err := s.isolation.start()
	if err != nil {
		return err
	}
	a, err := c.ask(ctx, &frame{Load: &loadRequest{s.isolation.Library, s.path, s.options}})
	if err != nil {
		return errors.Join(err, c.end())
	}
	s.child, s.inputs, s.outputs = c, a.Inputs, a.Outputs
	return nil
}

// Device is where the model runs.
func (s *Isolated) Device() Device { return s.options.Device }

// Inputs lists what Run needs.
func (s *Isolated) Inputs() []IO { return s.inputs }

// Outputs lists what Run returns.
func (s *Isolated) Outputs() []IO { return s.outputs }

// Run is [Session.Run] in the child. If that ends meanwhile the error wraps
// [ErrDeviceLost].
func (s *Isolated) Run(ctx context.Context, inputs map[string]Tensor) (map[string]Tensor, error) {
	s.mu.Lock()
	c := s.child
	s.mu.Unlock()
	if c == nil {
		return nil, ErrClosed
	}
	for name, t := range inputs {
		if err := t.check(); err != nil {
			return nil, fmt.Errorf("input %q: %w", name, err)
		}
	}
	a, err := c.ask(ctx, &frame{tensors: inputs})
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.revivals = 0
	return a.tensors, nil
}

// Revive starts a new child in place of one that was lost.
func (s *Isolated) Revive(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.child == nil {
		return ErrClosed
	}
	_ = s.child.end() // it holds the card's memory until it is gone
	for {
		if s.revivals++; s.revivals > maxRevivals {
			return fmt.Errorf("given up after %d new starts of %s", maxRevivals, s.options.Device)
		}
		err := s.load(ctx)
		if err == nil || ctx.Err() != nil || !errors.Is(err, ErrDeviceLost) {
			return err
		}
	}
}

// Close ends the child.
func (s *Isolated) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.child == nil {
		return nil
	}
	err := s.child.end()
	s.child = nil
	return err
}

// child is a process that [Serve]s.
type child struct {
	cmd    *exec.Cmd
	in     io.WriteCloser
	stderr tail
	ended  chan struct{} // closed when it is gone and why is set
	why    error
	most   time.Duration // for an answer
	silent atomic.Bool   // it took longer

	writing sync.Mutex
	out     *bufio.Writer

	mu      sync.Mutex
	last    uint64
	waiting map[uint64]chan *frame
}

func (i Isolation) start() (*child, error) {
	c := &child{cmd: i.Command(), ended: make(chan struct{}), waiting: map[uint64]chan *frame{}, most: i.Patience}
	if c.most <= 0 {
		c.most = DefaultPatience
	}
	// Of its own group: a Ctrl-C is this process' to answer.
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	c.cmd.Stderr = &c.stderr
	in, err := c.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	// Answers come by a pipe of their own: drivers print to standard output.
	out, answers, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	c.cmd.Stdout, c.cmd.ExtraFiles = &c.stderr, []*os.File{answers}
	err = c.cmd.Start()
	_ = answers.Close() // the child has it
	if err != nil {
		_ = out.Close()
		return nil, fmt.Errorf("start a process for a model: %w", err)
	}
	c.in, c.out = in, bufio.NewWriterSize(in, 1<<20)
	go func() {
		c.read(bufio.NewReaderSize(out, 1<<20))
		_ = out.Close()
	}()
	return c, nil
}

// read hands answers to who waits for them until the child ends.
func (c *child) read(out io.Reader) {
	var broken error
	for {
		m, err := readFrame(out)
		if err != nil {
			if !errors.Is(err, io.EOF) {
				broken = err
			}
			break
		}
		c.mu.Lock()
		if wait, ok := c.waiting[m.ID]; ok {
			delete(c.waiting, m.ID)
			wait <- m
		}
		c.mu.Unlock()
	}
	c.kill()
	how := c.cmd.Wait()
	switch {
	case c.silent.Load():
		how = fmt.Errorf("killed, as it gave no answer for %s", c.most)
	case broken != nil:
		how = broken
	case how == nil:
		how = errors.New("by itself")
	}
	c.why = fmt.Errorf("%w: the process of the model ended: %w%s", ErrDeviceLost, how, c.stderr.text())
	close(c.ended)
}

// ask asks and waits for the answer. If the child ends the error wraps
// [ErrDeviceLost].
func (c *child) ask(ctx context.Context, m *frame) (*frame, error) {
	answer := make(chan *frame, 1)
	c.mu.Lock()
	c.last++
	m.ID = c.last
	c.waiting[m.ID] = answer
	c.mu.Unlock()
	hurry := time.AfterFunc(c.most, func() {
		c.silent.Store(true)
		c.kill()
	})
	defer hurry.Stop()
	if err := c.write(m); err != nil {
		c.kill() // its pipe is broken because it ends
		<-c.ended
		return nil, c.why
	}
	select {
	case a := <-answer:
		return a, a.Fault.err()
	case <-c.ended:
		select {
		case a := <-answer: // given before it ended
			return a, a.Fault.err()
		default:
			return nil, c.why
		}
	case <-ctx.Done():
		c.mu.Lock()
		delete(c.waiting, m.ID)
		c.mu.Unlock()
		if err := c.write(&frame{ID: m.ID, Cancel: true}); err != nil {
			return nil, ctx.Err() // it ends, and who asks next is told
		}
		return nil, ctx.Err()
	}
}

func (c *child) write(m *frame) error {
	c.writing.Lock()
	defer c.writing.Unlock()
	if err := m.write(c.out); err != nil {
		return err
	}
	return c.out.Flush()
}

func (c *child) kill() {
	_ = c.in.Close()
	_ = c.cmd.Process.Kill() // it may be gone
}

// farewell is how long a child may take to end: it frees a model's memory.
const farewell = 10 * time.Second

// end lets the child end by itself.
func (c *child) end() error {
	err := c.in.Close()
	hurry := time.AfterFunc(farewell, c.kill)
	defer hurry.Stop()
	<-c.ended
	if err != nil || c.cmd.ProcessState.Success() {
		return nil
	}
	return c.why
}

// tail keeps the end of what is written to it.
type tail struct {
	mu   sync.Mutex
	kept []byte
}

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	const most = 2 << 10
	t.kept = append(t.kept, b...)
	if len(t.kept) > most {
		t.kept = append(t.kept[:0], t.kept[len(t.kept)-most:]...)
	}
	return len(b), nil
}

// text is the last line, as the end of an error's.
func (t *tail) text() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	lines := bytes.Split(bytes.TrimSpace(t.kept), []byte("\n"))
	if last := lines[len(lines)-1]; len(last) > 0 {
		return ": " + string(bytes.ToValidUTF8(last, []byte("?")))
	}
	return ""
}
