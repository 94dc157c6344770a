package ffmpeg

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"
)

// A Job is one run of a program.
type Job struct {
	Args    []string  // without the program's name
	Stdin   io.Reader // nil: the null device
	Stdout  io.Writer // nil: discarded
	Inputs  []Feed    // written to pipes that the child opens as InputURL(i)
	Outputs int       // pipes that the child opens as OutputURL(len(Inputs), i)
	Limits  Limits

	// OneOutput sends standard error to Stdout too, in the order in which the
	// child writes to either. There is no Process.Stderr then.
	OneOutput bool
}

// A Feed writes one input to w and returns; the pipe is then closed, which is
// the end of file to the child. It runs in a goroutine of its own. It must
// return when ctx is done, which it is once the process has ended or is to end.
// That the child closed its end is no error.
type Feed func(ctx context.Context, w io.Writer) error

// Copy is a Feed of all that r gives. A read that never returns blocks Wait.
func Copy(r io.Reader) Feed {
	return func(_ context.Context, w io.Writer) error {
		_, err := io.Copy(w, r)
		return err
	}
}

// stopGrace is how long a process has from SIGTERM to SIGKILL: ffmpeg needs
// well under a second to end by itself.
const stopGrace = 5 * time.Second

// A Process is a running program. Wait must be called once, after all outputs
// have been read to their end or closed.
type Process struct {
	tool    string
	cmd     *exec.Cmd
	outputs []*output
	pulse   pulse
	stderr  tail
	stop    context.CancelCauseFunc
	timeout *time.Timer

	// Written by cmd.Cancel, which cmd.Wait waits for.
	stopped error
	kill    *time.Timer

	helpers  sync.WaitGroup // feeds and the watchdog
	feedErrs []error        // by input
}

// Start runs ffmpeg, adding "-nostdin -hide_banner -v error" before the job's
// own arguments.
func (t Tools) Start(ctx context.Context, job Job) (*Process, error) {
	job.Args = append([]string{"-nostdin", "-hide_banner", "-v", "error"}, job.Args...)
	return Start(ctx, t.FFmpeg, job)
}

// Start runs the program at path. The process is stopped when ctx ends or a
// limit is passed. The error is a [*MissingError] if there is no such program.
func Start(ctx context.Context, path string, job Job) (*Process, error) {
	limits := job.Limits.withDefaults()
	runCtx, stop := context.WithCancelCause(ctx)
	p := &Process{tool: filepath.Base(path), stop: stop}
	p.cmd = exec.CommandContext(runCtx, path, job.Args...)
	p.cmd.Stdin, p.cmd.Stdout, p.cmd.Stderr = job.Stdin, job.Stdout, &p.stderr
	if job.OneOutput {
		p.cmd.Stderr = job.Stdout
	}
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	p.cmd.WaitDelay = stopGrace
	p.cmd.Cancel = func() error {
		p.stopped = p.whyStopped(ctx, context.Cause(runCtx))
		p.kill = time.AfterFunc(stopGrace, func() { _ = p.signalGroup(syscall.SIGKILL) })
		return p.signalGroup(syscall.SIGTERM)
	}

	feeds, err := p.openPipes(len(job.Inputs), job.Outputs)
	if err == nil {
		err = p.cmd.Start()
	}
	for _, childEnd := range p.cmd.ExtraFiles {
		childEnd.Close() // the child has its own copy
	}
	if err == nil {
		if err = limits.apply(p.cmd.Process.Pid); err != nil {
			stop(err)
			_ = p.cmd.Wait() // it was stopped by us
			if p.kill != nil {
				p.kill.Stop()
			}
		}
	}
	if err != nil {
		stop(nil)
		p.closePipes(feeds)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, exec.ErrNotFound) {
			return nil, &MissingError{Tool: path, Err: err}
		}
		return nil, fmt.Errorf("start %s: %w", p.tool, err)
	}

	p.timeout = time.AfterFunc(limits.Timeout, func() {
		stop(&TimeoutError{Tool: p.tool, Limit: limits.Timeout})
	})
	p.feedErrs = make([]error, len(feeds))
	for i, w := range feeds {
		p.helpers.Go(func() { p.feedErrs[i] = p.feed(runCtx, job.Inputs[i], w) })
	}
	p.helpers.Go(func() { p.watch(runCtx, limits.Stall) })
	return p, nil
}

