// Package npy reads NumPy's .npy files of float32 and writes those of bytes, as
// numpy.save does.
package npy

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"regexp"
	"strconv"
	"strings"
)

// Array is a dense array, row-major and contiguous.
type Array struct {
	Shape []int // empty for a single number
	Data  []float32
}

const (
	magic = "\x93NUMPY"
	// maxHeader bounds the header; numpy refuses to read one of more than 10000
	// bytes too.
	maxHeader = 10000
	// maxValues bounds an array: 1 GiB of float32.
	maxValues = 1 << 28
)

// header is the only form that numpy.save writes (numpy.lib.format): a Python
// dictionary with its keys sorted. "(3,)" is a shape of one dimension.
var header = regexp.MustCompile(`^\{'descr': '([^']*)', 'fortran_order': (True|False), 'shape': \(([0-9, ]*)\),? ?\} *\n$`)

// ReadFile reads a file. See [Read].
func ReadFile(path string) (*Array, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	a, err := Read(f)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return a, nil
}

// Read reads an array up to r's end. Other types than little-endian float32,
// Fortran's order, missing and left-over bytes are errors. It takes memory as
// bytes come, not as the header promises.
func Read(r io.Reader) (*Array, error) {
	var start [len(magic) + 2]byte
	if _, err := io.ReadFull(r, start[:]); err != nil || string(start[:len(magic)]) != magic {
		return nil, errors.New("not a .npy file: it doesn't begin as one")
	}
	size := make([]byte, 2)
	if major := start[len(magic)]; major == 2 || major == 3 {
		size = make([]byte, 4)
	} else if major != 1 {
		return nil, fmt.Errorf("a .npy file of version %d: 1, 2 and 3 are known", major)
	}
	if _, err := io.ReadFull(r, size); err != nil {
		return nil, errors.New("the .npy file ends in its header")
	}
	n := uint32(binary.LittleEndian.Uint16(size))
	if len(size) == 4 {
		n = binary.LittleEndian.Uint32(size)
	}
	if n > maxHeader {
		return nil, fmt.Errorf("a .npy header of %d bytes: at most %d are read", n, maxHeader)
	}
	text := make([]byte, n)
	if _, err := io.ReadFull(r, text); err != nil {
		return nil, errors.New("the .npy file ends in its header")
	}
	shape, values, err := parse(string(text))
	if err != nil {
		return nil, err
	}
	raw, err := io.ReadAll(io.LimitReader(r, 4*int64(values)+1))
	if err != nil {
		return nil, err
	}
	if len(raw) != 4*values {
		than := "fewer"
		if len(raw) > 4*values {
			than = "more"
		}
		return nil, fmt.Errorf("a .npy file with %s bytes than the %d of its shape %v", than, 4*values, shape)
	}
	a := &Array{Shape: shape, Data: make([]float32, values)}
	for i := range a.Data {
		a.Data[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
	}
	return a, nil
}

// parse returns the shape and the number of values that a header tells.
func parse(text string) (shape []int, values int, err error) {
	fields := header.FindStringSubmatch(text)
	switch {
	case fields == nil:
		return nil, 0, fmt.Errorf("the .npy header %.80q is none that numpy.save writes", text)
	case fields[1] != "<f4":
		return nil, 0, fmt.Errorf("a .npy file of type %.20q: save it as little-endian float32 ('<f4')", fields[1])
	case fields[2] == "True":
		return nil, 0, errors.New("a .npy file in Fortran's order: save numpy.ascontiguousarray of it")
	}
	values = 1
	list := strings.TrimSuffix(fields[3], ",")
	if list == "" {
		return []int{}, values, nil
	}
	for _, word := range strings.Split(list, ", ") {
		d, err := strconv.Atoi(word)
		if err != nil || d < 1 {
			return nil, 0, fmt.Errorf("a .npy file of shape (%.80s): each dimension must be 1 or more", fields[3])
		}
		if d > maxValues/values {
			return nil, 0, fmt.Errorf("a .npy file of shape (%.80s): at most %d values are read", fields[3], maxValues)
		}
		shape = append(shape, d)
		values *= d
	}
	return shape, values, nil
}

// AppendUint8Header appends the header of an array of bytes of a shape, as
// numpy.save writes it (version 1.0). The values follow it, row-major.
func AppendUint8Header(b []byte, shape ...int) []byte {
	dims := make([]string, len(shape))
	for i, d := range shape {
		dims[i] = strconv.Itoa(d)
	}
	list := strings.Join(dims, ", ")
	if len(shape) == 1 {
		list += ","
	}
	text := fmt.Sprintf("{'descr': '|u1', 'fortran_order': False, 'shape': (%s), }", list)
	// Spaces and a line end fill it up so that the values begin at a multiple of 64.
	const start = len(magic) + 4
	size := (start+len(text)+1+63)/64*64 - start
	b = append(b, magic...)
	b = binary.LittleEndian.AppendUint16(append(b, 1, 0), uint16(size))
	return append(b, fmt.Sprintf("%-*s\n", size-1, text)...)
}
