package geowizard

import "math"

// normals gives the member of an ensemble of [3,H,W] that is nearest to the
// mean of them all: that with the lowest sum of angles, the first of equals.
// The mean is GeoWizard's (utils/normal_ensemble.py), of azimuth and
// inclination each by itself, though azimuths that differ by a turn average
// badly.
func normals(members [][]float32) []float32 {
	if len(members) == 1 {
		return members[0]
	}
	area := len(members[0]) / 3
	sums := make([]float64, len(members))
	n := make([][3]float64, len(members))
	for p := range area {
		azimuth, inclination := 0., 0.
		for i, m := range members {
			n[i] = unit(m[p], m[area+p], m[2*area+p])
			azimuth += math.Atan2(n[i][1], n[i][0])
			inclination += math.Atan2(math.Hypot(n[i][0], n[i][1]), n[i][2])
		}
		sinA, cosA := math.Sincos(azimuth / float64(len(members)))
		sinI, cosI := math.Sincos(inclination / float64(len(members)))
		for i, v := range n {
			cos := sinI*cosA*v[0] + sinI*sinA*v[1] + cosI*v[2]
			sums[i] += math.Acos(min(max(cos, -.999), .999))
		}
	}
	best := 0
	for i, s := range sums {
		if s < sums[best] {
			best = i
		}
	}
	return members[best]
}

// unit has length 1, or 0 where there is no direction.
func unit(x, y, z float32) [3]float64 {
	v := [3]float64{float64(x), float64(y), float64(z)}
	length := max(math.Sqrt(v[0]*v[0]+v[1]*v[1]+v[2]*v[2]), 1e-12)
	return [3]float64{v[0] / length, v[1] / length, v[2] / length}
}
