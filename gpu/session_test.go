//go:build cgo

package gpu

import (
	"cmp"
	"context"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

func open(t *testing.T) *Runtime {
	t.Helper()
	r, err := Open(Options{})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// testDevice is where tests of what each device must do run: the CPU, unless
// TEST_DEVICE names another (make test-gpu).
func testDevice(t *testing.T) Device {
	t.Helper()
	devices, _, err := open(t).Select(cmp.Or(os.Getenv("TEST_DEVICE"), CPU))
	if err != nil {
		t.Fatal(err)
	}
	return devices[0]
}

func load(t *testing.T, model string, o SessionOptions) *Session {
	t.Helper()
	s, err := open(t).NewSession(filepath.Join("testdata", model), o)
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

func TestOpenTwiceIsOneRuntime(t *testing.T) {
	r := open(t)
	if again := open(t); again != r {
		t.Error("a second Open gave another runtime")
	}
	if !strings.HasPrefix(r.Version(), "1.") || len(r.SHA256()) != 64 || !filepath.IsAbs(r.Path()) {
		t.Errorf("version %q, sha256 %q, path %q", r.Version(), r.SHA256(), r.Path())
	}
	other := filepath.Join(t.TempDir(), "other.so")
	if err := os.WriteFile(other, []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(Options{LibraryPath: other}); err == nil || !strings.Contains(err.Error(), other) {
		t.Errorf("a second library gave %v, want an error that names it", err)
	}
}

// conv.onnx is relu(sum of the 4 neighbours - 4*middle + 0.5), zero outside.
func TestConvolutionByHand(t *testing.T) {
	s := load(t, "conv.onnx", SessionOptions{})
	wantIO := []IO{{Name: "x", Shape: []int64{-1, 1, -1, -1}, Type: "float32"}}
	if got := s.Inputs(); !reflect.DeepEqual(got, wantIO) {
		t.Errorf("inputs %+v, want %+v", got, wantIO)
	}
	x := Tensor{Shape: []int64{2, 1, 2, 3}, Data: []float32{
		1, 2, 3, 4, 5, 6,
		0, 0, 0, 0, 1, 0,
	}}
	out, err := s.Run(context.Background(), map[string]Tensor{"x": x})
	if err != nil {
		t.Fatal(err)
	}
	want := Tensor{Shape: []int64{2, 1, 2, 3}, Data: []float32{
		2 + 4 - 4 + .5, 1 + 3 + 5 - 8 + .5, 0, 0, 0, 0,
		.5, 1.5, .5, 1.5, 0, 1.5,
	}}
	if !reflect.DeepEqual(out["y"], want) {
		t.Errorf("y = %+v\nwant %+v", out["y"], want)
	}
}

func TestTypesAndOutputs(t *testing.T) {
	in := map[string]Tensor{
		"x": {Shape: []int64{3}, Data: []float32{0.5, 1, -2}},
		"t": {Shape: []int64{3}, Int64: []int64{1, -1, 901}},
	}
	all := load(t, "types.onnx", SessionOptions{})
	out, err := all.Run(context.Background(), in)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]Tensor{
		"sum":   {Shape: []int64{3}, Data: []float32{1.5, 0, 899}},
		"twice": {Shape: []int64{3}, Int64: []int64{2, -2, 1802}},
	}
	if !reflect.DeepEqual(out, want) {
		t.Errorf("got %+v\nwant %+v", out, want)
	}
	one := load(t, "types.onnx", SessionOptions{Outputs: []string{"twice"}})
	delete(want, "sum")
	if out, err = one.Run(context.Background(), in); err != nil || !reflect.DeepEqual(out, want) {
		t.Errorf("one output: got %+v, %v\nwant %+v", out, err, want)
	}
}

func TestBadInputsAreErrors(t *testing.T) {
	s := load(t, "types.onnx", SessionOptions{})
	x := Tensor{Shape: []int64{1}, Data: []float32{1}}
	n := Tensor{Shape: []int64{1}, Int64: []int64{1}}
	for name, c := range map[string]struct {
		in   map[string]Tensor
		says string
	}{
		"missing":    {map[string]Tensor{"x": x}, `["x" "t"]`},
		"wrong name": {map[string]Tensor{"x": x, "time": n}, `input "t" is missing`},
		"wrong type": {map[string]Tensor{"x": n, "t": n}, "float"},
		"wrong rank": {map[string]Tensor{"x": {Shape: []int64{1, 1}, Data: []float32{1}}, "t": n}, "rank"},
		"wrong size": {map[string]Tensor{"x": {Shape: []int64{3}, Data: []float32{1}}, "t": n}, "needs 3 values"},
	} {
		_, err := s.Run(context.Background(), c.in)
		if err == nil || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: got %v, want one line with %q", name, err, c.says)
		}
	}
	_, err := open(t).NewSession("testdata/types.onnx", SessionOptions{Outputs: []string{"depth"}})
	if err == nil || !strings.Contains(err.Error(), `no output "depth", only ["sum" "twice"]`) {
		t.Errorf("an unknown output gave %v", err)
	}
}

func TestBrokenModelIsOneLine(t *testing.T) {
	whole, err := os.ReadFile("testdata/conv.onnx")
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{"half": whole[:len(whole)/2], "empty": {}, "text": []byte("<html>not found</html>")} {
		path := filepath.Join(t.TempDir(), name+".onnx")
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
		_, err := open(t).NewSession(path, SessionOptions{})
		if err == nil || !strings.Contains(err.Error(), path) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: got %v, want one line that names the file", name, err)
		}
	}
	if _, err := open(t).NewSession("testdata/absent.onnx", SessionOptions{}); err == nil {
		t.Error("an absent file was loaded")
	}
}

func TestOutOfMemoryIsRecognised(t *testing.T) {
	s := load(t, "huge.onnx", SessionOptions{Device: testDevice(t)})
	_, err := s.Run(context.Background(), map[string]Tensor{"x": {Shape: []int64{1}, Data: []float32{1}}})
	if !errors.Is(err, ErrOutOfMemory) {
		t.Errorf("128 TiB gave %v, want ErrOutOfMemory", err)
	}
}

// A smaller batch is tried on an empty device: what the run before took is given
// back, and the model loaded anew.
func TestOutOfMemoryFreesTheModel(t *testing.T) {
	s := load(t, "huge.onnx", SessionOptions{Device: testDevice(t)})
	in := map[string]Tensor{"x": {Shape: []int64{1}, Data: []float32{1}}}
	for range 2 {
		if _, err := s.Run(context.Background(), in); !errors.Is(err, ErrOutOfMemory) {
			t.Fatalf("got %v, want ErrOutOfMemory", err)
		}
		if s.session != nil {
			t.Error("the session keeps its memory")
		}
	}
	if err := s.load(); err != nil || s.session == nil {
		t.Errorf("it can't be loaded again: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if _, err := s.Run(context.Background(), in); !errors.Is(err, ErrClosed) {
		t.Errorf("a closed session gave %v", err)
	}
}

func TestOptionsOfCUDA(t *testing.T) {
	for half, tf32 := range map[bool]string{false: "0", true: "1"} {
		got := cudaOptions(SessionOptions{Device: Device{CUDA, 3}, Half: half})
		if got["use_tf32"] != tf32 || got["device_id"] != "3" {
			t.Errorf("half %v: %v", half, got)
		}
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	s := load(t, "endless.onnx", SessionOptions{})
	in := map[string]Tensor{"x": {Shape: []int64{1}, Data: []float32{1}}}
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if _, err := s.Run(ctx, in); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want the deadline", err)
	}
	// Cancelled before it began, and usable after it was cancelled.
	if _, err := s.Run(ctx, in); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want the deadline", err)
	}
}

func TestConcurrentSessions(t *testing.T) {
	shared := load(t, "conv.onnx", SessionOptions{})
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			own := load(t, "conv.onnx", SessionOptions{Threads: 1 + i%2})
			for range 50 {
				v := float32(i + 1)
				for _, s := range []*Session{shared, own} {
					// One pixel: -4v + 0.5 is negative, so a negative v it is.
					out, err := s.Run(context.Background(), map[string]Tensor{"x": {Shape: []int64{1, 1, 1, 1}, Data: []float32{-v}}})
					if err != nil || !slices.Equal(out["y"].Data, []float32{4*v + .5}) {
						t.Errorf("%v: got %v, %v", v, out, err)
						return
					}
				}
				runtime.GC() // inputs must outlive the collector
			}
		})
	}
	wg.Wait()
}

