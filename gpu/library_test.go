package gpu

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestFindLibraryOrder(t *testing.T) {
	dir := t.TempDir()
	file := func(parts ...string) string {
		path := filepath.Join(append([]string{dir}, parts...)...)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("x"), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	t.Setenv("ORT_LIB", "")
	t.Setenv("XDG_CACHE_HOME", filepath.Join(dir, "cache"))

	_, err := findLibrary(Options{})
	var missing *MissingError
	if !errors.As(err, &missing) {
		t.Fatalf("nothing installed: %v, want a MissingError", err)
	}
	cached := filepath.Join(dir, "cache", "micodata", "onnxruntime", "1.27.0", "libonnxruntime.so.1.27.0")
	withCUDA := filepath.Join(dir, "cache", "micodata", "onnxruntime", "1.27.0-gpu", "libonnxruntime.so.1.27.0")
	if !slices.Equal(missing.Looked[:2], []string{withCUDA, cached}) {
		t.Errorf("looked in %s, want %s and %s first", missing.Looked, withCUDA, cached)
	}
	for _, want := range []string{cached, "make setup", "ORT_LIB"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("message %q does not name %s", err, want)
		}
	}

	file("cache", "micodata", "onnxruntime", "1.27.0", "libonnxruntime.so.1.27.0")
	expect(t, Options{}, cached)
	file("cache", "micodata", "onnxruntime", "1.27.0-gpu", "libonnxruntime.so.1.27.0")
	expect(t, Options{}, withCUDA)
	env := file("env.so")
	t.Setenv("ORT_LIB", env)
	expect(t, Options{}, env)
	option := file("option.so")
	expect(t, Options{LibraryPath: option}, option)

	// What was asked for by name is never replaced by something else.
	if got, err := findLibrary(Options{LibraryPath: filepath.Join(dir, "absent.so")}); !errors.As(err, &missing) {
		t.Errorf("an absent library by option gave %q, %v", got, err)
	}
}

func expect(t *testing.T, o Options, want string) {
	t.Helper()
	if got, err := findLibrary(o); err != nil || got != want {
		t.Errorf("findLibrary(%+v) = %q, %v; want %q", o, got, err, want)
	}
}

func TestParseDevices(t *testing.T) {
	for name, want := range map[string][]Device{
		"cpu": {{Kind: CPU}}, "cuda:0": {{Kind: CUDA}}, "cuda:3": {{Kind: CUDA, ID: 3}}, "cuda:2,cuda:0": {{CUDA, 2}, {CUDA, 0}}, "tensorrt:1": {{TensorRT, 1}},
		" cpu": {{Kind: CPU}}, "cuda:0, cuda:1": {{CUDA, 0}, {CUDA, 1}},
	} {
		if got, err := parseDevices(name); err != nil || !slices.Equal(got, want) {
			t.Errorf("parseDevices(%q) = %v, %v; want %v", name, got, err, want)
		}
	}
	for _, name := range []string{"gpu", "cpu:1", "cuda:", "cuda:-1", "cuda:x", "CUDA", "cpu,cuda:0", "cpu,cpu", "cuda:1,cuda:1", "cuda:0,", "cuda:0,cpu", "cuda:0,tensorrt:1", "auto,cpu"} {
		var wrong *NameError
		if got, err := parseDevices(name); !errors.As(err, &wrong) || wrong.Name != name {
			t.Errorf("parseDevices(%q) = %v, %v; want an error of the name", name, got, err)
		}
	}
}

func TestTensorCheck(t *testing.T) {
	bad := map[string]Tensor{
		"no data":       {Shape: []int64{1}},
		"both kinds":    {Shape: []int64{1}, Data: []float32{1}, Int64: []int64{1}},
		"no shape":      {Data: []float32{1}},
		"too few":       {Shape: []int64{2, 3}, Data: make([]float32, 5)},
		"zero":          {Shape: []int64{0}, Data: []float32{}},
		"negative":      {Shape: []int64{-1, -1}, Data: []float32{1}},
		"overflow to 0": {Shape: []int64{1 << 32, 1 << 32}, Data: []float32{1}},
	}
	for name, tensor := range bad {
		if tensor.check() == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if err := (Tensor{Shape: []int64{2, 3}, Data: make([]float32, 6)}).check(); err != nil {
		t.Error(err)
	}
}
