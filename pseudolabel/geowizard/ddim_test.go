package geowizard

import (
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// Stable Diffusion 2's schedule, from float64 sums.
func TestAlphas(t *testing.T) {
	alphas := alphasCumprod(sd2())
	for i, want := range map[int]float64{
		0: .999150000, 1: .998296028, 101: .892980537, 201: .752143402, 401: .422881524,
		501: .274999067, 801: .036546525, 901: .014004898, 999: .004660099,
	} {
		if math.Abs(alphas[i]-want) > 1e-9 {
			t.Errorf("alpha %d is %.9f, want %.9f", i, alphas[i], want)
		}
	}
}

// diffusersBound is for steps with the float32 alphas of diffusers, as a part of
// the largest factor in them.
const diffusersBound = 1e-6

func TestStepsAreDiffusers(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("testdata", "ddim.json"))
	if err != nil {
		t.Fatal(err)
	}
	var golden struct {
		Samples, Predictions []float32
		Cases                []struct {
			Scheduler Scheduler
			Steps     int
			Plan      []struct {
				Timestep int64
				Next     []float64
			}
		}
	}
	if err := yaml.Unmarshal(text, &golden); err != nil { // JSON is YAML, and the schedules have a card's names
		t.Fatal(err)
	}
	worst, clipped := 0., 0
	for _, c := range golden.Cases {
		plan, err := newPlan(c.Scheduler, c.Steps)
		if err != nil || len(plan) != len(c.Plan) {
			t.Fatalf("%d steps: %d, %v", c.Steps, len(plan), err)
		}
		for i, want := range c.Plan {
			got := plan[i]
			if got.timestep != want.Timestep {
				t.Errorf("%+v: step %d is at %d, want %d", c.Scheduler, i, got.timestep, want.Timestep)
			}
			linear := got
			linear.clip = nil
			next, free := slices.Clone(golden.Samples), slices.Clone(golden.Samples)
			got.apply(next, golden.Predictions)
			linear.apply(free, golden.Predictions)
			scale := max(1, math.Abs(got.sample), math.Abs(got.prediction))
			for k, v := range next {
				off := math.Abs(float64(v)-want.Next[k]) / scale / max(1, math.Abs(float64(golden.Samples[k])), math.Abs(float64(golden.Predictions[k])))
				if worst = max(worst, off); !(off <= diffusersBound) {
					t.Errorf("%+v, %d steps: step %d makes %v of %v and %v, want %v", c.Scheduler, c.Steps, i, v, golden.Samples[k], golden.Predictions[k], want.Next[k])
				}
				if v != free[k] {
					clipped++
				}
			}
		}
	}
	if clipped < 100 {
		t.Errorf("%d values are clipped: the goldens say little of it", clipped)
	}
	t.Logf("at most %.2g off; %d values clipped", worst, clipped)
}

func TestStepsThatCantBe(t *testing.T) {
	for steps, says := range map[int]string{
		-1: "1 to 1000", 1001: "1 to 1000",
		1000: "timestep 1000", // in diffusers an index out of range
	} {
		if _, err := newPlan(sd2(), steps); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%d steps: %v, want an error with %q", steps, err, says)
		}
	}
	if _, err := newPlan(sd2(), 500); err != nil {
		t.Error(err)
	}
}
