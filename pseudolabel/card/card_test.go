package card

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"micodata/dataset"
)

const good = `name: small
task: [depth, normal]
runner: small
files:
  - path: small.onnx
    sha256: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
networks:
- file: small.onnx
  input:
    name: image
    layout: NCHW
    color: RGB
    mean: [0.45, 0.43, 0.41]
    std: [0.27, 0.27, 0.28]
    resize: {short_side: 160, multiple_of: 32, mode: squash-to-nearest-multiple, filter: bilinear-antialias}
  outputs:
    depth: {name: depth, convention: near_small, kind: affine_invariant_depth}
    normal: {name: normal, axes: opencv, range: [-1, 1]}
licence: Apache-2.0
source: tools/train_small
note: "a note"
metrics: {absrel: 0.3, deep: {er: [1]}}
training: {seed: 7}
`

// twice is a second network with normals.
const twice = `- file: small.onnx
  input: {name: image, layout: NCHW, color: RGB, mean: [0, 0, 0], std: [1, 1, 1], resize: {mode: squash, size: [384, 384], filter: bilinear-antialias}}
  outputs: {normal: {name: normal, axes: opencv, range: [-1, 1]}}
licence: Apache-2.0
`

func TestParse(t *testing.T) {
	got, err := Parse([]byte(good))
	if err != nil {
		t.Fatal(err)
	}
	want := &Card{
		Name: "small", Tasks: []string{"depth", "normal"}, Runner: "small",
		Files: []File{{"small.onnx", "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"}},
		Networks: []Network{{
			File: "small.onnx",
			Input: Input{Name: "image", Layout: "NCHW", Color: "RGB", Mean: []float64{.45, .43, .41}, Std: []float64{.27, .27, .28},
				Resize: Resize{Mode: SquashToMultiple, Filter: Bilinear, ShortSide: 160, MultipleOf: 32}},
			Outputs: Outputs{
				Depth:  &DepthOutput{Name: "depth", Convention: NearSmall, Kind: dataset.AffineInvariantDepth},
				Normal: &NormalOutput{Name: "normal", Axes: OpenCV, Range: []float64{-1, 1}},
			},
		}},
		Licence: "Apache-2.0", Source: "tools/train_small", Note: "a note",
		Metrics:  map[string]any{"absrel": .3, "deep": map[string]any{"er": []any{1}}},
		Training: map[string]any{"seed": 7},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
}

// Every change of the good card below must be refused, with words that lead to
// the line at fault.
func TestParseRefuses(t *testing.T) {
	for _, c := range []struct{ old, new, says string }{
		{"note:", "notes:", "notes"},
		{"name: small\n", "name: ../small\n", "../small"},
		{"name: small\n", "", "name"},
		{"runner: small\n", "", "runner"},
		{"licence: Apache-2.0\n", "", "licence is missing"},
		{"[depth, normal]", "[]", "task"},
		{"[depth, normal]", "[depth, depth]", "twice"},
		{"[depth, normal]", "[depth, colour]", "colour"},
		{"[depth, normal]", "[depth]", "normal"},
		{"- file: small.onnx", "- file: large.onnx", "large.onnx"},
		{"    depth: {name: depth, convention: near_small, kind: affine_invariant_depth}\n", "", "depth"},
		{"licence: Apache-2.0\n", twice, "2"},
		{"mode: squash-to-nearest-multiple", "mode: squash", "short_side"},
		{"short_side: 160, multiple_of: 32, mode: squash-to-nearest-multiple", "mode: squash, size: [384]", "size"},
		{"short_side: 160, multiple_of: 32, mode: squash-to-nearest-multiple", "mode: squash, size: [384, 1000000]", "size"},
		{"short_side: 160,", "short_side: 160, size: [1, 1],", "size"},
		{"axes: opencv,", "axes: opencv, clamp: [0, 0],", "clamp"},
		{"kind: affine_invariant_depth", "kind: affine_invariant_depth, clamp: [1]", "clamp"},
		{"[depth, normal]", "[depth, normal, asr]\ntask: [asr]", "task"},
		{"path: small.onnx", "path: ../small.onnx", "../small.onnx"},
		{"path: small.onnx", "path: /etc/passwd", "/etc/passwd"},
		{"sha256: 9f", "sha256: 9F", "sha256"},
		{"layout: NCHW", "layout: NHWC", "NHWC"},
		{"color: RGB", "color: BGR", "BGR"},
		{"mean: [0.45, 0.43, 0.41]", "mean: [0.45]", "mean"},
		{"mean: [0.45, 0.43, 0.41]", "mean: [.nan, 0, 0]", "mean"},
		{"std: [0.27, 0.27, 0.28]", "std: [0, 1, 1]", "std"},
		{"short_side: 160", "short_side: 16", "short_side"},
		{"short_side: 160", "short_side: 1000000", "short_side"},
		{"multiple_of: 32", "multiple_of: 0", "multiple_of"},
		{"filter: bilinear-antialias", "filter: nearest", "nearest"},
		{"convention: near_small, ", "", "convention is missing"},
		{"kind: affine_invariant_depth", "kind: inverse_depth", "contradicts"},
		{"convention: near_small", "convention: near_large", "contradicts"},
		{", kind: affine_invariant_depth", "", "kind is missing"},
		{"axes: opencv, ", "", "axes is missing"},
		{"axes: opencv", "axes: guess", "guess"},
		{"range: [-1, 1]", "range: [1, -1]", "range"},
		{", range: [-1, 1]", "", "range"},
		{"training: {seed: 7}\n", "---\nname: x\n", "more than one"},
	} {
		text := strings.Replace(good, c.old, c.new, 1)
		if text == good {
			t.Fatalf("%q is not in the good card", c.old)
		}
		if _, err := Parse([]byte(text)); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%q for %q: got %v, want an error with %q", c.new, c.old, err, c.says)
		}
	}
	for name, data := range map[string][]byte{"empty": nil, "binary": {0xff, 0, 1}, "huge": make([]byte, maxBytes+1), "list": []byte("- a")} {
		if _, err := Parse(data); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// model writes a model of a name into dir; its file's text is "test", whose
// checksum the good card has.
func model(t *testing.T, dir, name, text string) {
	t.Helper()
	folder := filepath.Join(dir, name)
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	for file, content := range map[string]string{FileName: text, "small.onnx": "test"} {
		if err := os.WriteFile(filepath.Join(folder, file), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func TestFindAndVerify(t *testing.T) {
	first, second := t.TempDir(), t.TempDir()
	dirs := []string{filepath.Join(first, "absent"), first, second}
	var none *NoModelError
	if _, err := Find("small", dirs); !errors.As(err, &none) || !strings.Contains(err.Error(), "none is there") {
		t.Errorf("no model: got %v", err)
	}
	model(t, second, "small", good)
	model(t, second, "other", strings.Replace(good, "name: small", "name: other", 1))
	c, err := Find("small", dirs)
	if err != nil || c.Dir != filepath.Join(second, "small") {
		t.Fatalf("got %+v, %v", c, err)
	}
	if err := c.Verify(context.Background()); err != nil {
		t.Error(err)
	}
	model(t, first, "small", good)
	if c, err = Find("small", dirs); err != nil || c.Dir != filepath.Join(first, "small") {
		t.Errorf("the first folder must win: got %+v, %v", c, err)
	}
	for _, name := range []string{"dpt", "../small", ""} {
		if _, err := Find(name, dirs); !errors.As(err, &none) || !strings.Contains(err.Error(), "there are other, small") {
			t.Errorf("%q: got %v", name, err)
		}
	}

	if err := os.WriteFile(filepath.Join(first, "small", "small.onnx"), []byte("tess"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := c.Verify(context.Background()); err == nil || !strings.Contains(err.Error(), "sha256") {
		t.Errorf("a changed file: got %v", err)
	}
	model(t, first, "broken", "name: [")
	list := List(dirs)
	var names []string
	for _, l := range list {
		names = append(names, l.Name)
	}
	if !reflect.DeepEqual(names, []string{"broken", "other", "small"}) || list[0].Err == nil || list[2].Card.Dir != c.Dir {
		t.Errorf("list %+v", list)
	}
	model(t, first, "moved", good)
	if _, err := Find("moved", dirs); err == nil || !strings.Contains(err.Error(), `of "small"`) {
		t.Errorf("a card in a folder of another name: got %v", err)
	}
}

func TestWeightsOfSeveralFiles(t *testing.T) {
	a := File{"a.onnx", strings.Repeat("a", 64)}
	b := File{"b.onnx", strings.Repeat("b", 64)}
	one := (&Card{Files: []File{a}}).WeightsSHA256()
	if one != a.SHA256 {
		t.Errorf("one file: %s", one)
	}
	two, swapped := (&Card{Files: []File{a, b}}).WeightsSHA256(), (&Card{Files: []File{b, a}}).WeightsSHA256()
	if two == swapped || len(two) != 64 {
		t.Errorf("two files: %s and %s", two, swapped)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(good))
	f.Add([]byte("a: &a [*a, *a]\nmetrics: *a"))
	f.Add([]byte("metrics: {? [1]: 2}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := Parse(data)
		if err != nil {
			return
		}
		// What was accepted must be safe to use: names and paths stay inside.
		if strings.ContainsAny(c.Name, "/\\") || c.Licence == "" || len(c.Files) == 0 {
			t.Errorf("accepted %+v", c)
		}
		c.Dir = "/models/x"
		for _, file := range c.Files {
			if !strings.HasPrefix(c.FilePath(file), "/models/x") {
				t.Errorf("file %q leads to %s", file.Path, c.FilePath(file))
			}
		}
		if n := c.Network(Depth); n != nil && (n.Outputs.Depth.Convention == "" || n.Outputs.Depth.Kind == "") {
			t.Errorf("depth without a convention: %+v", n)
		}
	})
}
