//go:build cgo

package gpu

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"

	ort "github.com/yalue/onnxruntime_go"
)

// Session is a model on a device. Run may be called from several goroutines.
type Session struct {
	path    string
	options SessionOptions
	inputs  []IO
	outputs []IO // those that Run computes

	mu      sync.RWMutex                // runs read; what loads and frees the model writes
	session *ort.DynamicAdvancedSession // nil: closed, or freed to be loaded anew
	closed  bool
}

// NewSession loads a model from a file (weights outside of it are found beside
// it). The file is read twice: its inputs and outputs first. Errors wrap
// [ErrOutOfMemory] where that is the reason.
func (r *Runtime) NewSession(path string, o SessionOptions) (*Session, error) {
	o = o.withDefaults()
	inputs, all, err := describe(path)
	if err != nil {
		return nil, fault("read model "+path, err)
	}
	outputs := all
	if o.Outputs != nil {
		outputs = make([]IO, 0, len(o.Outputs))
		for _, name := range o.Outputs {
			i := slices.IndexFunc(all, func(io IO) bool { return io.Name == name })
			if i < 0 {
				return nil, fmt.Errorf("model %s has no output %q, only %q", path, name, names(all))
			}
			outputs = append(outputs, all[i])
		}
	}
	s := &Session{path: path, options: o, inputs: inputs, outputs: outputs}
	if err := s.load(); err != nil {
		return nil, err
	}
	return s, nil
}

// load loads the model where it is not.
func (s *Session) load() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return ErrClosed
	case s.session != nil:
		return nil
	}
	options, err := newOptions(s.options)
	if err != nil {
		return fault("set up "+s.options.Device.String(), err)
	}
	session, err := ort.NewDynamicAdvancedSession(s.path, names(s.inputs), names(s.outputs), options)
	if err = errors.Join(err, options.Destroy()); err != nil {
		return fault("load model "+s.path, err)
	}
	s.session = session
	return nil
}

// unload frees the model, so that the next run loads it anew: all memory that runs
// took is kept for those to come, in pieces as those needed them, and nothing else
// gives it back to the device.
func (s *Session) unload(session *ort.DynamicAdvancedSession) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.session != session { // another run has done so
		return nil
	}
	s.session = nil
	return session.Destroy()
}

// describe reads a model's inputs and outputs by loading it as cheaply as the
// library can.
func describe(path string) (inputs, outputs []IO, err error) {
	o, err := ort.NewSessionOptions()
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, o.Destroy()) }()
	if err := o.SetGraphOptimizationLevel(ort.GraphOptimizationLevelDisableAll); err != nil {
		return nil, nil, err
	}
	if err := o.AddSessionConfigEntry("session.disable_prepacking", "1"); err != nil {
		return nil, nil, err
	}
	in, out, err := ort.GetInputOutputInfoWithOptions(path, o)
	if err != nil {
		return nil, nil, err
	}
	return toIO(in), toIO(out), nil
}

func toIO(infos []ort.InputOutputInfo) []IO {
	ios := make([]IO, len(infos))
	for i, info := range infos {
		kind := strings.ToLower(strings.TrimPrefix(info.DataType.String(), "ONNX_TENSOR_ELEMENT_DATA_TYPE_"))
		switch info.DataType {
		case ort.TensorElementDataTypeFloat:
			kind = "float32"
		case ort.TensorElementDataTypeInt64:
			kind = "int64"
		}
		ios[i] = IO{Name: info.Name, Shape: info.Dimensions, Type: kind}
	}
	return ios
}

func names(ios []IO) []string {
	list := make([]string, len(ios))
	for i, io := range ios {
		list[i] = io.Name
	}
	return list
}

// newOptions builds the library's options; o has its defaults.
func newOptions(o SessionOptions) (*ort.SessionOptions, error) {
	options, err := ort.NewSessionOptions()
	if err != nil {
		return nil, err
	}
	if err := configure(options, o); err != nil {
		return nil, errors.Join(err, options.Destroy())
	}
	return options, nil
}

