package card

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"

	"micodata/dataset"
	"micodata/storage"
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
		{"[depth, normal]", "[depth, normal, caption]", "caption"},
		{"[depth, normal]", "depth", "line 2: task is not a list"},
		{"runner: small\n", "runner: magic\n", `runner is "magic", not one of small, dpt, geowizard`},
		{"note: \"a note\"", "foo: bar", `line 21: "foo" is not a key of the card`},
		{"    name: image", "    nom: image", `line 10: "nom" is not a key of networks.input`},
		{"note: \"a note\"", "name: again", "line 21: the card has name twice"},
		{"note: \"a note\"", `note: "\e[31mred"`, "note has control characters"},
		{"note: \"a note\"", `note: "a\u202Eb"`, "note has control characters"},
		{"licence: Apache-2.0", `licence: "Apache-2.0\nand more"`, "licence has more than one line"},
		{"licence: Apache-2.0", "licence: " + strings.Repeat("x", 501), "licence has 501 bytes"},
		{"source: tools/train_small", `source: "a\u0007"`, "source has control"},
		{"  - path: small.onnx", "  - {path: model.yaml, sha256: " + strings.Repeat("0", 64) + "}\n  - path: small.onnx", "the card itself"},
		{"path: small.onnx", "path: .", `"."`},
		{"path: small.onnx", "path: ./small.onnx", "./small.onnx"},
		{"path: small.onnx", "path: a/../small.onnx", "a/../small.onnx"},
		{"[depth, normal]", "[depth]", "normal"},
		{"- file: small.onnx", "- file: large.onnx", "large.onnx"},
		{"    depth: {name: depth, convention: near_small, kind: affine_invariant_depth}\n", "", "depth"},
		{"licence: Apache-2.0\n", twice, "2"},
		{"mode: squash-to-nearest-multiple", "mode: squash", "short_side"},
		{"short_side: 160, multiple_of: 32, mode: squash-to-nearest-multiple", "mode: squash, size: [384]", "size"},
		{"short_side: 160, multiple_of: 32, mode: squash-to-nearest-multiple", "mode: squash, size: [384, 1000000]", "size"},
		{"short_side: 160, multiple_of: 32, mode: squash-to-nearest-multiple", "mode: squash, size: [64.5, 64]", "size is not a whole number"},
		{"short_side: 160, multiple_of: 32, mode: squash-to-nearest-multiple", "mode: squash, size: [64, 1e30]", "size is not a whole number"},
		{"short_side: 160", "short_side: 160.5", "short_side is not a whole number"},
		{"short_side: 160", "short_side: 99999999999999999999", "short_side is not a whole number"},
		{"kind: affine_invariant_depth", "kind: affine_invariant_depth, clamp: [1e300, 2e300]", "clamp"},
		{"kind: affine_invariant_depth", "kind: affine_invariant_depth, clamp: [1, 1.00000000001]", "clamp"},
		{"range: [-1, 1]", "range: [-1.7e308, 1.7e308]", "range"},
		{"range: [-1, 1]", "range: [0, 1e-320]", "range"},
		{"range: [-1, 1]", "range: [-1, a]", "range is not a number"},
		{"mean: [0.45, 0.43, 0.41]", "mean: [123.6, 116.2, 103.5]", "mean"},
		{"mean: [0.45, 0.43, 0.41]", "mean: {a: 1}", "line 13: networks.input.mean is not a list"},
		{"std: [0.27, 0.27, 0.28]", "std: [1e-300, 1, 1]", "std"},
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
	for _, c := range []struct{ data, says string }{
		{"", "it is empty"},
		{"# words\n", "it is empty"},
		{"~", "it is empty"},
		{"\xff\x00\x01", ""},
		{strings.Repeat("x", maxBytes+1), "more than"},
		{"- a", "line 1: the card is not a section of keys and values"},
		{"metrics: {a: &a [1, 2], b: {[3]: 4}}", "key that is not a text"},
		{"metrics: &a [*a, *a]", "metrics is not a section"},
		{"files: &a [*a, *a]", "files is not a section"},
		{"networks: [" + strings.Repeat("*a,", 400) + "]\nmetrics: {a: &a {input: {mean: [" + strings.Repeat("1,", 400) + "]}}}", ""},
		{"metrics: {a: &a {input: {mean: [" + strings.Repeat("1,", 400) + "]}}}\nnetworks: [" + strings.Repeat("*a,", 400) + "]", "more than 100000 values"},
	} {
		_, err := Parse([]byte(c.data))
		if err == nil || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "!!") || strings.Contains(err.Error(), "yaml:") {
			t.Errorf("%.60q: got %v, want an error with %q", c.data, err, c.says)
		}
	}
}

