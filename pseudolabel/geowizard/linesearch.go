package geowizard

import "math"

// Constants of the line search: those of scipy.optimize's BFGS, which are those
// of MINPACK-2.
const (
	sufficient = 1e-4 // of the descent that the slope promises must come true
	curvature  = .9   // of the slope may be left
	nearer     = .66  // an interval must shrink to this of what it was two steps ago
	shortest   = 1e-14
	// mostTries is far above the 1 to 5 that were seen; an objective with kinks
	// needn't have a point that satisfies both conditions.
	mostTries = 30
)

// point is a place on a line, with the value and the slope there.
type point struct{ at, value, slope float64 }

// search finds a step to a point on a line where the value is sufficiently
// lower than at 0 and the slope has lost its steepness (the strong Wolfe
// conditions), by the method of Moré and Thuente, "Line search algorithms with
// guaranteed sufficient decrease" (ACM TOMS 20, 1994). It is false where it finds none.
func search(start point, first float64, line func(float64) point) (point, bool) {
	promise := sufficient * start.slope
	low, high := start, start // the best so far and the other end
	bracketed, auxiliary := false, true
	least, most := 0., 5*first
	width, before := math.Inf(1), math.Inf(1)
	step := first
	for range mostTries {
		p := line(step)
		bound := start.value + step*promise
		if auxiliary && p.value <= bound && p.slope >= 0 {
			auxiliary = false
		}
		if p.value <= bound && math.Abs(p.slope) <= -curvature*start.slope {
			return p, true
		}
		if bracketed && (step <= least || step >= most || most-least <= shortest*most) {
			return p, false
		}
		if auxiliary && p.value <= low.value && p.value > bound {
			// Until a point is low enough the search is for a minimum of what is left
			// after the promised descent.
			less := func(p point, sign float64) point {
				return point{p.at, p.value - sign*p.at*promise, p.slope - sign*promise}
			}
			low, high = less(low, 1), less(high, 1)
			low, high, step, bracketed = narrow(low, high, less(p, 1), bracketed, least, most)
			low, high = less(low, -1), less(high, -1)
		} else {
			low, high, step, bracketed = narrow(low, high, p, bracketed, least, most)
		}
		if bracketed {
			now := math.Abs(high.at - low.at)
			if now >= nearer*before {
				step = low.at + .5*(high.at-low.at)
			}
			before, width = width, now
			least, most = min(low.at, high.at), max(low.at, high.at)
			if step <= least || step >= most || most-least <= shortest*most {
				step = low.at
			}
		} else {
			least, most = step+1.1*(step-low.at), step+4*(step-low.at)
		}
	}
	return point{}, false
}

// narrow takes a new point p into the interval between low and high and gives
// the next place to try, from the cubic and the parabola through values and
// slopes.
func narrow(low, high, p point, bracketed bool, least, most float64) (_, _ point, next float64, _ bool) {
	opposite := p.slope*math.Copysign(1, low.slope) < 0
	secant := p.at + p.slope/(p.slope-low.slope)*(low.at-p.at)
	switch {
	case p.value > low.value: // a minimum lies between
		cubic, _ := minimum(low, p)
		parabola := low.at + low.slope/((low.value-p.value)/(p.at-low.at)+low.slope)/2*(p.at-low.at)
		next = cubic
		if math.Abs(cubic-low.at) >= math.Abs(parabola-low.at) {
			next = cubic + (parabola-cubic)/2
		}
		bracketed = true
	case opposite: // and here
		cubic, _ := minimum(p, low)
		next = secant
		if math.Abs(cubic-p.at) > math.Abs(secant-p.at) {
			next = cubic
		}
		bracketed = true
	case math.Abs(p.slope) < math.Abs(low.slope): // the slope falls off: one may lie ahead
		cubic, ahead := minimum(p, low)
		if !ahead {
			cubic = least
			if p.at > low.at {
				cubic = most
			}
		}
		closer := math.Abs(cubic-p.at) < math.Abs(secant-p.at)
		if closer == bracketed {
			next = cubic
		} else {
			next = secant
		}
		if !bracketed {
			next = min(max(next, least), most)
		} else if limit := p.at + nearer*(high.at-p.at); p.at > low.at {
			next = min(next, limit)
		} else {
			next = max(next, limit)
		}
	case bracketed:
		next, _ = minimum(p, high)
	case p.at > low.at:
		next = most
	default:
		next = least
	}
	if p.value > low.value {
		return low, p, next, bracketed
	}
	if opposite {
		high = low
	}
	return p, high, next, bracketed
}

// minimum is where the cubic through two points with their slopes is lowest,
// and whether that is at all, on b's side of a.
func minimum(a, b point) (at float64, ahead bool) {
	theta := 3*(a.value-b.value)/(b.at-a.at) + a.slope + b.slope
	scale := max(math.Abs(theta), math.Abs(a.slope), math.Abs(b.slope))
	gamma := scale * math.Sqrt(max(0, theta/scale*(theta/scale)-a.slope/scale*(b.slope/scale)))
	if b.at < a.at {
		gamma = -gamma
	}
	r := (gamma - a.slope + theta) / (gamma - a.slope + gamma + b.slope)
	return a.at + r*(b.at-a.at), r < 0 && gamma != 0
}