func configure(options *ort.SessionOptions, o SessionOptions) error {
	if err := options.SetIntraOpNumThreads(o.Threads); err != nil {
		return err
	}
	if err := options.SetInterOpNumThreads(1); err != nil {
		return err
	}
	// A waiting thread would otherwise burn a core that another picture needs.
	if err := options.AddSessionConfigEntry("session.intra_op.allow_spinning", "0"); err != nil {
		return err
	}
	if o.Device.Kind == CPU {
		return nil
	}
	if o.Device.Kind == TensorRT {
		if err := appendTensorRT(options, o.Device); err != nil {
			return err
		}
	}
	// A pattern is one more piece of memory as large as all of a run's tensors, for
	// every size of batch, and no other run may have it after that one.
	if err := options.SetMemPattern(false); err != nil {
		return err
	}
	return appendCUDA(options, o)
}

// cudaOptions are the CUDA provider's options. It heeds no limit of what a
// convolution may work in (cudnn_conv_use_max_workspace): ONNX Runtime 1.27 asks
// cuDNN's frontend for its first choice, whatever that takes.
func cudaOptions(o SessionOptions) map[string]string {
	options := map[string]string{
		"device_id": strconv.Itoa(o.Device.ID),
		// cuDNN's heuristics of mode A. EXHAUSTIVE, the default, is mode B, which takes
		// longer to choose and was not faster; DEFAULT is what is left where both fail.
		"cudnn_conv_algo_search": "HEURISTIC",
		// TF32 keeps 10 bits of mantissa: too few for 16-bit depth.
		"use_tf32": "0",
		// The default doubles, and leaves nothing to the models beside.
		"arena_extend_strategy": "kSameAsRequested",
	}
	if o.Half {
		// Without it ONNX Runtime keeps convolutions of any type off the tensor cores,
		// and half precision has 10 bits anyway.
		options["use_tf32"] = "1"
	}
	return options
}

func appendCUDA(options *ort.SessionOptions, o SessionOptions) error {
	cuda, err := ort.NewCUDAProviderOptions()
	if err != nil {
		return err
	}
	err = cuda.Update(cudaOptions(o))
	if err == nil {
		err = options.AppendExecutionProviderCUDA(cuda)
	}
	return errors.Join(err, cuda.Destroy())
}

// noTF32 is read by CUDA's libraries: "0" forbids TF32.
const noTF32 = "NVIDIA_TF32_OVERRIDE"

// appendTensorRT lets TensorRT take what it can of a network. It compiles that for
// the card, for minutes, and keeps it in the user's cache folder.
func appendTensorRT(options *ort.SessionOptions, d Device) error {
	cache, err := os.UserCacheDir()
	if err != nil {
		return err
	}
	trt, err := ort.NewTensorRTProviderOptions()
	if err != nil {
		return err
	}
	// It has no option for it.
	if _, ok := os.LookupEnv(noTF32); !ok {
		if err := os.Setenv(noTF32, "0"); err != nil {
			return errors.Join(err, trt.Destroy())
		}
	}
	err = trt.Update(map[string]string{
		"device_id":               strconv.Itoa(d.ID),
		"trt_engine_cache_enable": "1",
		"trt_engine_cache_path":   filepath.Join(cache, "micodata", "tensorrt"),
	})
	if err == nil {
		err = options.AppendExecutionProviderTensorRT(trt)
	}
	return errors.Join(err, trt.Destroy())
}

// Device is where the model runs.
func (s *Session) Device() Device { return s.options.Device }

// Inputs lists what Run needs.
func (s *Session) Inputs() []IO { return slices.Clone(s.inputs) }

// Outputs lists what Run returns.
func (s *Session) Outputs() []IO { return slices.Clone(s.outputs) }