func TestCloseWaitsAndThenRefuses(t *testing.T) {
	s := load(t, "conv.onnx", SessionOptions{})
	in := map[string]Tensor{"x": {Shape: []int64{1, 1, 64, 64}, Data: make([]float32, 64*64)}}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for {
				if _, err := s.Run(context.Background(), in); err != nil {
					if !errors.Is(err, ErrClosed) {
						t.Error(err)
					}
					return
				}
			}
		})
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	wg.Wait()
	if err := s.Close(); err != nil {
		t.Errorf("a second Close gave %v", err)
	}
}

// What libraries of CUDA say is told apart: a smaller batch helps, another device
// helps, or nothing.
func TestFaults(t *testing.T) {
	for text, want := range map[string]error{
		"CUDNN_FE failure 11: CUDNN_BACKEND_API_FAILED ; GPU=0":              ErrDeviceLost,
		"CUDA failure 700: an illegal memory access was encountered ; GPU=0": ErrDeviceLost,
		"CUBLAS failure 13: CUBLAS_STATUS_EXECUTION_FAILED ; GPU=0":          ErrDeviceLost,
		"CUBLAS failure 3: CUBLAS_STATUS_ALLOC_FAILED ; GPU=0":               ErrOutOfMemory,
		"CUBLAS failure 3: the resource allocation failed ; GPU=0 ; hostname=vm ; file=/onnxruntime_src/onnxruntime/core/providers/cuda/cuda_stream_handle.cc ; line=78 ; expr=cublasCreate(&cublas_handle_);": ErrOutOfMemory,
		"CUBLAS failure 13: the function failed to launch on the GPU ; GPU=0":        ErrDeviceLost,
		"CUDA failure 2: out of memory ; GPU=0 ; expr=cudaStreamCreate(&stream);":    ErrOutOfMemory,
		"CUDA failure 209: no kernel image is available for execution on the device": ErrDeviceLost,
		"CUDNN failure 4003: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED":   ErrOutOfMemory,
		"CUDNN failure 5000: CUDNN_STATUS_EXECUTION_FAILED ; GPU=0":                  ErrDeviceLost,
		"CUFFT failure 2: CUFFT_ALLOC_FAILED ; GPU=0":                                ErrOutOfMemory,
		"Failed to allocate memory for requested buffer of size 8":                   ErrOutOfMemory,
		"Non-zero status code returned while running Conv node. Name:'/neck/convs.0/Conv' Status Message: Failed to allocate memory for requested buffer of size 9271771136": ErrOutOfMemory,
		"Non-zero status code returned while running Conv node. Input channels C is 4":                                                                                       nil,
	} {
		err := fault("run", errors.New(text))
		for _, kind := range []error{ErrDeviceLost, ErrOutOfMemory} {
			if errors.Is(err, kind) != (kind == want) {
				t.Errorf("%q gave %v", text, err)
			}
		}
	}
}

