//go:build cgo

package gpu

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// childMark in the environment makes of the test binary a child that serves.
const childMark = "GPU_TEST_CHILD"

func TestMain(m *testing.M) {
	switch os.Getenv(childMark) {
	case "":
		os.Exit(m.Run())
	case "serve":
		fmt.Println("a driver that talks") // must not end up among the answers
		if err := ServeChild(context.Background()); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	case "broken":
		fmt.Fprintln(os.Stderr, "first\nthe driver is older than the card")
		os.Exit(3)
	}
}

func isolation(mode string) Isolation {
	return Isolation{Command: func() *exec.Cmd {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), childMark+"="+mode)
		return cmd
	}}
}

func isolated(t *testing.T, model string) *Isolated {
	t.Helper()
	s, err := isolation("serve").NewSession(t.Context(), filepath.Join("testdata", model), SessionOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestIsolatedIsTheSame(t *testing.T) {
	here, there := load(t, "conv.onnx", SessionOptions{}), isolated(t, "conv.onnx")
	if !reflect.DeepEqual(there.Inputs(), here.Inputs()) || !reflect.DeepEqual(there.Outputs(), here.Outputs()) {
		t.Errorf("inputs %v, outputs %v", there.Inputs(), there.Outputs())
	}
	var all sync.WaitGroup
	for i := range 20 { // several at once, of several sizes
		all.Go(func() {
			in := map[string]Tensor{"x": {Shape: []int64{1, 1, int64(1 + i), 700}, Data: make([]float32, (1+i)*700)}}
			for k := range in["x"].Data {
				in["x"].Data[k] = float32(k%91) - float32(i)
			}
			want, err := here.Run(t.Context(), in)
			if err != nil {
				t.Error(err)
			}
			if got, err := there.Run(t.Context(), in); err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("run %d differs (%v)", i, err)
			}
		})
	}
	all.Wait()
	types := isolated(t, "types.onnx")
	for _, in := range types.Inputs() {
		if in.Type == "int64" {
			return
		}
	}
	t.Errorf("no int64 among %v", types.Inputs())
}

// What an error was about survives its way.
func TestIsolatedErrors(t *testing.T) {
	ctx := t.Context()
	var wrong *NameError
	if _, _, err := isolation("serve").Select(ctx, "gpu"); !errors.As(err, &wrong) {
		t.Errorf("no device's name: got %v", err)
	}
	huge := isolated(t, "huge.onnx")
	if _, err := huge.Run(ctx, map[string]Tensor{"x": {Shape: []int64{1}, Data: []float32{1}}}); !errors.Is(err, ErrOutOfMemory) {
		t.Errorf("128 TiB gave %v", err)
	}
	conv := isolated(t, "conv.onnx")
	for name, in := range map[string]map[string]Tensor{
		"no input":  nil,
		"bad shape": {"x": {Shape: []int64{2, 2, 2, 2}, Data: make([]float32, 16)}},
		"no values": {"x": {Shape: []int64{1, 1, 4, 4}, Data: make([]float32, 2)}},
	} {
		if _, err := conv.Run(ctx, in); err == nil || errors.Is(err, ErrDeviceLost) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s gave %v", name, err)
		}
	}
	if _, err := isolation("serve").NewSession(ctx, "testdata/absent.onnx", SessionOptions{}); err == nil || !strings.Contains(err.Error(), "absent.onnx") {
		t.Errorf("an absent model gave %v", err)
	}
	if _, err := isolation("broken").NewSession(ctx, "testdata/conv.onnx", SessionOptions{}); !errors.Is(err, ErrDeviceLost) || !strings.HasSuffix(err.Error(), "older than the card") {
		t.Errorf("a child that ends at once gave %v", err)
	}
	devices, _, err := isolation("serve").Select(ctx, "cpu")
	if err != nil || !slices.Equal(devices, []Device{{Kind: CPU}}) {
		t.Errorf("select cpu: %v, %v", devices, err)
	}
	var unusable *DeviceError
	if _, _, err := isolation("serve").Select(ctx, "cuda:15"); !errors.As(err, &unusable) || unusable.Device.ID != 15 {
		t.Errorf("select cuda:15: %v", err)
	}
	missing := isolation("serve")
	missing.Library = "/absent.so"
	var gone *MissingError
	if _, _, err := missing.Select(ctx, "cpu"); !errors.As(err, &gone) {
		t.Errorf("no library: %v", err)
	}
}

