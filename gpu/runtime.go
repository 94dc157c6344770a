//go:build cgo

package gpu

import (
	"cmp"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"

	ort "github.com/yalue/onnxruntime_go"
)

// Runtime is the loaded library. It stays loaded for the life of the process:
// unloading a library that has run threads (and CUDA) is not safe. All methods
// may be called from several goroutines.
type Runtime struct {
	path    string
	sha256  string
	version string
	noCUDA  error // why no GPU can be used, where that is known already
}

// process holds what ONNX Runtime allows once in a process: its environment.
// The binding keeps that in package variables of its own, so it can be guarded
// nowhere but here.
var process struct {
	sync.Mutex
	runtime *Runtime
}

// Open loads ONNX Runtime. Later calls return the same Runtime; one that asks
// for another library is an error. Errors: [*MissingError].
func Open(o Options) (*Runtime, error) {
	path, err := findLibrary(o)
	if err != nil {
		return nil, err
	}
	process.Lock()
	defer process.Unlock()
	if r := process.runtime; r != nil {
		if r.path != path {
			return nil, fmt.Errorf("ONNX Runtime is loaded from %s: one process can't load %s too", r.path, path)
		}
		return r, nil
	}
	sum, err := fileSHA256(path)
	if err != nil {
		return nil, &MissingError{Looked: []string{path}, Err: err}
	}
	noCUDA := preload(filepath.Dir(path))
	ort.SetSharedLibraryPath(path)
	// Errors come back as values; the library must not print them as well.
	if err := ort.InitializeEnvironment(ort.WithLogLevelFatal()); err != nil {
		return nil, &MissingError{Looked: []string{path}, Err: fmt.Errorf("load %s: %s", path, message(err))}
	}
	process.runtime = &Runtime{path: path, sha256: sum, version: ort.GetVersion(), noCUDA: noCUDA}
	return process.runtime, nil
}

func fileSHA256(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// Path is the library's file.
func (r *Runtime) Path() string { return r.path }

// Version is the library's version, such as "1.27.0".
func (r *Runtime) Version() string { return r.version }

// SHA256 is the checksum of the library's file: two builds of one version may
// differ in the last bits of their results.
func (r *Runtime) SHA256() string { return r.sha256 }

// maxDevices bounds the search for GPUs; no machine sold has more in one box.
const maxDevices = 16

// Select reads "auto", "cpu", "cuda" or "tensorrt" (every GPU), or a list as
// "cuda:0,cuda:2", and checks that a model runs there. "auto" (or "") is every GPU where that works and
// else the CPU, and then note says in one line why not a GPU. Errors:
// [*DeviceError], [*NameError].
func (r *Runtime) Select(name string) (devices []Device, note string, err error) {
	if name == "" || name == auto {
		if devices, note, err = r.gpus(CUDA); err != nil {
			return []Device{{Kind: CPU}}, fmt.Sprintf("models run on the CPU: no CUDA (%s)", message(err)), nil
		}
		return devices, note, nil
	}
	if name == CUDA || name == TensorRT {
		if devices, note, err = r.gpus(name); err != nil {
			return nil, "", &DeviceError{Device: Device{Kind: name}, Reason: message(err)}
		}
		return devices, note, nil
	}
	if devices, err = parseDevices(name); err != nil {
		return nil, "", err
	}
	for _, d := range devices {
		if err := r.probe(d); err != nil {
			return nil, "", &DeviceError{Device: d, Reason: message(err)}
		}
	}
	return devices, "", nil
}

// noSuchDevice tells the words by which CUDA, or ONNX Runtime before it asks CUDA,
// says that there are not as many GPUs.
func noSuchDevice(text string) bool {
	return strings.Contains(text, "invalid device ordinal") || strings.Contains(text, "Invalid device ID: ")
}

// gpus lists the GPUs on which a model ran just now, and notes those that are
// broken; none is an error, why not.
func (r *Runtime) gpus(kind string) (devices []Device, note string, err error) {
	for id := range maxDevices {
		d := Device{Kind: kind, ID: id}
		why := r.probe(d)
		if why == nil {
			devices = append(devices, d)
			continue
		}
		if err == nil {
			err = why
		}
		if r.noCUDA != nil || noSuchDevice(message(why)) {
			break
		}
		note = cmp.Or(note, fmt.Sprintf("%s is left out: %s", d, message(why)))
	}
	if len(devices) == 0 {
		return nil, "", err
	}
	return devices, note, nil
}

// probeModel adds a number to itself (testdata/make_models.py).
//
//go:embed probe.onnx
var probeModel []byte

// probe runs the smallest model on a device. A missing CUDA shows at different
// calls with different builds of the library, so all of them are tried.
func (r *Runtime) probe(d Device) (err error) {
	if d.Kind != CPU && r.noCUDA != nil {
		return r.noCUDA
	}
	o, err := newOptions(SessionOptions{Device: d}.withDefaults())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, o.Destroy()) }()
	in, out := []float32{1}, []float32{0}
	x, err := ort.NewTensor(ort.NewShape(1), in)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, x.Destroy()) }()
	y, err := ort.NewTensor(ort.NewShape(1), out)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, y.Destroy()) }()
	s, err := ort.NewAdvancedSessionWithONNXData(probeModel, []string{"x"}, []string{"y"}, []ort.Value{x}, []ort.Value{y}, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Destroy()) }()
	if err := s.Run(); err != nil {
		return err
	}
	if out[0] != 2 {
		return fmt.Errorf("1 + 1 gave %v", out[0])
	}
	return nil
}

// message gives what ONNX Runtime itself said, as one line, without what the
// binding put before it and without the places in its own sources.
func message(err error) string {
	for {
		inner := errors.Unwrap(err)
		if joined, ok := err.(interface{ Unwrap() []error }); ok {
			inner = joined.Unwrap()[0] // what went wrong first
		}
		if inner == nil {
			return withoutSources(strings.Join(strings.Fields(err.Error()), " "))
		}
		err = inner
	}
}

// outOfMemory are the words by which ONNX Runtime 1.27's CPU and CUDA
// allocators and CUDA's libraries report that, these by names of statuses
// (CUBLAS_STATUS_ALLOC_FAILED, CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED),
// or by what their numbers mean: cuBLAS from CUDA 13 gives a sentence for a name.
var outOfMemory = []string{
	"Failed to allocate memory", "bad_alloc", "bad allocation", "out of memory", "Available memory of",
	"ALLOC_FAILED", "ALLOCATION_FAILED",
	"CUDA failure 2:", "CUBLAS failure 3:", "CUDNN failure 4003:", "CUFFT failure 2:",
}

// deviceLost are the words by which ONNX Runtime 1.27 reports any other failure
// of CUDA and its libraries (convolutions run through cuDNN's frontend, CUDNN_FE).
// After most of them the card's context is of no more use to the process.
var deviceLost = []string{"CUDA failure", "CUDA error", "CUDNN failure", "CUDNN_FE failure", "CUBLAS failure", "CUFFT failure", "TensorRT EP failed"}

// fault turns an error of the binding into one of ours.
func fault(step string, err error) error {
	text := message(err)
	for _, words := range outOfMemory {
		if strings.Contains(text, words) {
			return fmt.Errorf("%s: %w: %s", step, ErrOutOfMemory, text)
		}
	}
	for _, words := range deviceLost {
		if strings.Contains(text, words) {
			return fmt.Errorf("%s: %w: %s", step, ErrDeviceLost, text)
		}
	}
	return fmt.Errorf("%s: %s", step, text)
}
