package pseudolabel

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"image"
	"image/color"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"micodata/dataset"
	"micodata/gpu"
	"micodata/internal/npy"
	"micodata/pseudolabel/card"
	"micodata/pseudolabel/geowizard"
)

// The network colours gives depth = 2 + 3 red: the ramp's depth is known.
func TestDepthOfAKnownPicture(t *testing.T) {
	const w, h = 330, 190
	inverse := []string{"near_small", "near_large", "affine_invariant_depth", "inverse_depth"}
	for _, c := range []struct {
		kind             string
		changes          []string
		near, far        float64
		leftmost, rightm uint16
	}{
		{dataset.AffineInvariantDepth, nil, 2, 5, 0, 65535},
		{dataset.InverseDepth, inverse, 5, 2, 65535, 0},
	} {
		g := open(t, Options{Model: "colours"}, c.changes...)
		got := label(t, g, ramp(t, w, h))[0]
		if got.Err != nil {
			t.Fatal(got.Err)
		}
		if g.Model().DepthKind != c.kind {
			t.Errorf("kind %s, want %s", g.Model().DepthKind, c.kind)
		}
		near, far := float64(got.DepthMin), float64(got.DepthMax)
		if math.Abs(near-c.near) > .05 || math.Abs(far-c.far) > .05 {
			t.Errorf("%s: from %v to %v, want about %v to %v", c.kind, near, far, c.near, c.far)
		}
		img := decodeDepth(t, got.Depth)
		if img.Bounds().Size() != image.Pt(w, h) {
			t.Fatalf("size %v", img.Bounds().Size())
		}
		if l, r := img.Gray16At(0, 90).Y, img.Gray16At(w-1, 90).Y; l != c.leftmost || r != c.rightm {
			t.Errorf("%s: left %d, right %d; want %d, %d", c.kind, l, r, c.leftmost, c.rightm)
		}
		for y := range h {
			for x := range w {
				value := near + float64(img.Gray16At(x, y).Y)/65535*(far-near)
				if want := 2 + 3*float64(x)/(w-1); math.Abs(value-want) > .05 {
					t.Fatalf("%s: depth at %d,%d is %v, want %v", c.kind, x, y, value, want)
				}
			}
		}
	}
}

// The network gives a picture of normals back: which way they point must
// survive decoding, resizing, the network and storing.
func TestNormalsOfAKnownPicture(t *testing.T) {
	want := [3]float64{-.6, .48, -.64}
	encode := func(x, y, z float64) color.Color {
		level := func(v float64) uint8 { return uint8(math.Round((v + 1) / 2 * 255)) }
		return color.RGBA{level(x), level(y), level(z), 255}
	}
	for axes, c := range map[string]color.Color{
		card.OpenCV: encode(-.6, .48, -.64), card.OpenGL: encode(-.6, -.48, .64), card.GeoWizard: encode(.6, -.48, .64),
	} {
		g := open(t, Options{Model: "colours"}, "axes: opencv", "axes: "+axes)
		got := label(t, g, jpegOf(t, 100, 75, func(int, int) color.Color { return c }))[0]
		if got.Err != nil {
			t.Fatal(got.Err)
		}
		vectors, size := decodeNormal(t, got.Normal)
		if size != image.Pt(100, 75) {
			t.Errorf("size %v", size)
		}
		for _, v := range vectors {
			dot := v[0]*want[0] + v[1]*want[1] + v[2]*want[2]                               // want has length 1
			if length := math.Sqrt(v[0]*v[0] + v[1]*v[1] + v[2]*v[2]); dot/length < .9998 { // 1.1 degrees
				t.Fatalf("%s: got %v, want %v", axes, v, want)
			}
		}
	}
}

