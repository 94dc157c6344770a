package geowizard

import (
	"fmt"
	"math"
)

// step is one step of DDIM without noise (Song et al., arXiv 2010.02502, eta 0).
// Sample and prediction come in only linearly, so that a step is two factors:
// the next sample is sample*x + prediction*p. Unless the schedule clips: then
// what clipping takes from the picture that the step sees is missing from the next.
type step struct {
	timestep           int64
	sample, prediction float64
	clip               *clip // nil: nothing is clipped
}

// clip cuts the picture that a step sees, seenSample*x + seenPrediction*p, to
// [-1,1]; signal is its share in the next sample. The noise that goes on stays
// that of the unclipped one, as in diffusers.
type clip struct{ seenSample, seenPrediction, signal float64 }

// newPlan gives the steps from noise to what it hides, as diffusers'
// DDIMScheduler spaces them ("leading"). The sums are float64; diffusers has
// float32, whose alphas differ by up to 1e-6.
func newPlan(s Scheduler, steps int) ([]step, error) {
	if steps < 1 || steps > s.TrainTimesteps {
		return nil, fmt.Errorf("%d steps: the model's schedule has 1 to %d", steps, s.TrainTimesteps)
	}
	stride := s.TrainTimesteps / steps
	if last := (steps-1)*stride + s.StepsOffset; last >= s.TrainTimesteps {
		return nil, fmt.Errorf("%d steps begin at timestep %d: the model has timesteps to %d, take fewer steps", steps, last, s.TrainTimesteps-1)
	}
	alphas := alphasCumprod(s)
	plan := make([]step, steps)
	for i := range plan {
		t := (steps-1-i)*stride + s.StepsOffset
		to := alphas[0]
		if s.SetAlphaToOne {
			to = 1
		}
		if t >= stride {
			to = alphas[t-stride]
		}
		plan[i] = newStep(s.Prediction, alphas[t], to)
		plan[i].timestep = int64(t)
		if s.ClipSample {
			seen := newStep(s.Prediction, alphas[t], 1) // where all is signal there is the picture
			plan[i].clip = &clip{seen.sample, seen.prediction, math.Sqrt(to)}
		}
	}
	return plan, nil
}

// newStep goes from one cumulative product of alphas to another.
func newStep(prediction string, from, to float64) step {
	signal, noise := math.Sqrt(from), math.Sqrt(1-from)
	nextSignal, nextNoise := math.Sqrt(to), math.Sqrt(1-to)
	if prediction == Epsilon {
		// x0 = (x - noise*p) / signal, and p is the noise itself.
		return step{sample: nextSignal / signal, prediction: nextNoise - nextSignal*noise/signal}
	}
	// x0 = signal*x - noise*p, and the noise is signal*p + noise*x.
	return step{
		sample:     nextSignal*signal + nextNoise*noise,
		prediction: nextNoise*signal - nextSignal*noise,
	}
}

// alphasCumprod is, for each timestep of the training, the share of the signal
// in the sample's variance.
func alphasCumprod(s Scheduler) []float64 {
	start, end := s.BetaStart, s.BetaEnd
	if s.BetaSchedule == ScaledLinear {
		start, end = math.Sqrt(start), math.Sqrt(end)
	}
	alphas := make([]float64, s.TrainTimesteps)
	product := 1.
	for t := range alphas {
		beta := start + (end-start)*float64(t)/float64(len(alphas)-1)
		if s.BetaSchedule == ScaledLinear {
			beta *= beta
		}
		product *= 1 - beta
		alphas[t] = product
	}
	return alphas
}

// apply makes the step in place. The conversions keep products from being fused
// with the sum, which would make the last bit depend on the machine.
func (s step) apply(x, prediction []float32) {
	prediction = prediction[:len(x)]
	for i, v := range x {
		p := float64(prediction[i])
		next := float64(s.sample*float64(v)) + float64(s.prediction*p)
		if s.clip != nil {
			seen := float64(s.clip.seenSample*float64(v)) + float64(s.clip.seenPrediction*p)
			next += float64(s.clip.signal * (min(max(seen, -1), 1) - seen))
		}
		x[i] = float32(next)
	}
}
