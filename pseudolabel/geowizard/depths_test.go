package geowizard

import (
	"fmt"
	"math"
	"testing"
)

// ensemble is members of testdata, and the depth that scipy's BFGS makes of them.
func ensemble(t *testing.T, n int) (members [][]float32, depth []float32) {
	t.Helper()
	a := readNPY(t, fmt.Sprintf("alignment%d.npy", n))
	area := a.Shape[1] * a.Shape[2]
	for i := range n {
		members = append(members, a.Data[i*area:][:area])
	}
	return members, a.Data[n*area:]
}

func TestAlignmentIsScipys(t *testing.T) {
	var cases []struct {
		Members      int
		Start, X     []float64
		Evaluations  int
		Begin, Value float64
	}
	readJSON(t, "alignment.json", &cases)
	for _, c := range cases {
		members, want := ensemble(t, c.Members)
		a := newAlignment(members)
		x := a.start()
		begin, _ := a.objective(x)
		a.optimise(x)
		value, _ := a.objective(x)
		off := 0.
		for i, v := range c.X {
			off = max(off, math.Abs(x[i]-v))
		}
		got := depths(members)
		away := farthest(got, want)
		if math.Abs(begin-c.Begin) > 1e-12 || math.Abs(value-c.Value) > 1e-10 || off > 1e-9 || away > 1e-6 {
			t.Errorf("%d members: objective %.12f -> %.12f, want %.12f -> %.12f; off by %g, depth by %g",
				c.Members, begin, value, c.Begin, c.Value, off, away)
		}
		// What tells from the start, and so would tell from an optimiser that does nothing.
		if unaligned := farthest(stretch(members[0]), want); unaligned < .01 || c.Begin-c.Value < .001 {
			t.Errorf("%d members: the golden asks nothing", c.Members)
		}
		t.Logf("%d members: objective %.4f -> %.4f, off by %.2g, depth by %.2g", c.Members, begin, value, off, away)
	}
}

// Networks differ in their last bits from one machine to another.
func TestAlignmentIsSteady(t *testing.T) {
	for _, n := range []int{2, 3, 5, 10} {
		members, _ := ensemble(t, n)
		want := depths(members)
		most := 0.
		for try := range 10 {
			near := make([][]float32, n)
			for i, m := range members {
				near[i] = noise(1, "last bits", n*try+i, len(m))
				for p, v := range m {
					near[i][p] = v + 3e-7*near[i][p]
				}
			}
			most = max(most, farthest(depths(near), want))
		}
		if most > 1e-4 {
			t.Errorf("%d members: by less than 2e-6 other members give a depth %g away", n, most)
		}
		t.Logf("%d members: %.2g", n, most)
	}
}

func TestSlopesAreTheObjectives(t *testing.T) {
	members, _ := ensemble(t, 5)
	a := newAlignment(members)
	x := a.start()
	for i := range x {
		x[i] += .01 + .003*float64(i) // away from the kinks: equal values, and extremes of 0 and 1
	}
	_, slopes := a.objective(x)
	for i, want := range slopes {
		const h = 1e-7
		x[i] += h
		up, _ := a.objective(x)
		x[i] -= 2 * h
		down, _ := a.objective(x)
		x[i] += h
		if got := (up - down) / (2 * h); math.Abs(got-want) > 1e-6 {
			t.Errorf("slope %d is %g, differences say %g", i, want, got)
		}
	}
}

func TestDepthsWithoutDepth(t *testing.T) {
	flat, ramp := []float32{.3, .3, .3, .3}, []float32{.25, .5, .75, .5}
	for name, c := range map[string]struct {
		members [][]float32
		want    []float32
	}{
		"one":            {[][]float32{ramp}, []float32{0, .5, 1, .5}},
		"one, flat":      {[][]float32{flat}, []float32{0, 0, 0, 0}},
		"all flat":       {[][]float32{flat, {.5, .5, .5, .5}, flat}, []float32{0, 0, 0, 0}},
		"equal":          {[][]float32{ramp, ramp, ramp}, []float32{0, .5, 1, .5}},
		"equal in scale": {[][]float32{ramp, {0, .125, .25, .125}, ramp}, []float32{0, .5, 1, .5}},
		"one of a pixel": {[][]float32{{.7}, {.2}}, []float32{0}},
	} {
		if got := depths(c.members); farthest(got, c.want) > 1e-6 {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
	// A flat one among others that agree changes little, and is no NaN.
	for _, v := range depths([][]float32{ramp, flat, ramp}) {
		if !(v >= 0 && v <= 1) {
			t.Errorf("a flat member gives %v", v)
		}
	}
}

func TestMedianOfAnEvenNumberIsTheLower(t *testing.T) {
	a := &alignment{members: [][]float32{{4}, {1}, {3}, {2}}}
	x := []float64{1, 1, 1, 1, 0, 0, 0, 0}
	if got := a.median(x, 0, make([]float64, 4)); got != 2 {
		t.Errorf("the median of 4, 1, 3, 2 is %v, want 2", got)
	}
}

func BenchmarkDepths(b *testing.B) {
	for _, n := range []int{3, 10} {
		members := make([][]float32, n)
		for i := range members {
			members[i] = noise(1, "bench", i, 576*768)
			for p := range members[i] {
				members[i][p] = members[i][p]/100 + float32(p)/(576*768)
			}
		}
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				depths(members)
			}
		})
	}
}
