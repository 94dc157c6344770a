package gpu

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// ErrOutOfMemory marks a run or a load that the device had no memory for. A
// smaller batch may fit.
var ErrOutOfMemory = errors.New("out of memory")

// ErrClosed is returned by a session after Close.
var ErrClosed = errors.New("session is closed")

// Kinds of device.
const (
	CPU      = "cpu"
	CUDA     = "cuda"
	TensorRT = "tensorrt" // a GPU, by TensorRT where it can and CUDA where not
)

// Device is where a session runs. The zero value is the CPU.
type Device struct {
	Kind string // CPU, CUDA or TensorRT
	ID   int    // of several GPUs, from 0; 0 for the CPU
}

// String gives the form that [Runtime.Select] reads: "cpu", "cuda:1".
func (d Device) String() string {
	if d.Kind == CUDA || d.Kind == TensorRT {
		return d.Kind + ":" + strconv.Itoa(d.ID)
	}
	return CPU
}

// DeviceError says that a device that was asked for cannot be used here.
type DeviceError struct {
	Device Device
	Reason string
}

func (e *DeviceError) Error() string {
	return fmt.Sprintf("device %s can't be used: %s", e.Device, e.Reason)
}

// NameError says that a text names no device, of this machine or any other.
type NameError struct{ Name, Reason string }

func (e *NameError) Error() string { return fmt.Sprintf("device %q: %s", e.Name, e.Reason) }

// Devices that stand for every one of a kind, or for what works.
func isSet(name string) bool { return name == "" || name == auto || name == CUDA || name == TensorRT }

const auto = "auto"

// checkName tells what [Runtime.Select] can't read. Errors: [*NameError].
func checkName(name string) error {
	if isSet(name) {
		return nil
	}
	_, err := parseDevices(name)
	return err
}

// parseDevices reads "cpu", "cuda:1" and lists of GPUs with commas. Errors:
// [*NameError].
func parseDevices(list string) ([]Device, error) {
	var devices []Device
	for name := range strings.SplitSeq(list, ",") {
		d, why := parseDevice(strings.TrimSpace(name))
		if why == "" && (slices.Contains(devices, d) || len(devices) > 0 && (d.Kind == CPU || d.Kind != devices[0].Kind)) {
			why = "want different GPUs of one kind, or cpu alone"
		}
		if why != "" {
			return nil, &NameError{list, why}
		}
		devices = append(devices, d)
	}
	return devices, nil
}

// parseDevice reads one device, or says why it can't.
func parseDevice(name string) (d Device, why string) {
	if name == CPU {
		return Device{Kind: CPU}, ""
	}
	kind, id, _ := strings.Cut(name, ":")
	if kind != CUDA && kind != TensorRT {
		return Device{}, "want auto, cpu, cuda or tensorrt, each alone, or GPUs such as cuda:0,cuda:2"
	}
	n, err := strconv.Atoi(id)
	if err != nil || n < 0 {
		return Device{}, fmt.Sprintf("%q is not a GPU's number", id)
	}
	return Device{Kind: kind, ID: n}, ""
}

// SessionOptions say how a model is run.
type SessionOptions struct {
	Device Device
	// Threads is the number of threads inside one run on the CPU. The default is
	// 1: results are then the same on every machine of one kind, and work is
	// spread by running several inputs at once.
	Threads int
	// Half says that the model computes in half precision, so that a GPU need not
	// keep more bits anywhere.
	Half bool
	// Outputs are the outputs to compute, by name; nil for all. What only the
	// others need is not computed.
	Outputs []string
}

func (o SessionOptions) withDefaults() SessionOptions {
	if o.Device.Kind == "" {
		o.Device.Kind = CPU
	}
	if o.Threads <= 0 {
		o.Threads = 1
	}
	return o
}

// IO describes an input or output of a model.
type IO struct {
	Name  string
	Shape []int64 // -1 where any size fits
	Type  string  // "float32", "int64"; "float16", "uint8" and so on
}

// Tensor is a dense array, row-major and contiguous. Exactly one of the data
// fields is set, with one element for each position of Shape.
type Tensor struct {
	Shape []int64
	Data  []float32
	Int64 []int64
}

// check tells whether the data fits the shape.
func (t Tensor) check() error {
	if (t.Data == nil) == (t.Int64 == nil) {
		return errors.New("exactly one of Data and Int64 must be set")
	}
	if len(t.Shape) == 0 {
		return errors.New("a tensor needs at least one dimension")
	}
	n := int64(1)
	for _, d := range t.Shape {
		if d <= 0 || n > math.MaxInt64/d {
			return fmt.Errorf("shape %v is empty, negative or too large", t.Shape)
		}
		n *= d
	}
	if have := int64(len(t.Data) + len(t.Int64)); n != have {
		return fmt.Errorf("shape %v needs %d values, there are %d", t.Shape, n, have)
	}
	return nil
}