// Run computes the session's outputs. Inputs are read and not kept; outputs
// belong to the caller. When ctx is done the run is stopped at its next node
// and ctx's error returned. Errors wrap [ErrOutOfMemory] or [ErrDeviceLost] where
// that is the reason. A run that found no memory frees all that the session holds,
// and the next one loads the model anew.
func (s *Session) Run(ctx context.Context, inputs map[string]Tensor) (map[string]Tensor, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if len(inputs) != len(s.inputs) {
		return nil, fmt.Errorf("model %s has inputs %q, got %d", s.path, names(s.inputs), len(inputs))
	}
	s.mu.RLock()
	for s.session == nil {
		s.mu.RUnlock()
		if err := s.load(); err != nil {
			return nil, err
		}
		s.mu.RLock()
	}
	session := s.session
	outputs, err := s.compute(ctx, inputs)
	s.mu.RUnlock()
	if errors.Is(err, ErrOutOfMemory) {
		err = errors.Join(err, s.unload(session))
	}
	return outputs, err
}

// compute is Run on a model that stays loaded meanwhile.
func (s *Session) compute(ctx context.Context, inputs map[string]Tensor) (_ map[string]Tensor, err error) {
	// The library reads the inputs' memory where it lies.
	var pinned runtime.Pinner
	defer pinned.Unpin()
	in := make([]ort.Value, 0, len(s.inputs))
	defer func() { err = errors.Join(err, destroy(in)) }()
	for _, want := range s.inputs {
		t, ok := inputs[want.Name]
		if !ok {
			return nil, fmt.Errorf("model %s: input %q is missing", s.path, want.Name)
		}
		v, err := toValue(t, &pinned)
		if err != nil {
			return nil, fmt.Errorf("model %s: input %q: %w", s.path, want.Name, err)
		}
		in = append(in, v)
	}
	out := make([]ort.Value, len(s.outputs))
	defer func() { err = errors.Join(err, destroy(out)) }()
	if err := s.run(ctx, in, out); err != nil {
		return nil, err
	}
	tensors := make(map[string]Tensor, len(out))
	for i, v := range out {
		t := Tensor{Shape: v.GetShape()}
		switch v := v.(type) {
		case *ort.Tensor[float32]:
			t.Data = v.GetData()
		case *ort.Tensor[int64]:
			t.Int64 = v.GetData()
		default:
			return nil, fmt.Errorf("model %s: output %q is %s: only float32 and int64 can be read", s.path, s.outputs[i].Name, s.outputs[i].Type)
		}
		tensors[s.outputs[i].Name] = t
	}
	return tensors, nil
}

// run is one call of the library that ends early when ctx does.
func (s *Session) run(ctx context.Context, in, out []ort.Value) (err error) {
	options, err := ort.NewRunOptions()
	if err != nil {
		return fault("run", err)
	}
	var terminate error
	stopped := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		terminate = options.Terminate()
		close(stopped)
	})
	err = s.session.RunWithOptions(in, out, options)
	if !stop() {
		<-stopped // it holds options
		if err != nil {
			err = ctx.Err()
		}
	} else if err != nil {
		err = fault("run "+s.path, err)
	}
	return errors.Join(err, terminate, options.Destroy())
}

// toValue wraps a tensor's memory without copying it.
func toValue(t Tensor, pinned *runtime.Pinner) (ort.Value, error) {
	if err := t.check(); err != nil {
		return nil, err
	}
	if t.Int64 != nil {
		pinned.Pin(&t.Int64[0])
		return ort.NewTensor(ort.Shape(t.Shape), t.Int64)
	}
	pinned.Pin(&t.Data[0])
	return ort.NewTensor(ort.Shape(t.Shape), t.Data)
}

// destroy frees values; the Go memory that their data lies in stays.
func destroy(values []ort.Value) error {
	var errs []error
	for _, v := range values {
		if v != nil {
			errs = append(errs, v.Destroy())
		}
	}
	return errors.Join(errs...)
}

// Close waits for the runs under way and frees the model. A second call does
// nothing.
func (s *Session) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	if s.session == nil {
		return nil
	}
	err := s.session.Destroy()
	s.session = nil
	return err
}
