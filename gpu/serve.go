package gpu

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

// ServeChild is the whole of a child of [Isolation]. It answers what the parent
// asks until that closes its end. A device that is lost ends it, too, once the
// parent was told.
func ServeChild(ctx context.Context) error {
	answers := os.NewFile(3, "answers") // the first of exec.Cmd's ExtraFiles
	if answers == nil {
		return errors.New("this command is for micodata's own use, by --gpu-isolate")
	}
	return serve(ctx, os.Stdin, answers)
}

func serve(ctx context.Context, in io.Reader, out io.Writer) error {
	s := &server{out: bufio.NewWriterSize(out, 1<<20), running: map[uint64]context.CancelFunc{}}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	s.lost = func(err error) { cancel(err) }
	read := make(chan error, 1)
	go func() { read <- s.read(ctx, bufio.NewReaderSize(in, 1<<20)) }()
	select {
	case err := <-read:
		cancel(nil)
		ended := make(chan struct{})
		go func() { s.work.Wait(); close(ended) }()
		select {
		case <-ended:
		case <-time.After(farewell): // what runs may never end, and nobody waits for it
			return err
		}
		if s.session != nil {
			err = errors.Join(err, s.session.Close())
		}
		return err
	case <-ctx.Done():
		// What still runs on the device may never end, and the process does.
		return context.Cause(ctx)
	}
}

// server answers questions, runs several at once.
type server struct {
	session Runner
	lost    func(error)
	work    sync.WaitGroup

	writing sync.Mutex
	out     *bufio.Writer

	mu      sync.Mutex
	running map[uint64]context.CancelFunc
}

func (s *server) read(ctx context.Context, in io.Reader) error {
	for {
		m, err := readFrame(in)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read from the parent: %w", err)
		}
		switch {
		case m.Cancel:
			s.stop(m.ID)
		case m.Select != nil || m.Load != nil:
			err = s.answer(s.setUp(m))
		default:
			s.run(ctx, m)
		}
		if err != nil {
			return err
		}
	}
}

// setUp answers what is asked before runs.
func (s *server) setUp(m *frame) *frame {
	a := &frame{ID: m.ID}
	a.Fault = faultOf(func() (err error) {
		if m.Select != nil {
			rt, err := Open(Options{LibraryPath: m.Select.Library})
			if err != nil {
				return err
			}
			a.Devices, a.Note, err = rt.Select(m.Select.Name)
			return err
		}
		rt, err := Open(Options{LibraryPath: m.Load.Library})
		if err != nil {
			return err
		}
		session, err := rt.NewSession(m.Load.Path, m.Load.Options)
		if err != nil {
			return err
		}
		s.session, a.Inputs, a.Outputs = session, session.Inputs(), session.Outputs()
		return nil
	}())
	return a
}

// run starts a run.
func (s *server) run(ctx context.Context, m *frame) {
	ctx, cancel := context.WithCancel(ctx)
	s.mu.Lock()
	s.running[m.ID] = cancel
	s.mu.Unlock()
	s.work.Go(func() {
		defer s.stop(m.ID)
		a := &frame{ID: m.ID}
		var err error
		if s.session == nil {
			err = errors.New("no model is loaded")
		} else {
			a.tensors, err = s.session.Run(ctx, m.tensors)
		}
		a.Fault = faultOf(err)
		wrote := s.answer(a)
		if errors.Is(err, ErrDeviceLost) || wrote != nil {
			s.lost(errors.Join(err, wrote))
		}
	})
}

// stop ends a run, if it has not ended.
func (s *server) stop(id uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if cancel, ok := s.running[id]; ok {
		cancel()
		delete(s.running, id)
	}
}

func (s *server) answer(m *frame) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	if err := m.write(s.out); err != nil {
		return err
	}
	return s.out.Flush()
}