// A GPU that isn't there ends the search; one that is there and broken is left out.
func TestNoSuchDevice(t *testing.T) {
	for text, want := range map[string]bool{
		"[ONNXRuntimeError] : 1 : FAIL : provider_options_utils.h:187 Parse Failed to parse provider option \"device_id\": cuda_execution_provider_info.cc:68 operator() Invalid device ID: 1, must be between 0 (inclusive) and 1 (exclusive).": true,
		"CUDA failure 101: invalid device ordinal ; GPU=0 ; expr=cudaSetDevice(info_.device_id);": true,
		"CUDA failure 209: no kernel image is available for execution on the device ; GPU=1":      false,
	} {
		if noSuchDevice(text) != want {
			t.Errorf("%q: %v, want %v", text, !want, want)
		}
	}
}

func TestSelect(t *testing.T) {
	r := open(t)
	devices, note, err := r.Select("auto")
	if err != nil {
		t.Fatal(err)
	}
	if devices[0].Kind == CUDA {
		if all, _, err := r.Select("cuda"); err != nil || !slices.Equal(all, devices) || note != "" {
			t.Errorf("auto = %v, %q; cuda = %v, %v", devices, note, all, err)
		}
		return
	}
	if !slices.Equal(devices, []Device{{Kind: CPU}}) || !strings.Contains(note, "CUDA") || strings.Contains(note, "\n") {
		t.Errorf("auto = %v, %q; want the CPU and one line why", devices, note)
	}
	for _, name := range []string{"cuda", "cuda:0", "cuda:0,cuda:1"} {
		var unusable *DeviceError
		if _, _, err := r.Select(name); !errors.As(err, &unusable) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s on a machine without it gave %v", name, err)
		}
	}
}
