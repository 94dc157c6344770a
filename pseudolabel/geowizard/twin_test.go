package geowizard

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"image"
	"image/png"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"go.yaml.in/yaml/v3"

	"micodata/gpu"
	"micodata/internal/npy"
)

// twin is a tiny model of random weights with all of GeoWizard's layers, and
// what PyTorch and diffusers made of one picture and three noises
// (tools/export/goldens.py).
type twin struct {
	card     Card
	networks Networks
	steps    int
	domain   string
	noise    [][]float32 // of each member, [4,h,w]
	rgb      []byte      // of the bucket's size
	w, h     int
	// What the decoder gave of each member: depth [H,W], normals [3,H,W].
	depths, normals [][]float32
}

// Bounds of what may differ from PyTorch, which sums in another order; a normal
// that was short before it got length 1 turns far by little. Seen: 1.1e-6 and 3.5e-5.
const (
	depthBound  = 2e-5
	normalBound = 5e-4
)

func openTwin(t *testing.T, name string) *twin {
	t.Helper()
	dir := filepath.Join("testdata", name)
	w := new(twin)
	text, err := os.ReadFile(filepath.Join(dir, "model.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	card := struct{ GeoWizard *Card }{&w.card}
	if err := yaml.Unmarshal(text, &card); err != nil {
		t.Fatal(err)
	}
	if err := w.card.Validate(); err != nil {
		t.Fatal(err)
	}
	rt, err := gpu.Open(gpu.Options{})
	if err != nil {
		t.Fatal(err)
	}
	devices, _, err := rt.Select(cmp.Or(os.Getenv("TEST_DEVICE"), gpu.CPU))
	if err != nil {
		t.Fatal(err)
	}
	load := func(file string) Network {
		s, err := rt.NewSession(filepath.Join(dir, file), gpu.SessionOptions{Device: devices[0]})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
		return s
	}
	w.networks = Networks{Encoder: load(w.card.Encoder), UNet: load(w.card.UNet), Decoder: load(w.card.Decoder)}
	if w.card.Version == V1 {
		w.networks.ImageEncoder = load(w.card.ImageEncoder)
	}
	golden := struct {
		Steps, Members int
		Domain         string
	}{}
	readJSON(t, filepath.Join(name, "golden", "golden.json"), &golden)
	w.steps, w.domain = golden.Steps, golden.Domain
	w.rgb, w.w, w.h = readRGB(t, filepath.Join(dir, "golden", "bucket.png"))
	area := w.w * w.h
	depths := readNPY(t, filepath.Join(name, "golden", "depths.npy")).Data
	normals := readNPY(t, filepath.Join(name, "golden", "normals.npy")).Data
	for i := range golden.Members {
		w.noise = append(w.noise, readNPY(t, fmt.Sprintf("%s/golden/noise%d.npy", name, i)).Data)
		w.depths = append(w.depths, depths[i*area:][:area])
		w.normals = append(w.normals, planar(normals[3*i*area:][:3*area]))
	}
	return w
}

// planar makes [3,H,W] of [H,W,3].
func planar(mixed []float32) []float32 {
	area := len(mixed) / 3
	out := make([]float32, len(mixed))
	for i, v := range mixed {
		out[i%3*area+i/3] = v
	}
	return out
}

func readRGB(t *testing.T, path string) (rgb []byte, w, h int) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	img, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	pix := img.(*image.RGBA).Pix
	for i := 0; i < len(pix); i += 4 {
		rgb = append(rgb, pix[i:i+3]...)
	}
	return rgb, img.Bounds().Dx(), img.Bounds().Dy()
}

// settings are those that the twin's answers were made with, of the first
// members.
func (w *twin) settings(members int) Settings {
	noise := &npy.Array{Shape: []int{members, channels, w.h / shrink, w.w / shrink}}
	for _, n := range w.noise[:members] {
		noise.Data = append(noise.Data, n...)
	}
	return Settings{Steps: w.steps, Ensemble: members, Domain: w.domain, Noise: noise}
}

func (w *twin) estimate(t *testing.T, s Settings) *Maps {
	t.Helper()
	e, err := New(w.card, w.networks, s)
	if err != nil {
		t.Fatal(err)
	}
	got, err := e.Estimate(context.Background(), w.rgb, w.w, w.h, "k", nil)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// distance compares with the first member, of which the reference stretches
// the depth too.
func (w *twin) distance(t *testing.T, s Settings) (depth, normal float64) {
	t.Helper()
	got := w.estimate(t, s)
	return farthest(got.Depth, stretch(w.depths[0])), farthest(got.Normal, w.normals[0])
}

var twins = []string{"tiny-v1", "tiny-v2"}

func TestTwinsAnswerAsInPyTorch(t *testing.T) {
	for _, name := range twins {
		w := openTwin(t, name)
		depth, normal := w.distance(t, w.settings(1))
		if depth > depthBound || normal > normalBound {
			t.Errorf("%s: depth is off by %g, normals by %g", name, depth, normal)
		}
		t.Logf("%s: depth is off by %.2g, normals by %.2g", name, depth, normal)
	}
}

// What CLIP is shown is PyTorch's resize. Its weights are float32, which shows
// in values of [0,1] by 4e-6, and CLIP's deviations make four times that of it.
func TestTwinsCLIPInput(t *testing.T) {
	w := openTwin(t, "tiny-v1")
	b := nearest(w.card.Buckets, w.w, w.h)
	var got []float32 // of every second pixel, as the golden has it
	for i, v := range clipInput(encoderInput(w.rgb, w.w, w.h, b), b) {
		if i%2 == 0 && i/clipSide%2 == 0 {
			got = append(got, v)
		}
	}
	off := farthest(got, readNPY(t, "tiny-v1/golden/clip.every2.npy").Data)
	if off > 3e-5 {
		t.Errorf("off by %g", off)
	}
	t.Logf("off by %.2g", off)
}

// All members' loops, the start of the alignment and the choice of the normals
// are the reference's. How far its optimiser ends from ours is only reported:
// see alignment.
func TestTwinsEnsemble(t *testing.T) {
	for _, name := range twins {
		w := openTwin(t, name)
		members := len(w.depths)
		got := w.estimate(t, w.settings(members))
		if d := farthest(got.Depth, depths(w.depths)); d > 5*depthBound {
			t.Errorf("%s: depth is %g from that of the reference's members", name, d)
		}
		if n := farthest(got.Normal, planar(readNPY(t, name+"/golden/ensemble.normal.npy").Data)); n > normalBound {
			t.Errorf("%s: normals are %g from the reference's choice", name, n)
		}
		a := newAlignment(w.depths)
		x, values := a.start(), make([]float64, members)
		middle := make([]float32, len(w.depths[0]))
		for p := range middle {
			middle[p] = float32(a.median(x, p, values))
		}
		if d := farthest(stretch(middle), readNPY(t, name+"/golden/ensemble.minmax.depth.npy").Data); d > 1e-6 {
			t.Errorf("%s: the start of the alignment is %g from the reference's", name, d)
		}
		begin, _ := a.objective(x)
		a.optimise(x)
		end, _ := a.objective(x)
		reference := readNPY(t, name+"/golden/ensemble.bfgs.depth.npy").Data
		plain := readNPY(t, name+"/golden/ensemble.minmax.depth.npy").Data
		apart := func(a, b []float32) string {
			sum := 0.
			for i, v := range a {
				sum += math.Abs(float64(v - b[i]))
			}
			return fmt.Sprintf("%.2g, in the mean %.2g", farthest(a, b), sum/float64(len(a)))
		}
		t.Logf("%s: objective %.4f -> %.4f; depth is from the reference's %s, from the start's %s; those are apart %s",
			name, begin, end, apart(got.Depth, reference), apart(got.Depth, plain), apart(reference, plain))
	}
}

// onInput and onOutput put a mistake before and after a network.
func onInput(n Network, key string, spoil func(gpu.Tensor) gpu.Tensor) Network {
	return network(func(ctx context.Context, in tensors) (tensors, error) {
		in = maps.Clone(in)
		in[key] = spoil(in[key])
		return n.Run(ctx, in)
	})
}

func onOutput(n Network, key string, spoil func(gpu.Tensor) gpu.Tensor) Network {
	return network(func(ctx context.Context, in tensors) (tensors, error) {
		out, err := n.Run(ctx, in)
		if err == nil {
			out[key] = spoil(out[key])
		}
		return out, err
	})
}

func each(f func(float32) float32) func(gpu.Tensor) gpu.Tensor {
	return func(t gpu.Tensor) gpu.Tensor {
		data := make([]float32, len(t.Data))
		for i, v := range t.Data {
			data[i] = f(v)
		}
		return gpu.Tensor{Shape: t.Shape, Data: data}
	}
}

func swapRows(t gpu.Tensor) gpu.Tensor {
	half := len(t.Data) / 2
	return gpu.Tensor{Shape: t.Shape, Data: slices.Concat(t.Data[half:], t.Data[:half])}
}

// firstRowTwice is what a batch of two with the wrong order of rows would do.
func firstRowTwice(t gpu.Tensor) gpu.Tensor {
	half := len(t.Data) / 2
	return gpu.Tensor{Shape: t.Shape, Data: slices.Concat(t.Data[:half], t.Data[:half])}
}

// Each mistake gives maps that look like maps, and each must fail the
// comparison that the right way passes.
func TestMistakesDontAnswerAsInPyTorch(t *testing.T) {
	mistakes := map[string]func(*twin, *Settings){
		"the decoder's rows swapped": func(w *twin, _ *Settings) { w.networks.Decoder = onInput(w.networks.Decoder, "geo", swapRows) },
		"the UNet's input swapped":   func(w *twin, _ *Settings) { w.networks.UNet = onInput(w.networks.UNet, "geo", swapRows) },
		"the predictions swapped":    func(w *twin, _ *Settings) { w.networks.UNet = onOutput(w.networks.UNet, "prediction", swapRows) },
		"one row for both":           func(w *twin, _ *Settings) { w.networks.UNet = onInput(w.networks.UNet, "geo", firstRowTwice) },
		"noise for a velocity":       func(w *twin, _ *Settings) { w.card.Scheduler.Prediction = Epsilon },
		"predictions of the other sign": func(w *twin, _ *Settings) {
			w.networks.UNet = onOutput(w.networks.UNet, "prediction", each(func(v float32) float32 { return -v }))
		},
		"normals of the other sign": func(w *twin, _ *Settings) {
			w.networks.Decoder = onOutput(w.networks.Decoder, "normal", each(func(v float32) float32 { return -v }))
		},
		"near for far": func(w *twin, _ *Settings) {
			w.networks.Decoder = onOutput(w.networks.Decoder, "depth", each(func(v float32) float32 { return 1 - v }))
		},
		"a latent without its factor": func(w *twin, _ *Settings) {
			w.networks.Encoder = onOutput(w.networks.Encoder, "latent", each(func(v float32) float32 { return v / .18215 }))
		},
		"a picture in [0,1]": func(w *twin, _ *Settings) {
			w.networks.Encoder = onInput(w.networks.Encoder, "image", each(func(v float32) float32 { return (v + 1) / 2 }))
		},
		"blue for red": func(w *twin, _ *Settings) {
			for i := 0; i < len(w.rgb); i += 3 {
				w.rgb[i], w.rgb[i+2] = w.rgb[i+2], w.rgb[i]
			}
		},
		"an end at alpha 1":     func(w *twin, _ *Settings) { w.card.Scheduler.SetAlphaToOne = true },
		"timesteps one earlier": func(w *twin, _ *Settings) { w.card.Scheduler.StepsOffset = 0 },
		"another schedule":      func(w *twin, _ *Settings) { w.card.Scheduler.BetaStart = .0001 },
		"one step fewer":        func(_ *twin, s *Settings) { s.Steps-- },
		"another domain":        func(_ *twin, s *Settings) { s.Domain = Outdoor },
		"other noise":           func(w *twin, s *Settings) { s.Noise.Data = w.noise[1] },
		"no picture for CLIP": func(w *twin, _ *Settings) {
			if w.card.Version == V1 {
				w.networks.ImageEncoder = onInput(w.networks.ImageEncoder, "image", each(func(float32) float32 { return 0 }))
			}
		},
		"CLIP without its deviations": func(w *twin, _ *Settings) {
			if w.card.Version == V1 {
				w.networks.ImageEncoder = onInput(w.networks.ImageEncoder, "image", each(func(v float32) float32 { return v * .27 }))
			}
		},
	}
	for _, name := range twins {
		right := openTwin(t, name)
		for mistake, commit := range mistakes {
			w, s := *right, right.settings(1)
			w.rgb = slices.Clone(right.rgb)
			commit(&w, &s)
			if w.card.Version == V2 && (mistake == "no picture for CLIP" || mistake == "CLIP without its deviations") {
				continue
			}
			depth, normal := w.distance(t, s)
			if depth < 50*depthBound && normal < 50*normalBound {
				t.Errorf("%s: %s passes: depth is off by %g, normals by %g", name, mistake, depth, normal)
			}
			t.Logf("%s: %s: depth is off by %.2g, normals by %.2g", name, mistake, depth, normal)
		}
	}
}

// Members and pictures through real sessions at once give what each gives alone.
func TestTwinsInParallel(t *testing.T) {
	w := openTwin(t, "tiny-v2")
	e, err := New(w.card, w.networks, Settings{Steps: 2, Ensemble: 3, Seed: 8})
	if err != nil {
		t.Fatal(err)
	}
	run := func(i int) *Maps {
		m, err := e.Estimate(context.Background(), w.rgb, w.w, w.h, fmt.Sprint(i), nil)
		if err != nil {
			t.Error(err)
			return nil
		}
		return m
	}
	var got, want [4]*Maps
	for i := range want {
		want[i] = run(i)
	}
	var wg sync.WaitGroup
	for i := range got {
		wg.Go(func() { got[i] = run(i) })
	}
	wg.Wait()
	for i := range got {
		if t.Failed() {
			return
		}
		if !slices.Equal(got[i].Depth, want[i].Depth) || !slices.Equal(got[i].Normal, want[i].Normal) {
			t.Errorf("picture %d differs from what it is alone", i)
		}
	}
}