func TestNetworkSize(t *testing.T) {
	r := card.Resize{Mode: card.SquashToMultiple, ShortSide: 160, MultipleOf: 32}
	for size, want := range map[image.Point]image.Point{
		{1280, 720}: {288, 160}, {720, 1280}: {160, 288}, {160, 160}: {160, 160}, {640, 272}: {384, 160}, {64, 48}: {224, 160},
		{240, 160}: {256, 160}, {208, 160}: {192, 160}, // 7.5 and 6.5: halves to even
		{16000, 16}: {1280, 160}, {1, 65535}: {160, 1280},
	} {
		if got := networkSize(size, &r); got != want {
			t.Errorf("%v becomes %v, want %v", size, got, want)
		}
	}
	// Of a card the height comes first.
	if got := networkSize(image.Pt(1280, 720), &card.Resize{Mode: card.Squash, Size: []int{384, 672}}); got != image.Pt(672, 384) {
		t.Errorf("a picture becomes %v, want 672 x 384", got)
	}
}

func TestOnePictureFailsAlone(t *testing.T) {
	bright := jpegOf(t, 64, 64, func(x, _ int) color.Color { return grey(150 + x) })
	dark := jpegOf(t, 64, 64, func(x, _ int) color.Color { return grey(x) })
	g := open(t, Options{Model: "root", BatchSize: 4, MaxPixels: 64 * 64},
		"[depth, normal]", "[depth]", "    normal: {name: normal, axes: opencv, range: [-1, 1]}\n", "")
	got := label(t, g, bright, dark, nil, bright[:len(bright)/2], ramp(t, 65, 64), []byte("GIF89a"), bright)
	for i, want := range []dataset.Class{"", dataset.Labeler, dataset.Corrupt, dataset.Corrupt, dataset.TooLarge, dataset.Corrupt, ""} {
		if want == "" {
			if got[i].Err != nil || decodeDepth(t, got[i].Depth).Bounds().Size() != image.Pt(64, 64) || got[i].Normal != nil {
				t.Errorf("picture %d: %v, %d bytes of normals", i, got[i].Err, len(got[i].Normal))
			}
			continue
		}
		failed, ok := dataset.AsItem(got[i].Err)
		if !ok || failed.Class != want || !strings.Contains(got[i].Err.Error(), fmt.Sprintf("p%d", i)) || got[i].Depth != nil {
			t.Errorf("picture %d: got %v, want class %s", i, got[i].Err, want)
		}
	}
}

// The depth maps of a clip have one range, whose ends are the nearest and the
// farthest of all its pictures; clips beside it have their own. The network gives
// depth = 2 + 3 red.
func TestAClipHasOneRange(t *testing.T) {
	flat := func(v int) []byte { return jpegOf(t, 96, 64, func(int, int) color.Color { return grey(v) }) }
	left := func(v int) []byte {
		return jpegOf(t, 64, 96, func(x, _ int) color.Color { return grey(v * min(x, 40) / 40) })
	}
	clip := [][]byte{flat(51), left(102), nil, flat(204)} // depth 2.6, 2 to 3.2, none, 4.4
	for _, c := range []struct {
		changes   []string
		near, far float64
	}{
		{nil, 2, 4.4},
		{[]string{"near_small", "near_large", "affine_invariant_depth", "inverse_depth"}, 4.4, 2},
	} {
		g := open(t, Options{Model: "colours", BatchSize: 2, Workers: 2}, c.changes...)
		got := labelClips(t, g, [][]byte{ramp(t, 96, 64)}, clip, [][]byte{flat(51), flat(51)}, nil)
		if failed, ok := dataset.AsItem(got[1][2].Err); !ok || failed.Class != dataset.Corrupt {
			t.Errorf("a picture that is none: %v", got[1][2].Err)
		}
		for i, want := range map[int][2]float64{0: {2.6, 2.6}, 1: {2, 3.2}, 3: {4.4, 4.4}} {
			g := got[1][i]
			if g.Err != nil {
				t.Fatal(g.Err)
			}
			near, far := float64(g.DepthMin), float64(g.DepthMax)
			if math.Abs(near-c.near) > .05 || math.Abs(far-c.far) > .05 {
				t.Errorf("picture %d: from %v to %v, want about %v to %v", i, near, far, c.near, c.far)
			}
			img := decodeDepth(t, g.Depth)
			lo, hi := math.Inf(1), math.Inf(-1)
			for y := range img.Rect.Dy() {
				for x := range img.Rect.Dx() {
					v := near + float64(img.Gray16At(x, y).Y)/65535*(far-near)
					lo, hi = min(lo, v), max(hi, v)
				}
			}
			if math.Abs(lo-want[0]) > .05 || math.Abs(hi-want[1]) > .05 {
				t.Errorf("picture %d: depth from %v to %v, want %v", i, lo, hi, want)
			}
		}
		if g := got[0][0]; math.Abs(float64(g.DepthMax-g.DepthMin)) < 2.9 {
			t.Errorf("the clip before: from %v to %v, want 2 to 5", g.DepthMin, g.DepthMax)
		}
		for _, g := range got[2] {
			if g.DepthMin != g.DepthMax || slices.Max(decodeDepth(t, g.Depth).Pix) != 0 {
				t.Errorf("a flat clip: from %v to %v", g.DepthMin, g.DepthMax)
			}
		}
	}
}

