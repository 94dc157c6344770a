package pseudolabel

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const cardText = `name: %s
task: [depth, normal]
runner: small
files: [{path: %s, sha256: %x}]
networks:
- file: %s
  input:
    {name: image, layout: NCHW, color: RGB, mean: [0, 0, 0], std: [1, 1, 1],
     resize: {short_side: 64, multiple_of: 32, mode: squash-to-nearest-multiple, filter: bilinear-antialias}}
  outputs:
    depth: {name: depth, convention: near_small, kind: affine_invariant_depth}
    normal: {name: normal, axes: opencv, range: [-1, 1]}
licence: Apache-2.0
note: a test
`

// install puts a network of testdata into a folder of models, with a card in
// which changes, pairs of old and new text, are made.
func install(t *testing.T, dir, name string, changes ...string) {
	t.Helper()
	network, err := os.ReadFile(filepath.Join("testdata", name+".onnx"))
	if err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf(cardText, name, name+".onnx", sha256.Sum256(network), name+".onnx")
	for i := 0; i < len(changes); i += 2 {
		if !strings.Contains(text, changes[i]) {
			t.Fatalf("%q is not in the card", changes[i])
		}
		text = strings.Replace(text, changes[i], changes[i+1], 1)
	}
	folder := filepath.Join(dir, name)
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	for file, data := range map[string][]byte{name + ".onnx": network, "model.yaml": []byte(text)} {
		if err := os.WriteFile(filepath.Join(folder, file), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// testDevice is where the tests run models: the CPU, unless TEST_DEVICE names
// another (make test-gpu).
func testDevice() string { return cmp.Or(os.Getenv("TEST_DEVICE"), "cpu") }

// open installs a network and opens it.
func open(t *testing.T, o Options, changes ...string) Geometer {
	t.Helper()
	dir := t.TempDir()
	install(t, dir, o.Model, changes...)
	o.ModelDirs, o.Device = []string{dir}, testDevice()
	return mustOpen(t, o)
}

// mustOpen opens a model for the length of a test.
func mustOpen(t *testing.T, o Options) Geometer {
	t.Helper()
	g, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := g.Close(); err != nil {
			t.Error(err)
		}
	})
	return g
}

// jpegOf draws a picture. Quality 100 keeps smooth ones to a level or two.
func jpegOf(t testing.TB, w, h int, at func(x, y int) color.Color) []byte {
	t.Helper()
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			img.Set(x, y, at(x, y))
		}
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, &jpeg.Options{Quality: 100}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func grey(v int) color.Color { return color.Gray{uint8(v)} }

// ramp is black on the left and white on the right.
func ramp(t testing.TB, w, h int) []byte {
	return jpegOf(t, w, h, func(x, _ int) color.Color { return grey(255 * x / (w - 1)) })
}

// label labels pictures, each as a clip of its own.
func label(t *testing.T, g Geometer, jpegs ...[]byte) []Geometry {
	t.Helper()
	clips := make([][][]byte, len(jpegs))
	for i, data := range jpegs {
		clips[i] = [][]byte{data}
	}
	var maps []Geometry
	for _, of := range labelClips(t, g, clips...) {
		maps = append(maps, of...)
	}
	return maps
}

// labelClips labels clips of pictures, which are called p0, p1 and so on.
func labelClips(t *testing.T, g Geometer, clips ...[][]byte) [][]Geometry {
	t.Helper()
	pictures := make([][]Picture, len(clips))
	n := 0
	for i, jpegs := range clips {
		for _, data := range jpegs {
			pictures[i] = append(pictures[i], Picture{Key: fmt.Sprintf("p%d", n), Data: data})
			n++
		}
	}
	maps := make([][]Geometry, len(clips))
	var all sync.WaitGroup
	for i, of := range pictures {
		all.Go(func() {
			var err error
			if maps[i], err = g.Label(t.Context(), of); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	for i := range maps {
		if len(maps[i]) != len(clips[i]) {
			t.Fatalf("%d maps of %d pictures", len(maps[i]), len(clips[i]))
		}
	}
	return maps
}

func decodeDepth(t *testing.T, data []byte) *image.Gray16 {
	t.Helper()
	img, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	depth, ok := img.(*image.Gray16)
	if !ok {
		t.Fatalf("depth is %T, want 16-bit gray", img)
	}
	return depth
}

// decodeNormal returns the vectors and their picture's size.
func decodeNormal(t *testing.T, data []byte) ([][3]float64, image.Point) {
	t.Helper()
	img, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	rgba, ok := img.(*image.RGBA) // what image/png makes of 8-bit RGB
	if !ok {
		t.Fatalf("normal is %T, want 8-bit RGB", img)
	}
	var n [][3]float64
	for i := 0; i < len(rgba.Pix); i += 4 {
		var v [3]float64
		for c := range v {
			v[c] = 2*float64(rgba.Pix[i+c])/255 - 1
		}
		n = append(n, v)
	}
	return n, img.Bounds().Size()
}

func hash(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:8])
}