func (p *Process) whyStopped(ctx context.Context, cause error) error {
	var timeout *TimeoutError
	if errors.As(cause, &timeout) || ctx.Err() == nil {
		return cause
	}
	return fmt.Errorf("%s: %w", p.tool, ctx.Err())
}

func (p *Process) signalGroup(s syscall.Signal) error {
	err := syscall.Kill(-p.cmd.Process.Pid, s)
	if errors.Is(err, syscall.ESRCH) {
		return os.ErrProcessDone
	}
	return err
}

// openPipes gives the child its ends, in the order of InputURL and OutputURL,
// and returns our ends of the inputs. What is open after an error is in
// ExtraFiles, outputs and the result.
func (p *Process) openPipes(inputs, outputs int) ([]*os.File, error) {
	var feeds []*os.File
	for range inputs {
		r, w, err := os.Pipe()
		if err != nil {
			return feeds, fmt.Errorf("open input pipe: %w", err)
		}
		feeds = append(feeds, w)
		p.cmd.ExtraFiles = append(p.cmd.ExtraFiles, r)
	}
	for range outputs {
		r, w, err := os.Pipe()
		if err != nil {
			return feeds, fmt.Errorf("open output pipe: %w", err)
		}
		p.outputs = append(p.outputs, &output{pipe: pipe{file: r}, pulse: &p.pulse})
		p.cmd.ExtraFiles = append(p.cmd.ExtraFiles, w)
	}
	p.pulse.open = inputs + outputs
	return feeds, nil
}

func (p *Process) closePipes(feeds []*os.File) {
	for _, f := range feeds {
		f.Close()
	}
	for _, o := range p.outputs {
		o.Close()
	}
}

func (p *Process) feed(ctx context.Context, feed Feed, w *os.File) error {
	defer p.pulse.closed()
	err := feed(ctx, &input{pipe: pipe{file: w}, pulse: &p.pulse})
	ended := ctx.Err() != nil // before Close, at which the child may end
	if closeErr := w.Close(); err == nil {
		err = closeErr
	}
	if ended || errors.Is(err, syscall.EPIPE) {
		return nil // the child had enough, as with -t; or Wait says why it was stopped
	}
	return err
}

// Output is what the child writes to OutputURL(len(Inputs), i). It ends in
// io.EOF when the child closes it or dies: only Wait tells which. Reading is
// for one goroutine at a time; different outputs may be read at once, and must
// be, if the child can fill one while another is waited for.
func (p *Process) Output(i int) io.ReadCloser { return p.outputs[i] }

// Wait waits for the process to end and frees all it held. The error is a
// [*ExitError], a [*TimeoutError], one that wraps the context's, or that of a
// Feed.
func (p *Process) Wait() error {
	err := p.cmd.Wait()
	p.timeout.Stop()
	p.stop(nil) // for the feeds and the watchdog
	p.helpers.Wait()
	p.closePipes(nil)
	if p.stopped != nil {
		p.kill.Stop()
		_ = p.signalGroup(syscall.SIGKILL) // what the leader left behind, if anything
		return p.stopped
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return p.exitError(exit)
	}
	if err = errors.Join(append(slices.Clone(p.feedErrs), err)...); err != nil {
		return fmt.Errorf("%s: %w", p.tool, err)
	}
	return nil
}

func (p *Process) exitError(exit *exec.ExitError) error {
	e := &ExitError{Tool: p.tool, Args: p.cmd.Args[1:], Code: exit.ExitCode(), Stderr: p.Stderr()}
	if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		e.Signal = status.Signal().String()
	}
	return errors.Join(append([]error{e}, p.feedErrs...)...)
}

// Stderr is the end of what the process wrote to standard error: all that ffmpeg
// complained of, or its last 8 KiB. It is for after Wait.
func (p *Process) Stderr() string { return string(p.stderr.kept) }

// CPU is the processor time of the process and of those it waited for. It is
// for after Wait.
func (p *Process) CPU() (user, system time.Duration) {
	return p.cmd.ProcessState.UserTime(), p.cmd.ProcessState.SystemTime()
}

// MaxRSS is the most memory the process had resident, in bytes. It is for after
// Wait.
func (p *Process) MaxRSS() int64 {
	usage, ok := p.cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		return 0
	}
	return usage.Maxrss * maxRSSUnit
}
