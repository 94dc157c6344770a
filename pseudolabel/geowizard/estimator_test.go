package geowizard

import (
	"context"
	"errors"
	"fmt"
	"math"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"micodata/gpu"
	"micodata/internal/npy"
)

// fakeNetworks are a model that knows the answer: the latent is the picture's
// colours at every eighth pixel, the depth's row must become the latent, the
// normals' its negative, and the UNet predicts just what leads there.
func fakeNetworks(s Scheduler) Networks {
	alphas := alphasCumprod(s)
	return Networks{
		Encoder: network(func(_ context.Context, in tensors) (tensors, error) {
			image := in["image"]
			h, w := image.Shape[2], image.Shape[3]
			latent := gpu.Tensor{Shape: []int64{1, 4, h / 8, w / 8}}
			for c := range int64(4) {
				for y := int64(4); y < h; y += 8 {
					for x := int64(4); x < w; x += 8 {
						latent.Data = append(latent.Data, image.Data[((c%3)*h+y)*w+x])
					}
				}
			}
			return tensors{"latent": latent}, nil
		}),
		UNet: network(func(_ context.Context, in tensors) (tensors, error) {
			latent, geo := in["latent"].Data, in["geo"]
			signal := math.Sqrt(alphas[in["timestep"].Int64[0]])
			hidden := math.Sqrt(1 - signal*signal)
			out := gpu.Tensor{Shape: geo.Shape, Data: make([]float32, len(geo.Data))}
			for i, x := range geo.Data {
				target := float64(latent[i%len(latent)])
				if i >= len(latent) {
					target = -target
				}
				noise := (float64(x) - signal*target) / hidden
				if s.Prediction == VPrediction {
					noise = signal*noise - hidden*target
				}
				out.Data[i] = float32(noise)
			}
			return tensors{"prediction": out}, nil
		}),
		Decoder: network(func(_ context.Context, in tensors) (tensors, error) {
			geo := in["geo"]
			h, w := geo.Shape[3], geo.Shape[4]
			depth := gpu.Tensor{Shape: []int64{1, 1, 8 * h, 8 * w}}
			normal := gpu.Tensor{Shape: []int64{1, 3, 8 * h, 8 * w}}
			for c := range 4 {
				for y := range 8 * h {
					for x := range 8 * w {
						at := int64(c-1)*h*w + y/8*w + x/8
						if c == 0 {
							depth.Data = append(depth.Data, geo.Data[y/8*w+x/8])
						} else {
							normal.Data = append(normal.Data, geo.Data[4*h*w+at])
						}
					}
				}
			}
			return tensors{"depth": depth, "normal": normal}, nil
		}),
	}
}

// picture128 is a picture of the bucket's size whose red and green rise to the
// right and downwards.
func picture128() (rgb []byte, w, h int) {
	for y := range 64 {
		for x := range 128 {
			rgb = append(rgb, byte(2*x), byte(4*y), 100)
		}
	}
	return rgb, 128, 64
}

// With a UNet that is right every step finds the same target and the same noise
// in the sample, and the last leaves sqrt(a)*target + sqrt(1-a)*noise, where a
// is alpha 0. Any mistake in the steps would show.
func TestLoopWithAPerfectUNet(t *testing.T) {
	rgb, w, h := picture128()
	for _, prediction := range []string{VPrediction, Epsilon} {
		for _, steps := range []int{1, 3, 10, 50} {
			c := testCard()
			c.Scheduler.Prediction = prediction
			e, err := New(c, fakeNetworks(c.Scheduler), Settings{Steps: steps, Seed: 5})
			if err != nil {
				t.Fatal(err)
			}
			got, err := e.Estimate(context.Background(), rgb, w, h, "k", nil)
			if err != nil {
				t.Fatal(err)
			}
			row := noise(5, "k", 0, 4*8*16)
			// The sample begins as noise alone, and the UNet takes it for the first
			// timestep's mixture.
			alphas := alphasCumprod(c.Scheduler)
			from := alphas[(steps-1)*(1000/steps)+1]
			rest := math.Sqrt((1 - alphas[0]) / (1 - from))
			signal := math.Sqrt(alphas[0]) - rest*math.Sqrt(from)
			var depth, normal []float32
			for y := range 64 {
				for x := range 128 {
					at := y/8*16 + x/8
					red := float64(levels[rgb[3*((y/8*8+4)*128+x/8*8+4)]])
					depth = append(depth, float32(signal*red+rest*float64(row[at])))
					normal = append(normal, float32(-signal*red+rest*float64(row[at])))
				}
			}
			depth = stretch(depth)
			if d, n := farthest(got.Depth, depth), farthest(got.Normal[:64*128], normal); d > 1e-5 || n > 1e-5 {
				t.Errorf("%s in %d steps: depth is off by %g, the first plane of normals by %g", prediction, steps, d, n)
			}
		}
	}
}