// The promise of the package: batch, workers and neighbours leave no trace.
func TestBytesDoNotDependOnBatches(t *testing.T) {
	var jpegs [][]byte
	for i := range 11 {
		w, h := 200, 150
		if i%3 == 1 {
			w, h = 150, 200
		}
		jpegs = append(jpegs, jpegOf(t, w, h, func(x, y int) color.Color {
			return color.RGBA{uint8(x * (i + 1)), uint8(y * 3), uint8(x*y/50 + 20*i), 255}
		}))
	}
	clips := [][][]byte{jpegs[:1], jpegs[1:5], jpegs[5:7], jpegs[7:]}
	var want []Geometry
	alone := open(t, Options{Model: "net"})
	for _, clip := range clips {
		want = append(want, labelClips(t, alone, clip)[0]...)
	}
	others := []Options{{BatchSize: 1, Workers: 3}, {BatchSize: 4}, {BatchSize: 4, Workers: 2}, {BatchSize: 64}}
	if testDevice() != "cpu" { // which computes a batch of another size in another way
		others = []Options{{}, {Workers: 3}}
	}
	for _, o := range others {
		o.Model = "net"
		g := open(t, o)
		var wg sync.WaitGroup
		for range 2 { // two calls at once, too
			wg.Go(func() {
				for i, got := range slices.Concat(labelClips(t, g, clips...)...) {
					if got.Err != nil || hash(got.Depth) != hash(want[i].Depth) || hash(got.Normal) != hash(want[i].Normal) ||
						got.DepthMin != want[i].DepthMin || got.DepthMax != want[i].DepthMax {
						t.Errorf("batch %d, %d workers: picture %d differs from its clip alone (%v)", o.BatchSize, o.Workers, i, got.Err)
					}
				}
			})
		}
		wg.Wait()
	}
	if hash(want[0].Depth) == hash(want[2].Depth) {
		t.Error("two different pictures have one depth")
	}
}

