package geowizard

import (
	"math"
	"testing"
)

func TestNormalsNearestToTheMean(t *testing.T) {
	const area = 6
	at := func(azimuth, inclination float64) []float32 {
		n := make([]float32, 3*area)
		for p := range area {
			n[p] = float32(math.Sin(inclination) * math.Cos(azimuth))
			n[area+p] = float32(math.Sin(inclination) * math.Sin(azimuth))
			n[2*area+p] = float32(math.Cos(inclination))
		}
		return n
	}
	a, b, c := at(.3, .5), at(.5, .6), at(.9, .9)
	members := [][]float32{a, c, b}
	if got := normals(members); &got[0] != &b[0] {
		t.Errorf("not the one in the middle")
	}
	// The length doesn't count, and what is chosen is given as it was.
	for i := range b {
		b[i] *= 3
	}
	if got := normals(members); &got[0] != &b[0] {
		t.Errorf("a longer member isn't chosen")
	}
	// Equal members: the first. Without a direction: no NaN that wins.
	if got := normals([][]float32{a, a}); &got[0] != &a[0] {
		t.Error("of equals not the first")
	}
	zero := make([]float32, 3*area)
	if got := normals([][]float32{zero, a, a}); &got[0] != &a[0] {
		t.Error("a member without directions is chosen")
	}
}

// Azimuths are averaged as plain numbers, as the reference does: just above and
// just below a half turn give 0, the opposite.
func TestAzimuthsAverageAsNumbers(t *testing.T) {
	left := func(y float32) []float32 { return []float32{-1, y, 0} }
	right := []float32{1, 0, 0}
	if got := normals([][]float32{left(.01), left(-.01), right}); &got[0] != &right[0] {
		t.Errorf("%v is chosen, want %v", got, right)
	}
}
