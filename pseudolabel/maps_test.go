package pseudolabel

import (
	"image"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"micodata/pseudolabel/card"
)

func TestDepthMapStoresNearAsZero(t *testing.T) {
	s := newScaled([]float32{1, 2, 3, 5}, 2, 2, 2, 2)
	if lo, hi := s.extremes(); lo != 1 || hi != 5 {
		t.Fatalf("from %v to %v; want 1 to 5", lo, hi)
	}
	for _, c := range []struct {
		near, far float32
		want      []uint16
	}{
		{1, 5, []uint16{0, 16384, 32768, 65535}},
		{5, 1, []uint16{65535, 49151, 32768, 0}},
		{1, 9, []uint16{0, 8192, 16384, 32768}}, // of a clip with something farther
	} {
		data, err := depthMap(s, c.near, c.far)
		if err != nil {
			t.Fatal(err)
		}
		img := decodeDepth(t, data)
		for i, want := range c.want {
			if got := img.Gray16At(i%2, i/2).Y; got != want {
				t.Errorf("from %v to %v: pixel %d is %d, want %d", c.near, c.far, i, got, want)
			}
		}
	}
}

func TestFlatDepthIsZero(t *testing.T) {
	// Sizes whose weights aren't exact in float32, so that a careless sum is not flat.
	for _, size := range []image.Point{{5, 3}, {97, 89}, {1, 1}, {3, 2}} {
		flat := newScaled(slices.Repeat([]float32{.7}, 7*5), 7, 5, size.X, size.Y)
		if lo, hi := flat.extremes(); lo != .7 || hi != .7 {
			t.Fatalf("%v: from %v to %v", size, lo, hi)
		}
		data, err := depthMap(flat, .7, .7)
		if err != nil {
			t.Fatal(err)
		}
		img := decodeDepth(t, data)
		if img.Bounds().Size() != size || slices.Max(img.Pix) != 0 {
			t.Errorf("size %v, want %v, all zero", img.Bounds().Size(), size)
		}
	}
}

func TestNotFiniteIsAnError(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	for _, v := range []float32{inf, -inf, nan} {
		if err := (field{channels: [][]float32{{0, 1}, {0, v}}, w: 2, h: 1}).check(2); err == nil {
			t.Errorf("%v was taken", v)
		}
	}
	if err := (field{channels: [][]float32{{0}}, w: 1, h: 1}).check(1); err != nil {
		t.Error(err)
	}
}

func TestNormalAxesAndRange(t *testing.T) {
	// One surface, tilted to the right and down: (0.48, 0.36, -0.8) in OpenCV's frame.
	want := [3]float64{.48, .36, -.8}
	for _, c := range []struct {
		axes    string
		lo, hi  float64
		x, y, z float32
	}{
		{card.OpenCV, -1, 1, .48, .36, -.8},
		{card.OpenCV, -1, 1, .24, .18, -.4}, // the length doesn't matter
		{card.OpenCV, 0, 1, .74, .68, .1},
		{card.OpenGL, -1, 1, .48, -.36, .8},
		{card.GeoWizard, -1, 1, -.48, -.36, .8},
		{card.GeoWizard, 0, 255, 66.3, 81.6, 229.5},
	} {
		f := field{channels: [][]float32{{c.x}, {c.y}, {c.z}}, w: 1, h: 1}
		data, err := normalMap(f, &card.NormalOutput{Axes: c.axes, Range: []float64{c.lo, c.hi}}, image.Pt(4, 3))
		if err != nil {
			t.Fatal(err)
		}
		vectors, size := decodeNormal(t, data)
		if size != image.Pt(4, 3) {
			t.Errorf("%s: size %v", c.axes, size)
		}
		for _, got := range vectors {
			for i := range got {
				if math.Abs(got[i]-want[i]) > 1./255 {
					t.Fatalf("%s %v..%v: got %v, want %v", c.axes, c.lo, c.hi, got, want)
				}
			}
		}
	}
}