func TestLabelEndsWithItsContext(t *testing.T) {
	g := open(t, Options{Model: "net"})
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := g.Label(ctx, []Picture{{Key: "a", Data: ramp(t, 64, 64)}}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
	if got := label(t, g); len(got) != 0 {
		t.Errorf("no pictures gave %v", got)
	}
}

// extreme estimates a depth whose range does not fit 32 bits, though its values do.
type extreme struct{}

func (extreme) estimate(context.Context, *slot, *picture) (depth, normal field, err error) {
	return field{channels: [][]float32{{-3e38, 3e38}}, w: 2, h: 1}, field{}, nil
}
func (extreme) capacity() int { return 1 }
func (extreme) close() error  { return nil }

func TestDepthThatDoesNotFit(t *testing.T) {
	l := &labeler{model: extreme{}, depth: &card.DepthOutput{}, maxPixels: 1 << 20, acquire: ownSlots(1)}
	if got := label(t, l, ramp(t, 4, 4))[0]; got.Err == nil || got.Depth != nil || !strings.Contains(got.Err.Error(), "32 bits") {
		t.Errorf("got %+v", got)
	}
}

func TestOpenRefuses(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir()
	for _, c := range []struct {
		says    string
		changes []string
	}{
		{`runner is "magic"`, []string{"runner: small", "runner: magic"}},
		{`no output "distance"`, []string{"{name: depth", "{name: distance"}},
		{`input for colours.onnx is "picture"`, []string{"{name: image", "{name: picture"}},
		{"sha256", []string{"sha256: ", "sha256: 00", "}]\nnetworks", "}]\nnetworks"}},
		{"[N,3,H,W]", []string{"normal: {name: normal", "normal: {name: depth"}},
		{"depth float32 [?,1,?,?], not float32 [N,3,H,W]", []string{"normal: {name: normal", "normal: {name: depth"}},
		{"[N,1,H,W]", []string{"depth: {name: depth", "depth: {name: normal"}},
	} {
		install(t, dir, "colours", c.changes...)
		if c.says == "sha256" { // right in form, of another file
			install(t, dir, "colours")
			if err := os.WriteFile(filepath.Join(dir, "colours", "colours.onnx"), []byte("x"), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := Open(ctx, Options{Model: "colours", ModelDirs: []string{dir}, Device: "cpu"}); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%v: got %v, want an error with %q", c.changes, err, c.says)
		}
	}
	install(t, dir, "colours")
	var unfit *OptionError
	for _, o := range []Options{
		{Model: "colours", DemoCrop: true},
		{Model: "colours", GeoWizard: geowizard.Settings{Noise: &npy.Array{}}},
		{Model: "tiny-v2", ModelDirs: []string{filepath.Join("geowizard", "testdata")}, DemoCrop: true},
		{Model: "tiny-v2", ModelDirs: []string{filepath.Join("geowizard", "testdata")}, GeoWizard: geowizard.Settings{Steps: 1001}},
	} {
		if o.ModelDirs == nil {
			o.ModelDirs = []string{dir}
		}
		o.Device = "cpu"
		if _, err := Open(ctx, o); !errors.As(err, &unfit) {
			t.Errorf("%+v: got %v", o, err)
		}
	}
	var none *card.NoModelError
	if _, err := Open(ctx, Options{Model: "dpt", ModelDirs: []string{dir}}); !errors.As(err, &none) || !strings.Contains(err.Error(), "colours") {
		t.Errorf("no such model: got %v", err)
	}
	var missing *gpu.MissingError
	if _, err := Open(ctx, Options{Model: "colours", ModelDirs: []string{dir}, ORTLibrary: filepath.Join(dir, "absent.so")}); !errors.As(err, &missing) {
		t.Errorf("no library: got %v", err)
	}
	var misnamed *gpu.NameError
	if _, err := Open(ctx, Options{Model: "colours", ModelDirs: []string{dir}, Device: "tpu"}); !errors.As(err, &misnamed) {
		t.Errorf("no such device: got %v", err)
	}
}

// What can't go well with a network's file is an error before any picture.
func TestOpenRefusesNetworks(t *testing.T) {
	read := func(name string) string {
		data, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	square := fmt.Sprintf(cardText, "m", "m.onnx", sha256.Sum256([]byte(read("dpt-tiny/depth.onnx"))), "m.onnx")
	square = strings.ReplaceAll(strings.ReplaceAll(square, "[depth, normal]", "[depth]"), "    normal: {name: normal, axes: opencv, range: [-1, 1]}\n", "")
	unknown := strings.Replace(read("colours.onnx"), "Conv", "Conw", 1)
	var (
		wrong *card.Error
		file  *card.FileError
	)
	for _, c := range []struct {
		card, network string
		as            any
		says          string
	}{
		{square, read("dpt-tiny/depth.onnx"), &wrong, "image float32 [?,3,64,64], not any height and width"},
		{strings.Replace(square, "short_side: 64, multiple_of: 32, mode: squash-to-nearest-multiple", "size: [64, 96], mode: squash", 1), read("dpt-tiny/depth.onnx"), &wrong, "not the card's size of 64x96"},
		{fmt.Sprintf(cardText, "m", "m.onnx", sha256.Sum256([]byte(unknown)), "m.onnx"), unknown, &file, "can't be run by ONNX Runtime"},
	} {
		dir := t.TempDir()
		folder := filepath.Join(dir, "m")
		if err := errors.Join(os.Mkdir(folder, 0o755), os.WriteFile(filepath.Join(folder, card.FileName), []byte(c.card), 0o644),
			os.WriteFile(filepath.Join(folder, "m.onnx"), []byte(c.network), 0o644)); err != nil {
			t.Fatal(err)
		}
		_, err := Open(t.Context(), Options{Model: "m", ModelDirs: []string{dir}, Device: "cpu"})
		if !errors.As(err, c.as) || !strings.Contains(err.Error(), c.says) || strings.Count(err.Error(), "m.onnx") != 1 {
			t.Errorf("got %v, want an error with %q", err, c.says)
		}
	}
}

func TestFingerprintHoldsWhatShapesTheBytes(t *testing.T) {
	base := open(t, Options{Model: "net"}).Fingerprint()
	for name, same := range map[string]Geometer{
		"workers":           open(t, Options{Model: "net", Workers: 2}),
		"words of the card": open(t, Options{Model: "net"}, "note: a test", "note: another"),
	} {
		if got := same.Fingerprint(); got != base {
			t.Errorf("%s changed it: %s and %s", name, got, base)
		}
	}
	for name, other := range map[string]Geometer{
		"threads": open(t, Options{Model: "net", Threads: 2}),
		"batch":   open(t, Options{Model: "net", BatchSize: 4}),
		"mean":    open(t, Options{Model: "net"}, "mean: [0, 0, 0]", "mean: [0, 0, 0.1]"),
		"axes":    open(t, Options{Model: "net"}, "axes: opencv", "axes: opengl"),
		"weights": open(t, Options{Model: "colours"}),
	} {
		if other.Fingerprint() == base {
			t.Errorf("%s did not change it: %s", name, base)
		}
	}
	info := open(t, Options{Model: "net"}).Model()
	if !strings.Contains(base, info.WeightsSHA256) || info.Name != "net" || info.Licence != "Apache-2.0" || !strings.HasPrefix(info.Device, testDevice()) {
		t.Errorf("%+v does not go with %s", info, base)
	}
}

// What a GeoWizard's network wants is compared with what it will be given.
func TestCheckInputs(t *testing.T) {
	want := map[string][]int64{"geo": {2, 4, 8, 16}, "timestep": {}, "context": {1, -1}}
	good := func() []gpu.IO {
		return []gpu.IO{
			{Name: "geo", Shape: []int64{-1, 2, 4, -1, -1}, Type: "float32"},
			{Name: "timestep", Shape: []int64{-1}, Type: "int64"},
			{Name: "context", Shape: []int64{-1, 1, 768}, Type: "float32"},
		}
	}
	if err := checkInputs("unet.onnx", good(), want); err != nil {
		t.Error(err)
	}
	for words, change := range map[string]func(in []gpu.IO) []gpu.IO{
		`no input "timestep"`:  func(in []gpu.IO) []gpu.IO { return append(in[:1:1], in[2]) },
		`an input "mask"`:      func(in []gpu.IO) []gpu.IO { return append(in, gpu.IO{Name: "mask", Type: "float32"}) },
		`float32 [?,2,4,8,16]`: func(in []gpu.IO) []gpu.IO { in[0].Shape = []int64{-1, 2, 4, 8, 8}; return in },
		`int64 [?]`:            func(in []gpu.IO) []gpu.IO { in[1].Type = "float32"; return in },
		`float32 [?,1,?]`:      func(in []gpu.IO) []gpu.IO { in[2].Shape = nil; return in },
	} {
		if err := checkInputs("unet.onnx", change(good()), want); err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("want %s, got %v", words, err)
		}
	}
}