func TestWhatTheNetworksGet(t *testing.T) {
	var calls []string
	n := fakeNetworks(sd2())
	record := func(name string, inner Network) Network {
		return network(func(ctx context.Context, in tensors) (tensors, error) {
			var keys []string
			for key, v := range in {
				keys = append(keys, fmt.Sprint(key, v.Shape, v.Int64))
			}
			slices.Sort(keys)
			calls = append(calls, name+" "+strings.Join(keys, " "))
			return inner.Run(ctx, in)
		})
	}
	n.Encoder, n.UNet, n.Decoder = record("encoder", n.Encoder), record("unet", n.UNet), record("decoder", n.Decoder)
	e, err := New(testCard(), n, Settings{Steps: 2, Domain: Object})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.Estimate(context.Background(), make([]byte, 3*5*3), 5, 3, "k", nil); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"encoder image[1 3 64 128] []",
		"unet domain[1] [2] geo[1 2 4 8 16] [] latent[1 4 8 16] [] timestep[1] [501]",
		"unet domain[1] [2] geo[1 2 4 8 16] [] latent[1 4 8 16] [] timestep[1] [1]",
		"decoder geo[1 2 4 8 16] []",
	}
	if !slices.Equal(calls, want) {
		t.Errorf("calls\n%q\nwant\n%q", calls, want)
	}
}

