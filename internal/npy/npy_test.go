package npy

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func TestReadWhatNumPyWrote(t *testing.T) {
	var three []float32
	for i := range 24 {
		three = append(three, float32(i)/4-1)
	}
	for name, want := range map[string]*Array{
		"three":    {Shape: []int{2, 3, 4}, Data: three},
		"row":      {Shape: []int{3}, Data: []float32{1.5, -2, float32(math.Inf(1))}},
		"one":      {Shape: []int{}, Data: []float32{7}},
		"version2": {Shape: []int{1, 2}, Data: []float32{1, 1}},
	} {
		got, err := ReadFile(filepath.Join("testdata", name+".npy"))
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, %v; want %+v", name, got, err, want)
		}
	}
}

func TestOtherFilesAreErrors(t *testing.T) {
	for name, says := range map[string]string{"fortran": "Fortran", "double": "'<f4'", "empty": "1 or more", "absent": "no such file"} {
		_, err := ReadFile(filepath.Join("testdata", name+".npy"))
		if err == nil || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v, want one with %q", name, err, says)
		}
	}
	whole, err := os.ReadFile("testdata/three.npy")
	if err != nil {
		t.Fatal(err)
	}
	for n := range whole {
		if a, err := Read(bytes.NewReader(whole[:n])); err == nil {
			t.Fatalf("the first %d bytes gave %+v", n, a)
		}
	}
	file := func(dict string) []byte {
		dict += "\n"
		return append([]byte(magic+"\x01\x00"+string([]byte{byte(len(dict)), 0})), dict...)
	}
	for name, data := range map[string][]byte{
		"more bytes":    append(bytes.Clone(whole), 0),
		"text":          []byte("<html>not found</html>"),
		"version":       []byte(magic + "\x09\x00\x00\x00"),
		"long header":   []byte(magic + "\x02\x00\xff\xff\xff\xff"),
		"huge":          file("{'descr': '<f4', 'fortran_order': False, 'shape': (99999, 99999, 99999, 99999, 99999), }"),
		"huge number":   file("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999), }"),
		"pickle":        file("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }"),
		"big endian":    file("{'descr': '>f4', 'fortran_order': False, 'shape': (1,), }"),
		"code":          file("{'descr': __import__('os'), 'fortran_order': False, 'shape': (1,), }"),
		"shape of gaps": file("{'descr': '<f4', 'fortran_order': False, 'shape': (1,, 2), }"),
	} {
		a, err := Read(bytes.NewReader(data))
		if err == nil || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %+v, %v; want an error of one line", name, a, err)
		}
	}
}

func FuzzRead(f *testing.F) {
	names, err := filepath.Glob("testdata/*.npy")
	if err != nil || len(names) == 0 {
		f.Fatal(names, err)
	}
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		a, err := Read(bytes.NewReader(data))
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Fatalf("an error of several lines: %v", err)
			}
			return
		}
		n := 1
		for _, d := range a.Shape {
			n *= d
		}
		if n != len(a.Data) || 4*n > len(data) {
			t.Fatalf("shape %v, %d values of %d bytes", a.Shape, len(a.Data), len(data))
		}
	})
}

func TestBytesAreAsNumPyWritesThem(t *testing.T) {
	want, err := os.ReadFile("testdata/bytes.npy") // numpy.arange(6, dtype=uint8).reshape(2, 3)
	if err != nil {
		t.Fatal(err)
	}
	if got := append(AppendUint8Header(nil, 2, 3), 0, 1, 2, 3, 4, 5); !bytes.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	for _, shape := range [][]int{{7}, {8, 720, 1280, 3}} {
		if h := AppendUint8Header(nil, shape...); len(h)%64 != 0 || h[len(h)-1] != '\n' {
			t.Errorf("%v: a header of %d bytes", shape, len(h))
		}
	}
}
