package geowizard

import "math"

// depths makes one depth map of an ensemble's, between 0 at the nearest point
// and 1 at the farthest; a map without any depth in it is all 0.
//
// The members tell depth up to scale and shift, and so each is scaled and
// shifted to agree with the others (see alignment) before the middle of them is
// taken, pixel by pixel: the median, of an even number the lower of the two.
func depths(members [][]float32) []float32 {
	if len(members) == 1 {
		return stretch(members[0])
	}
	a := newAlignment(members)
	x := a.start()
	a.optimise(x)
	middle := make([]float32, len(members[0]))
	values := make([]float64, len(members))
	for p := range middle {
		middle[p] = float32(a.median(x, p, values))
	}
	return stretch(middle)
}

// stretch brings a map's extremes to 0 and 1.
func stretch(depth []float32) []float32 {
	lo, hi := extremes(depth)
	out := make([]float32, len(depth))
	if hi == lo {
		return out
	}
	for i, v := range depth {
		out[i] = (v - lo) / (hi - lo)
	}
	return out
}

func extremes(depth []float32) (lo, hi float32) {
	lo, hi = depth[0], depth[0]
	for _, v := range depth {
		lo, hi = min(lo, v), max(hi, v)
	}
	return lo, hi
}

// alignment is the question for the scales and shifts of an ensemble's depth.
// They are the 2n numbers x: n scales and then n shifts. The objective is
// GeoWizard's (its utils/depth_ensemble.py, from Marigold): the root of the mean
// square of the differences between all pairs of members, and a pull on the
// extremes of their median towards 0 and 1.
//
// GeoWizard lets scipy's BFGS take two steps from where each member is
// stretched to [0,1], with slopes from differences of float32 sums over 1.5e-8,
// which are mostly rounding errors: of equal kinds of members some move far and
// some don't move. Here the same two steps are taken with exact slopes in
// float64; scipy given those ends in the same place to 1e-15. Of 40 ensembles
// made of a known depth (testdata/make_goldens.py) GeoWizard's result was 0.002
// to 0.030 from this one, in the mean of a map, and for each kind farther from the
// truth; so was the start. More steps would do harm: the objective is lowest where all
// members vanish.
type alignment struct {
	members    [][]float32
	mean       []float64
	covariance [][]float64 // upper triangle
}

// pull weighs the extremes against the differences.
const pull = .02

func newAlignment(members [][]float32) *alignment {
	n := len(members)
	a := &alignment{members: members, mean: make([]float64, n), covariance: make([][]float64, n)}
	pixels := float64(len(members[0]))
	for i, m := range members {
		sum := 0.
		for _, v := range m {
			sum += float64(v)
		}
		a.mean[i] = sum / pixels
	}
	for i, m := range members {
		a.covariance[i] = make([]float64, n)
		for j := i; j < n; j++ {
			sum, other := 0., members[j][:len(m)]
			for p, v := range m {
				sum += (float64(v) - a.mean[i]) * (float64(other[p]) - a.mean[j])
			}
			a.covariance[i][j] = sum / pixels
		}
	}
	return a
}

// start stretches each member to [0,1]; one without depth becomes 0.
func (a *alignment) start() []float64 {
	n := len(a.members)
	x := make([]float64, 2*n)
	for i, m := range a.members {
		lo, hi := extremes(m)
		x[i] = 1
		if hi > lo {
			x[i] = 1 / (float64(hi) - float64(lo))
		}
		x[n+i] = -x[i] * float64(lo)
	}
	return x
}

// aligned is a member's value on the common scale. It isn't fused, so that it is
// the same to the bit wherever it is computed.
func aligned(scale float64, v float32, shift float64) float64 {
	return float64(scale*float64(v)) + shift
}

// median is the middle of the members at a pixel; values is room for one of each.
func (a *alignment) median(x []float64, pixel int, values []float64) float64 {
	n := len(values)
	for i, m := range a.members {
		v := aligned(x[i], m[pixel], x[n+i])
		k := i
		for ; k > 0 && values[k-1] > v; k-- {
			values[k] = values[k-1]
		}
		values[k] = v
	}
	return values[(n-1)/2]
}

// objective is what is minimised, and its slopes.
func (a *alignment) objective(x []float64) (float64, []float64) {
	n := len(a.members)
	scale, shift := x[:n], x[n:]
	slopes := make([]float64, 2*n)
	square, pairs := 0., float64(n*(n-1)/2)
	for i := range n {
		for j := i + 1; j < n; j++ {
			ii, jj, ij := a.covariance[i][i], a.covariance[j][j], a.covariance[i][j]
			d := scale[i]*a.mean[i] + shift[i] - scale[j]*a.mean[j] - shift[j]
			square += scale[i]*scale[i]*ii + scale[j]*scale[j]*jj - 2*scale[i]*scale[j]*ij + d*d
			slopes[i] += scale[i]*ii - scale[j]*ij + d*a.mean[i]
			slopes[j] += scale[j]*jj - scale[i]*ij - d*a.mean[j]
			slopes[n+i] += d
			slopes[n+j] -= d
		}
	}
	root := math.Sqrt(max(0, square/pairs))
	for i := range slopes {
		if root < 1e-9 { // equal members: rounding errors are left, and the root has no slope
			slopes[i] = 0
			continue
		}
		slopes[i] /= root * pairs
	}
	lo, hi := a.medianExtremes(x)
	a.addSlope(slopes, x, lo, pull*sign(lo.value))
	a.addSlope(slopes, x, hi, -pull*sign(1-hi.value))
	return root + pull*(math.Abs(lo.value)+math.Abs(1-hi.value)), slopes
}

// extreme is a value of the median map and where it is.
type extreme struct {
	value float64
	pixel int
}

func (a *alignment) medianExtremes(x []float64) (lo, hi extreme) {
	lo.value, hi.value = math.Inf(1), math.Inf(-1)
	values := make([]float64, len(a.members))
	for p := range a.members[0] {
		v := a.median(x, p, values)
		if v < lo.value {
			lo = extreme{v, p}
		}
		if v > hi.value {
			hi = extreme{v, p}
		}
	}
	return lo, hi
}

// addSlope adds the slopes of an extreme, which hang on the one member that is
// the median there.
func (a *alignment) addSlope(slopes, x []float64, e extreme, weight float64) {
	n := len(a.members)
	for i, m := range a.members {
		if aligned(x[i], m[e.pixel], x[n+i]) == e.value {
			slopes[i] += weight * float64(m[e.pixel])
			slopes[n+i] += weight
			return
		}
	}
}

// sign has a width at 0: where several members have their extreme at one pixel
// the median's is 0 or 1 but for rounding errors, which must not choose a slope.
func sign(v float64) float64 {
	switch {
	case v > 1e-9:
		return 1
	case v < -1e-9:
		return -1
	}
	return 0
}