func TestGivenNoise(t *testing.T) {
	rgb, w, h := picture128()
	own := &npy.Array{Shape: []int{2, 4, 8, 16}, Data: slices.Concat(noise(9, "k", 0, 512), noise(9, "k", 1, 512))}
	maps := estimate(t, Settings{Steps: 2, Seed: 9, Ensemble: 2}, "k")
	if given := estimate(t, Settings{Steps: 2, Ensemble: 2, Noise: own}, "other"); !reflect.DeepEqual(maps, given) {
		t.Error("the same noise, given, makes other maps")
	}
	e, err := New(testCard(), fakeNetworks(sd2()), Settings{Noise: &npy.Array{Shape: []int{4, 16, 8}, Data: make([]float32, 512)}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.Estimate(context.Background(), rgb, w, h, "k", nil); err == nil || !strings.Contains(err.Error(), "[4 16 8]") {
		t.Errorf("noise of another size: %v", err)
	}
}

func estimate(t *testing.T, s Settings, key string) *Maps {
	t.Helper()
	e, err := New(testCard(), fakeNetworks(sd2()), s)
	if err != nil {
		t.Fatal(err)
	}
	rgb, w, h := picture128()
	maps, err := e.Estimate(context.Background(), rgb, w, h, key, nil)
	if err != nil {
		t.Fatal(err)
	}
	if maps.Width != 128 || maps.Height != 64 || len(maps.Depth) != 64*128 || len(maps.Normal) != 3*64*128 {
		t.Fatalf("maps of %d x %d: %d, %d values", maps.Width, maps.Height, len(maps.Depth), len(maps.Normal))
	}
	return maps
}

func TestSeedKeyAndEnsembleCount(t *testing.T) {
	base := estimate(t, Settings{Steps: 2, Seed: 1}, "a")
	if again := estimate(t, Settings{Steps: 2, Seed: 1}, "a"); !reflect.DeepEqual(base, again) {
		t.Error("two runs differ")
	}
	for name, other := range map[string]*Maps{
		"key":      estimate(t, Settings{Steps: 2, Seed: 1}, "b"),
		"seed":     estimate(t, Settings{Steps: 2, Seed: 2}, "a"),
		"ensemble": estimate(t, Settings{Steps: 2, Seed: 1, Ensemble: 4}, "a"),
	} {
		if farthest(base.Depth, other.Depth) < 1e-3 || name != "ensemble" && farthest(base.Normal, other.Normal) < 1e-3 {
			t.Errorf("another %s gives the same maps", name)
		}
	}
}

// Whatever the order in which members and pictures come to the networks, each
// has its own maps.
func TestConcurrencyChangesNothing(t *testing.T) {
	n := fakeNetworks(sd2())
	var calls atomic.Int64
	unet := n.UNet
	n.UNet = network(func(ctx context.Context, in tensors) (tensors, error) {
		for range calls.Add(7) % 11 {
			runtime.Gosched()
		}
		return unet.Run(ctx, in)
	})
	s := Settings{Steps: 3, Ensemble: 3, Seed: 4}
	e, err := New(testCard(), n, s)
	if err != nil {
		t.Fatal(err)
	}
	rgb, w, h := picture128()
	var wg sync.WaitGroup
	var maps [8]*Maps
	for i := range maps {
		wg.Go(func() {
			var err error
			if maps[i], err = e.Estimate(context.Background(), rgb, w, h, fmt.Sprint("k", i%4), nil); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for i, got := range maps {
		if want := estimate(t, s, fmt.Sprint("k", i%4)); !reflect.DeepEqual(got, want) {
			t.Errorf("picture %d differs from what it is alone", i)
		}
	}
}

func TestWrongAnswersAreErrors(t *testing.T) {
	rgb, w, h := picture128()
	replace := func(of *Network, answer tensors, err error) {
		*of = network(func(context.Context, tensors) (tensors, error) { return answer, err })
	}
	data := func(v float32, shape ...int64) gpu.Tensor {
		n := int64(1)
		for _, d := range shape {
			n *= d
		}
		t := gpu.Tensor{Shape: shape, Data: make([]float32, n)}
		t.Data[n-1] = v
		return t
	}
	nan, inf := float32(math.NaN()), float32(math.Inf(-1))
	for name, c := range map[string]struct {
		change func(*Networks)
		says   string
		finite bool // the error is not about that
	}{
		"encoder NaN":   {func(n *Networks) { replace(&n.Encoder, tensors{"latent": data(nan, 1, 4, 8, 16)}, nil) }, "encoder: output \"latent\": value 511 is NaN", false},
		"unet infinite": {func(n *Networks) { replace(&n.UNet, tensors{"prediction": data(inf, 1, 2, 4, 8, 16)}, nil) }, "UNet at timestep 501", false},
		"decoder NaN":   {func(n *Networks) { replace(&n.Decoder, tensors{"depth": data(nan, 1, 1, 64, 128)}, nil) }, "decoder", false},
		"no output":     {func(n *Networks) { replace(&n.UNet, tensors{"sample": data(0, 1, 2, 4, 8, 16)}, nil) }, `no output "prediction"`, true},
		"shape":         {func(n *Networks) { replace(&n.Encoder, tensors{"latent": data(0, 1, 4, 16, 8)}, nil) }, "[1 4 16 8], want [1 4 8 16]", true},
		"type": {func(n *Networks) {
			replace(&n.Encoder, tensors{"latent": {Shape: []int64{1, 4, 8, 16}, Int64: make([]int64, 512)}}, nil)
		}, "0 values of float32", true},
		"network's error": {func(n *Networks) { replace(&n.Decoder, nil, gpu.ErrOutOfMemory) }, "out of memory", true},
		"no normals":      {func(n *Networks) { replace(&n.Decoder, tensors{"depth": data(0, 1, 1, 64, 128)}, nil) }, `no output "normal"`, true},
	} {
		n := fakeNetworks(sd2())
		c.change(&n)
		e, err := New(testCard(), n, Settings{Steps: 2})
		if err != nil {
			t.Fatal(err)
		}
		maps, err := e.Estimate(context.Background(), rgb, w, h, "clip7", nil)
		if err == nil || maps != nil || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), "clip7") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, want one line with %q and the picture", name, err, c.says)
		}
		if errors.Is(err, ErrNotFinite) == c.finite {
			t.Errorf("%s: %v is ErrNotFinite: %v", name, err, !c.finite)
		}
		if name == "network's error" && !errors.Is(err, gpu.ErrOutOfMemory) {
			t.Errorf("%v doesn't wrap the network's error", err)
		}
	}
	e, err := New(testCard(), fakeNetworks(sd2()), Settings{})
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range [][2]int{{0, 0}, {-128, -64}, {64, 64}} {
		if _, err := e.Estimate(context.Background(), rgb, size[0], size[1], "k", nil); err == nil {
			t.Errorf("a picture of %v with %d bytes is accepted", size, len(rgb))
		}
	}
}

func TestCancelEndsSoon(t *testing.T) {
	rgb, w, h := picture128()
	ctx, cancel := context.WithCancel(context.Background())
	n := fakeNetworks(sd2())
	unet := n.UNet
	var calls atomic.Int64
	n.UNet = network(func(_ context.Context, in tensors) (tensors, error) {
		if calls.Add(1) == 10 {
			cancel() // and this network takes no notice
		}
		return unet.Run(ctx, in)
	})
	e, err := New(testCard(), n, Settings{Steps: 500, Ensemble: 4})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.Estimate(ctx, rgb, w, h, "k", nil); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want context.Canceled", err)
	}
	if c := calls.Load(); c > 10+4 {
		t.Errorf("%d steps in all, of which the tenth cancelled", c)
	}
	// A network that waits is told.
	n.UNet = network(func(ctx context.Context, _ tensors) (tensors, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	})
	if e, err = New(testCard(), n, Settings{Ensemble: 4}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel = context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	if _, err := e.Estimate(ctx, rgb, w, h, "k", nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v, want the deadline", err)
	}
}

// One member that fails ends the others.
func TestAFailingMemberEndsTheRest(t *testing.T) {
	rgb, w, h := picture128()
	n := fakeNetworks(sd2())
	var calls atomic.Int64
	n.UNet = network(func(ctx context.Context, _ tensors) (tensors, error) {
		if calls.Add(1) == 3 {
			return nil, gpu.ErrOutOfMemory
		}
		<-ctx.Done()
		return nil, ctx.Err()
	})
	e, err := New(testCard(), n, Settings{Ensemble: 3})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.Estimate(context.Background(), rgb, w, h, "k", nil); !errors.Is(err, gpu.ErrOutOfMemory) {
		t.Errorf("%v, want the member's error", err)
	}
}
