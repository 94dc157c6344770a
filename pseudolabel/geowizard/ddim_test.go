package geowizard

import (
	"math"
	"strings"
	"testing"
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

// diffusersBound is for factors from the float32 alphas of diffusers; 5.1e-7 was
// seen.
const diffusersBound = 1e-6

func TestStepsAreDiffusers(t *testing.T) {
	var cases []struct {
		Prediction    string
		SetAlphaToOne bool `json:"set_alpha_to_one"`
		Steps         int
		Plan          []struct {
			Timestep           int64
			Sample, Prediction float64
		}
	}
	readJSON(t, "ddim.json", &cases)
	worst := 0.
	for _, c := range cases {
		s := sd2()
		s.Prediction, s.SetAlphaToOne = c.Prediction, c.SetAlphaToOne
		plan, err := newPlan(s, c.Steps)
		if err != nil || len(plan) != len(c.Plan) {
			t.Fatalf("%d steps: %d, %v", c.Steps, len(plan), err)
		}
		for i, want := range c.Plan {
			got := plan[i]
			if got.timestep != want.Timestep {
				t.Errorf("%+v: step %d is at %d, want %d", s, i, got.timestep, want.Timestep)
			}
			off := max(math.Abs(got.sample-want.Sample), math.Abs(got.prediction-want.Prediction))
			if worst = max(worst, off); !(off <= diffusersBound) {
				t.Errorf("%s, %d steps: step %d is %+v, want %+v", c.Prediction, c.Steps, i, got, want)
			}
		}
	}
	t.Logf("factors at most %.2g off", worst)
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