func hash(data string) string {
	sum := sha256.Sum256([]byte(data))
	return hex.EncodeToString(sum[:])
}

// cardOf is the good card under a name, for a network.
func cardOf(name, network string) string {
	text := strings.Replace(good, "name: small\n", "name: "+name+"\n", 1)
	return strings.Replace(text, "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", hash(network), 1)
}

// model writes a model of a name into dir.
func model(t *testing.T, dir, name, text, network string) {
	t.Helper()
	folder := filepath.Join(dir, name)
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	for file, content := range map[string]string{FileName: text, "small.onnx": network} {
		if err := os.WriteFile(filepath.Join(folder, file), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func TestFindAndVerify(t *testing.T) {
	first, second := t.TempDir(), t.TempDir()
	file := filepath.Join(second, "a file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	dirs := []string{filepath.Join(first, "absent"), file, first, second}
	var none *NoModelError
	if _, err := Find("small", dirs); !errors.As(err, &none) || !strings.Contains(err.Error(), "none is there") {
		t.Errorf("no model: got %v", err)
	}
	model(t, second, "small", cardOf("small", network()), network())
	model(t, second, "other", cardOf("other", network()), network())
	c, err := Find("small", dirs)
	if err != nil || c.Dir != filepath.Join(second, "small") {
		t.Fatalf("got %+v, %v", c, err)
	}
	if err := c.Verify(context.Background()); err != nil {
		t.Error(err)
	}
	model(t, first, "small", cardOf("small", network()), network())
	if c, err = Find("small", dirs); err != nil || c.Dir != filepath.Join(first, "small") {
		t.Errorf("the first folder must win: got %+v, %v", c, err)
	}
	if _, err := Find("dpt", dirs); !errors.As(err, &none) || !strings.Contains(err.Error(), "there are other, small") {
		t.Errorf("another: got %v", err)
	}
	var misnamed *NameError
	for _, name := range []string{"../small", "", "Small", "a b"} {
		if _, err := Find(name, dirs); !errors.As(err, &misnamed) {
			t.Errorf("%q: got %v", name, err)
		}
	}

	var bad *FileError
	changed := filepath.Join(first, "small", "small.onnx")
	if err := os.WriteFile(changed, []byte("tess"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := c.Verify(context.Background()); !errors.As(err, &bad) || !strings.Contains(err.Error(), "sha256") {
		t.Errorf("a changed file: got %v", err)
	}
	model(t, first, "broken", "name: [", "")
	list := List(dirs)
	var names []string
	for _, l := range list {
		names = append(names, l.Name)
	}
	if !reflect.DeepEqual(names, []string{"broken", "other", "small"}) || list[0].Err == nil || list[2].Card.Dir != c.Dir {
		t.Errorf("list %+v", list)
	}
	var wrong *Error
	model(t, first, "moved", good, "")
	model(t, first, "Upper", good, "")
	if _, err := Find("moved", dirs); !errors.As(err, &wrong) || !strings.Contains(err.Error(), `of "small"`) {
		t.Errorf("a card in a folder of another name: got %v", err)
	}
	if l := List(dirs)[0]; l.Name != "Upper" || !errors.As(l.Err, &wrong) {
		t.Errorf("a folder that no model can have: got %+v", l)
	}
}

// Pipes and devices would hang, or never end.
func TestOnlyRegularFilesAreRead(t *testing.T) {
	dir := t.TempDir()
	model(t, dir, "small", cardOf("small", network()), network())
	c, err := Find("small", []string{dir})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"small.onnx", FileName} {
		path := filepath.Join(dir, "small", name)
		if err := errors.Join(os.Remove(path), syscall.Mkfifo(path, 0o600)); err != nil {
			t.Fatal(err)
		}
		var bad *FileError
		if err := c.Verify(context.Background()); !errors.As(err, &bad) || !strings.Contains(err.Error(), "no regular file") {
			t.Errorf("%s is a pipe: got %v", name, err)
		}
	}
	var wrong *Error
	if _, err := Find("small", []string{dir}); !errors.As(err, &wrong) || !strings.Contains(err.Error(), "no regular file") {
		t.Errorf("the card is a pipe: got %v", err)
	}
	loop := filepath.Join(dir, "loop", FileName)
	if err := errors.Join(os.Mkdir(filepath.Dir(loop), 0o755), os.Symlink(FileName, loop)); err != nil {
		t.Fatal(err)
	}
	var store *storage.Error
	if _, err := Find("loop", []string{dir}); !errors.As(err, &store) || !strings.Contains(err.Error(), loop) {
		t.Errorf("a card that can't be read: got %v", err)
	}
}

func TestInstall(t *testing.T) {
	ctx, from, to := context.Background(), t.TempDir(), filepath.Join(t.TempDir(), "models")
	model(t, from, "small", cardOf("small", network()), network())
	c, err := Find("small", []string{from})
	if err != nil {
		t.Fatal(err)
	}

	// One was killed, and one is at work.
	if err := os.MkdirAll(filepath.Join(to, ".add.dead", "small"), 0o755); err != nil {
		t.Fatal(err)
	}
	alive, err := storage.CreateTemp(to, "add")
	if err != nil {
		t.Fatal(err)
	}
	defer alive.Close()
	if err := os.MkdirAll(filepath.Join(unfinished(alive.Name()), "other"), 0o755); err != nil {
		t.Fatal(err)
	}

	copied, err := c.Install(ctx, to)
	if err != nil || copied.Dir != filepath.Join(to, "small") {
		t.Fatalf("got %+v, %v", copied, err)
	}
	if found, err := Find("small", []string{to}); err != nil || found.Verify(ctx) != nil {
		t.Errorf("got %+v, %v", found, err)
	}
	want := []string{filepath.Base(unfinished(alive.Name())), filepath.Base(alive.Name()), "small"}
	if got := namesIn(t, to); !reflect.DeepEqual(got, want) {
		t.Errorf("there are %q, want %q", got, want)
	}
	if _, err := c.Install(ctx, to); !errors.Is(err, ErrThere) {
		t.Errorf("again: got %v", err)
	}

	// What goes wrong leaves nothing, and names the file at fault.
	empty := t.TempDir()
	var store *storage.Error
	if _, err := c.Install(ctx, filepath.Join(from, "small", FileName)); !errors.As(err, &store) || !errors.Is(err, syscall.ENOTDIR) {
		t.Errorf("into a file: got %v", err)
	}
	if err := os.WriteFile(filepath.Join(from, "small", "small.onnx"), []byte("tess"), 0o644); err != nil {
		t.Fatal(err)
	}
	var bad *FileError
	if _, err := c.Install(ctx, empty); !errors.As(err, &bad) || !strings.Contains(err.Error(), from) {
		t.Errorf("a changed file: got %v", err)
	}
	if got := namesIn(t, empty); len(got) > 0 {
		t.Errorf("left %q", got)
	}
}

// Of several that add one model at once, one does.
func TestInstallRace(t *testing.T) {
	from, to := t.TempDir(), t.TempDir()
	model(t, from, "small", cardOf("small", network()), network())
	c, err := Find("small", []string{from})
	if err != nil {
		t.Fatal(err)
	}
	results := make(chan error, 8)
	for range cap(results) {
		go func() {
			_, err := c.Install(context.Background(), to)
			results <- err
		}()
	}
	added := 0
	for range cap(results) {
		switch err := <-results; {
		case err == nil:
			added++
		case !errors.Is(err, ErrThere):
			t.Error(err)
		}
	}
	if got := namesIn(t, to); added != 1 || !reflect.DeepEqual(got, []string{"small"}) {
		t.Errorf("%d added, there are %q", added, got)
	}
}

func namesIn(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
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
		if strings.ContainsAny(c.Name, "/\\") || c.Licence == "" || len(c.Files) == 0 && c.Get == "" {
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
