package geowizard

import (
	"math"
	"slices"
)

// GeoWizard's steps and tolerance for scipy's BFGS.
const (
	mostSteps = 2
	flatness  = 1e-3 // of every slope
)

// optimise improves scales and shifts in place, by the method of Broyden,
// Fletcher, Goldfarb and Shanno (Nocedal and Wright, Numerical Optimization,
// algorithm 6.1) as scipy has it: the inverse Hessian begins as 1, and a first
// try of a step falls as far as the step before.
func (a *alignment) optimise(x []float64) {
	begin := slices.Clone(x)
	value, slopes := a.objective(x)
	before := value + math.Sqrt(dot(slopes, slopes))/2
	inverse := identity(len(x))
	for range mostSteps {
		if steepest(slopes) <= flatness {
			break
		}
		direction := make([]float64, len(x))
		for i := range direction {
			direction[i] = -dot(inverse[i], slopes)
		}
		slope := dot(slopes, direction)
		first := min(1, 2.02*(value-before)/slope)
		if first < 0 {
			first = 1
		}
		if !(slope < 0) || first == 0 {
			break
		}
		next, nextSlopes := slices.Clone(x), slopes
		p, found := search(point{0, value, slope}, first, func(step float64) point {
			for i := range next {
				next[i] = x[i] + step*direction[i]
			}
			v, s := a.objective(next)
			nextSlopes = s
			return point{step, v, dot(s, direction)}
		})
		if !found {
			break
		}
		inverse = update(inverse, minus(next, x), minus(nextSlopes, slopes))
		before, value, slopes = value, p.value, nextSlopes
		copy(x, next)
	}
	for _, scale := range x[:len(a.members)] {
		// A member turned inside out would have near and far the wrong way round.
		if !(scale > 0) {
			copy(x, begin)
			return
		}
	}
}

// update is the inverse Hessian after a step that changed the slopes.
func update(inverse [][]float64, step, change []float64) [][]float64 {
	rho := 1 / dot(step, change)
	if math.IsInf(rho, 0) {
		rho = 1000 // scipy's
	}
	left := make([]float64, len(step)) // inverse * change
	for i := range left {
		left[i] = dot(inverse[i], change)
	}
	curved := 1 + rho*dot(change, left)
	next := identity(len(step))
	for i := range next {
		for j := range next[i] {
			next[i][j] = inverse[i][j] - rho*(step[i]*left[j]+left[i]*step[j]) + rho*curved*step[i]*step[j]
		}
	}
	return next
}

func identity(n int) [][]float64 {
	m := make([][]float64, n)
	for i := range m {
		m[i] = make([]float64, n)
		m[i][i] = 1
	}
	return m
}

func dot(a, b []float64) float64 {
	sum := 0.
	for i, v := range a {
		sum += v * b[i]
	}
	return sum
}

func minus(a, b []float64) []float64 {
	d := make([]float64, len(a))
	for i, v := range a {
		d[i] = v - b[i]
	}
	return d
}

func steepest(slopes []float64) float64 {
	most := 0.
	for _, v := range slopes {
		most = max(most, math.Abs(v))
	}
	return most
}
