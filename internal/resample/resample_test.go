package resample

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"testing"
)

var kernels = map[string]Kernel{"bilinear": Bilinear, "bicubic": Bicubic, "bicubic-opencv": BicubicOpenCV}

// golden is what a library made of noise (testdata/make_golden.py).
type golden struct {
	Library, Kernel string
	Size            [4]int // width and height of the source, then of the result
	Out             []byte // bytes of Pillow's, little-endian float32 of the others'
	SHA256          string // instead of Out, where that is large
}

func (g golden) String() string { return fmt.Sprint(g.Library, " ", g.Kernel, " ", g.Size) }

func goldens(t *testing.T, library string) []golden {
	t.Helper()
	f, err := os.Open("testdata/golden.json.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	text, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	var all struct{ Cases []golden }
	if err := json.NewDecoder(text).Decode(&all); err != nil {
		t.Fatal(err)
	}
	var some []golden
	for _, g := range all.Cases {
		if g.Library == library {
			some = append(some, g)
		}
	}
	if len(some) < 30 {
		t.Fatalf("%d goldens of %s", len(some), library)
	}
	return some
}

func noise(n int) []uint32 {
	out, x := make([]uint32, n), uint32(1)
	for i := range out {
		x = x*1664525 + 1013904223
		out[i] = x
	}
	return out
}

func noiseRGB(w, h int) []byte {
	out := make([]byte, 3*w*h)
	for i, v := range noise(len(out)) {
		out[i] = byte(v >> 24)
	}
	return out
}

func noiseFloat(w, h int) []float32 {
	out := make([]float32, w*h)
	for i, v := range noise(len(out)) {
		out[i] = float32(v>>8) / (1 << 24)
	}
	return out
}

func TestRGBIsPillowToTheBit(t *testing.T) {
	for _, g := range goldens(t, "pillow") {
		sw, sh, dw, dh := g.Size[0], g.Size[1], g.Size[2], g.Size[3]
		dst := make([]byte, 3*dw*dh)
		RGB(dst, dw, dh, noiseRGB(sw, sh), sw, sh, kernels[g.Kernel])
		if sum := sha256.Sum256(dst); g.SHA256 != "" {
			if hex.EncodeToString(sum[:]) != g.SHA256 {
				t.Errorf("%v differs", g)
			}
			continue
		}
		if len(g.Out) != len(dst) {
			t.Fatalf("%v: the golden has %d values", g, len(g.Out))
		}
		if !bytes.Equal(dst, g.Out) {
			t.Errorf("%v\ngot  %v\nwant %v", g, dst, g.Out)
		}
	}
}

// The libraries have weights and sums in float32: 2^-24 a term of up to 1.5, and an
// output has up to some hundred. Seen: 1.3e-6 (PyTorch), 1.8e-7 (OpenCV).
const floatBound = 2e-6

func TestFloatIsPyTorchAndOpenCV(t *testing.T) {
	for _, library := range []string{"pytorch", "opencv"} {
		worst := 0.
		for _, g := range goldens(t, library) {
			sw, sh, dw, dh := g.Size[0], g.Size[1], g.Size[2], g.Size[3]
			dst := make([]float32, dw*dh)
			Float(dst, dw, dh, noiseFloat(sw, sh), sw, sh, kernels[g.Kernel], library == "pytorch")
			err := distance(t, dst, g.Out)
			if worst = max(worst, err); !(err <= floatBound) {
				t.Errorf("%v: off by %g", g, err)
			}
		}
		t.Logf("%s: at most %.2g off", library, worst)
	}
}

func distance(t *testing.T, got []float32, want []byte) float64 {
	t.Helper()
	if len(want) != 4*len(got) {
		t.Fatalf("%d values, the golden has %d bytes", len(got), len(want))
	}
	worst := 0.
	for i, v := range got {
		w := math.Float32frombits(binary.LittleEndian.Uint32(want[4*i:]))
		worst = max(worst, math.Abs(float64(v)-float64(w)))
	}
	return worst
}

// Each of the wrong filters that would still give a plausible picture fails the
// comparison that the right one passes.
func TestOtherFiltersDiffer(t *testing.T) {
	for library, wrong := range map[string][]struct {
		k         Kernel
		antialias bool
	}{
		"pytorch": {{BicubicOpenCV, true}, {Bicubic, false}, {BicubicOpenCV, false}, {Bilinear, true}},
		"opencv":  {{Bicubic, false}, {BicubicOpenCV, true}, {Bilinear, false}},
	} {
		for _, g := range goldens(t, library) {
			if g.Kernel == "bilinear" || g.Size != [4]int{37, 23, 17, 29} {
				continue
			}
			for _, c := range wrong {
				dst := make([]float32, 17*29)
				Float(dst, 17, 29, noiseFloat(37, 23), 37, 23, c.k, c.antialias)
				if err := distance(t, dst, g.Out); err < 100*floatBound {
					t.Errorf("%v: kernel %d, antialias %v is only %g off", g, c.k, c.antialias, err)
				}
			}
		}
	}
}

func TestFlatStaysFlat(t *testing.T) {
	const sw, sh = 37, 23
	src, flat := make([]byte, 3*sw*sh), make([]float32, sw*sh)
	for i := range src {
		src[i] = 201
	}
	for i := range flat {
		flat[i] = 0.3
	}
	for name, k := range kernels {
		for _, size := range [][2]int{{1, 1}, {5, 90}, {90, 5}, {sw, 7}, {224, 224}} {
			dst, rgb := make([]float32, size[0]*size[1]), make([]byte, 3*size[0]*size[1])
			for _, antialias := range []bool{false, true} {
				Float(dst, size[0], size[1], flat, sw, sh, k, antialias)
				for i, v := range dst {
					if v != 0.3 {
						t.Fatalf("%s to %v, antialias %v: value %d is %v", name, size, antialias, i, v)
					}
				}
			}
			RGB(rgb, size[0], size[1], src, sw, sh, k)
			for i, v := range rgb {
				if v != 201 {
					t.Fatalf("%s to %v: value %d is %v", name, size, i, v)
				}
			}
		}
	}
}

func TestWrongLengthsPanic(t *testing.T) {
	for name, call := range map[string]func(){
		"short dst": func() { RGB(make([]byte, 11), 2, 2, make([]byte, 3), 1, 1, Bilinear) },
		"long src":  func() { Float(make([]float32, 4), 2, 2, make([]float32, 2), 1, 1, Bilinear, true) },
		"no pixels": func() { Float(nil, 0, 0, make([]float32, 1), 1, 1, Bilinear, true) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: accepted", name)
				}
			}()
			call()
		}()
	}
}

func BenchmarkRGB(b *testing.B) {
	for _, c := range []struct {
		name           string
		sw, sh, dw, dh int
	}{{"1080p-768x448", 1920, 1080, 768, 448}, {"360p-768x448", 640, 360, 768, 448}, {"1080p-384x384", 1920, 1080, 384, 384}} {
		src, dst := noiseRGB(c.sw, c.sh), make([]byte, 3*c.dw*c.dh)
		for name, k := range map[string]Kernel{"bilinear": Bilinear, "bicubic": Bicubic} {
			b.Run(c.name+"-"+name, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					RGB(dst, c.dw, c.dh, src, c.sw, c.sh, k)
				}
			})
		}
	}
}

func BenchmarkFloat(b *testing.B) {
	src, dst := noiseFloat(768, 448), make([]float32, 224*224)
	b.ReportAllocs()
	for b.Loop() {
		Float(dst, 224, 224, src, 768, 448, Bicubic, true)
	}
}