func TestIsolatedRunEndsWithItsContext(t *testing.T) {
	s := isolated(t, "endless.onnx")
	in := map[string]Tensor{"x": {Shape: []int64{1}, Data: []float32{1}}}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := s.Run(ctx, in); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want the deadline", err)
	}
	// That the child stopped, too, is seen when it closes in good time.
	begin := time.Now()
	if err := s.Close(); err != nil || time.Since(begin) > farewell/2 {
		t.Errorf("closed in %v: %v", time.Since(begin), err)
	}
	if _, err := s.Run(t.Context(), in); !errors.Is(err, ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

// A card that hangs is lost: its child is killed, and a new one goes on.
func TestIsolatedHangs(t *testing.T) {
	i := isolation("serve")
	i.Patience = 2 * time.Second
	s, err := i.NewSession(t.Context(), "testdata/conv.onnx", SessionOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.child.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	in := map[string]Tensor{"x": {Shape: []int64{1, 1, 2000, 2000}, Data: make([]float32, 4e6)}} // more than a pipe holds
	if _, err := s.Run(t.Context(), in); !errors.Is(err, ErrDeviceLost) || !strings.Contains(err.Error(), "no answer for 2s") {
		t.Errorf("a child that stands still gave %v", err)
	}
	if err := s.Revive(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Run(t.Context(), in); err != nil {
		t.Errorf("its successor gave %v", err)
	}
}

// A child that dies in the midst of runs is started anew, and every answer is right.
func TestPoolOutlivesChildren(t *testing.T) {
	s, here := isolated(t, "conv.onnx"), load(t, "conv.onnx", SessionOptions{})
	p := NewPool([]Runner{s}, PoolOptions{Batch: 2, Runs: 2})
	stop := make(chan struct{})
	var killer sync.WaitGroup
	kills := 0
	killer.Go(func() {
		for kills < 5 {
			select {
			case <-stop:
				return
			case <-time.After(100 * time.Millisecond):
				s.mu.Lock()
				if s.revivals == 0 && s.child.cmd.Process.Signal(syscall.SIGKILL) == nil { // it works again
					kills++
				}
				s.mu.Unlock()
			}
		}
	})
	lost := 0
	var mu sync.Mutex
	var all sync.WaitGroup
	for i := range 6 {
		all.Go(func() {
			in := map[string]Tensor{"x": {Shape: []int64{1, 1, 300, 300}, Data: make([]float32, 300*300)}}
			for k := range in["x"].Data {
				in["x"].Data[k] = float32(k % (i + 7))
			}
			want, err := here.Run(t.Context(), in)
			if err != nil {
				t.Error(err)
			}
			for range 25 {
				got, err := p.Run(t.Context(), in)
				switch {
				case errors.Is(err, ErrDeviceLost) && !errors.Is(err, ErrNoDevice): // killed at both tries
					mu.Lock()
					lost++
					mu.Unlock()
				case err != nil || !slices.Equal(got["y"].Data, want["y"].Data):
					t.Errorf("a run differs (%v)", err)
					return
				}
			}
		})
	}
	all.Wait()
	close(stop)
	killer.Wait()
	if kills == 0 || lost > kills*4 { // two runs of two rows each
		t.Errorf("%d kills, %d of 150 rows lost", kills, lost)
	}
	t.Logf("%d kills, %d of 150 rows lost", kills, lost)
	if err := p.Close(); err != nil && !errors.Is(err, ErrDeviceLost) {
		t.Error(err)
	}
}

func TestReviveGivesUp(t *testing.T) {
	s := isolated(t, "conv.onnx")
	for range maxRevivals {
		if err := s.Revive(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Revive(t.Context()); err == nil || !strings.Contains(err.Error(), "given up") {
		t.Errorf("got %v", err)
	}
}

func FuzzReadFrame(f *testing.F) {
	var b bytes.Buffer
	good := &frame{ID: 7, tensors: map[string]Tensor{"x": {Shape: []int64{1, 2}, Data: []float32{1, 2}}, "t": {Shape: []int64{1}, Int64: []int64{3}}}}
	if err := good.write(&b); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Add([]byte("\x02\x00\x00\x00{}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := readFrame(bytes.NewReader(data))
		if err != nil {
			return
		}
		for name, tensor := range m.tensors {
			if err := tensor.check(); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}
