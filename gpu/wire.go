package gpu

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"unsafe"
)

// frame is what a process and its child say to each other: a length, a header
// in JSON, and the bytes of the tensors that it lists. Both ends are the same
// program on the same machine, so the bytes are as they lie in memory.
type frame struct {
	ID     uint64 `json:"id"` // of the question; the answer has the same
	Cancel bool   `json:"cancel,omitempty"`

	// Of questions, one is set; none of them: run.
	Select *selectRequest `json:"select,omitempty"`
	Load   *loadRequest   `json:"load,omitempty"`

	// Of answers.
	Devices         []Device `json:"devices,omitempty"`
	Note            string   `json:"note,omitempty"`
	Inputs, Outputs []IO     `json:",omitempty"`
	Fault           *wireFault

	Tensors []wireTensor `json:"tensors,omitempty"`
	tensors map[string]Tensor
}

type selectRequest struct{ Library, Name string }

type loadRequest struct {
	Library, Path string
	Options       SessionOptions
}

type wireTensor struct {
	Name  string
	Shape []int64
	Int64 bool
}

// wireFault is an error on its way; of its kind remains what callers may ask for.
type wireFault struct {
	Text         string
	Memory, Lost bool
	Device       *DeviceError
	Missing      []string // where a missing library was looked for
}

func faultOf(err error) *wireFault {
	if err == nil {
		return nil
	}
	f := &wireFault{Text: err.Error(), Memory: errors.Is(err, ErrOutOfMemory), Lost: errors.Is(err, ErrDeviceLost)}
	var missing *MissingError
	if errors.As(err, &missing) {
		f.Missing, f.Text = missing.Looked, ""
		if missing.Err != nil {
			f.Text = missing.Err.Error()
		}
	}
	errors.As(err, &f.Device)
	return f
}

// wiredError is an error that a child told.
type wiredError struct {
	text string
	kind error // nil: no kind that callers ask for
}

func (e *wiredError) Error() string { return e.text }
func (e *wiredError) Unwrap() error { return e.kind }

func (f *wireFault) err() error {
	switch {
	case f == nil:
		return nil
	case f.Device != nil:
		return f.Device
	case f.Missing != nil && f.Text == "":
		return &MissingError{Looked: f.Missing}
	case f.Missing != nil:
		return &MissingError{Looked: f.Missing, Err: errors.New(f.Text)}
	case f.Memory:
		return &wiredError{f.Text, ErrOutOfMemory}
	case f.Lost:
		return &wiredError{f.Text, ErrDeviceLost}
	}
	return &wiredError{f.Text, nil}
}

// maxHeader bounds a header: one of a model with some inputs has 300 bytes.
const maxHeader = 1 << 20

func (m *frame) write(w io.Writer) error {
	m.Tensors = nil
	names := slices.Sorted(maps.Keys(m.tensors))
	for _, name := range names {
		t := m.tensors[name]
		m.Tensors = append(m.Tensors, wireTensor{name, t.Shape, t.Int64 != nil})
	}
	header, err := json.Marshal(m)
	if err != nil {
		return err
	}
	if _, err := w.Write(append(binary.LittleEndian.AppendUint32(nil, uint32(len(header))), header...)); err != nil {
		return err
	}
	for _, name := range names {
		if _, err := w.Write(m.tensors[name].bytes()); err != nil {
			return err
		}
	}
	return nil
}

func readFrame(r io.Reader) (*frame, error) {
	var size [4]byte
	if _, err := io.ReadFull(r, size[:]); err != nil {
		return nil, err
	}
	n := binary.LittleEndian.Uint32(size[:])
	if n > maxHeader {
		return nil, fmt.Errorf("a header of %d bytes", n)
	}
	header := make([]byte, n)
	if _, err := io.ReadFull(r, header); err != nil {
		return nil, err
	}
	m := &frame{tensors: map[string]Tensor{}}
	if err := json.Unmarshal(header, m); err != nil {
		return nil, err
	}
	for _, w := range m.Tensors {
		t, err := w.tensor()
		if err != nil {
			return nil, err
		}
		if _, err := io.ReadFull(r, t.bytes()); err != nil {
			return nil, err
		}
		m.tensors[w.Name] = t
	}
	return m, nil
}

// tensor makes room for a tensor.
func (w wireTensor) tensor() (Tensor, error) {
	n := int64(1)
	for _, d := range w.Shape {
		if d <= 0 || n > math.MaxInt32/d {
			return Tensor{}, fmt.Errorf("a tensor of shape %v", w.Shape)
		}
		n *= d
	}
	if w.Int64 {
		return Tensor{Shape: w.Shape, Int64: make([]int64, n)}, nil
	}
	return Tensor{Shape: w.Shape, Data: make([]float32, n)}, nil
}

// bytes are those of the values, where they lie.
func (t Tensor) bytes() []byte {
	if t.Int64 != nil {
		return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(t.Int64))), 8*len(t.Int64))
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(t.Data))), 4*len(t.Data))
}