// Whatever a network gives, what is stored is a unit vector that faces the camera.
func TestStoredNormalsAreUnitAndFacing(t *testing.T) {
	const n = 4096
	r := rand.New(rand.NewPCG(1, 2))
	f := field{channels: [][]float32{make([]float32, n), make([]float32, n), make([]float32, n)}, w: 64, h: 64}
	for i := range n {
		scale := float32(math.Pow(10, r.Float64()*12-8)) // from nothing at all to far too long
		for c := range 3 {
			f.channels[c][i] = scale * (2*r.Float32() - 1)
		}
	}
	for c, v := range []float32{1, 0, 0} { // grazing exactly
		f.channels[c][0] = v
	}
	data, err := normalMap(f, &card.NormalOutput{Axes: card.OpenCV, Range: []float64{-1, 1}}, image.Pt(150, 100))
	if err != nil {
		t.Fatal(err)
	}
	vectors, _ := decodeNormal(t, data)
	for i, v := range vectors {
		length := math.Sqrt(v[0]*v[0] + v[1]*v[1] + v[2]*v[2])
		if math.Abs(length-1) >= .02 || v[2] >= 0 {
			t.Fatalf("vector %d: %v has length %v", i, v, length)
		}
	}
}

func TestFacing(t *testing.T) {
	for _, c := range []struct{ n, want [3]float64 }{
		{[3]float64{0, 0, -2}, [3]float64{0, 0, -1}},
		{[3]float64{0, 0, 0}, [3]float64{0, 0, -1}},
		{[3]float64{0, 0, .5}, [3]float64{0, 0, -1}},
		{[3]float64{3, 0, -4}, [3]float64{.6, 0, -.8}},
		{[3]float64{1, 0, 0}, [3]float64{.9999923, 0, -.0039215}},
		{[3]float64{.6, 0, .8}, [3]float64{.9999786, 0, -.0065357}},
	} {
		got := facing(c.n)
		for i := range got {
			if math.Abs(got[i]-c.want[i]) > 1e-6 {
				t.Errorf("facing(%v) = %v, want %v", c.n, got, c.want)
				break
			}
		}
	}
}

func TestScaleByHand(t *testing.T) {
	for _, c := range []struct{ in, want []float32 }{
		{[]float32{0, 4}, []float32{0, 1, 3, 4}},
		{[]float32{3}, []float32{3, 3, 3}},
		{[]float32{1, 2, 3}, []float32{1, 2, 3}},
		// Halving: the triangle is 4 pixels wide, 3/7 3/7 1/7 at the border.
		{[]float32{7, 0, 0, 14}, []float32{3, 6}},
	} {
		w, n := len(c.in), len(c.want)
		got := make([]float32, n)
		newScaled(c.in, w, 1, n, 1).row(0, got)
		column := make([]float32, 1)
		for i, want := range c.want {
			newScaled(c.in, 1, w, 1, n).row(i, column)
			if math.Abs(float64(got[i]-want)) > 1e-5 || column[0] != got[i] {
				t.Errorf("%v to %d: across %v, down [%d] = %v; want %v", c.in, n, got, i, column[0], c.want)
			}
		}
	}
}

func TestTapsSumToOneInsideTheInput(t *testing.T) {
	for in := 1; in < 40; in++ {
		for out := 1; out < 90; out += 3 {
			tap := newTaps(in, out)
			for i := range out {
				sum := float32(0)
				for _, w := range tap.weights[i*tap.n:][:tap.n] {
					sum += w
				}
				if math.Abs(float64(sum)-1) > 1e-5 || tap.start[i] < 0 || tap.start[i]+tap.n > in {
					t.Fatalf("%d to %d: output %d sums to %v from %d, %d taps", in, out, i, sum, tap.start[i], tap.n)
				}
			}
		}
	}
}
