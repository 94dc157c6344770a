package geowizard

import (
	"context"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"micodata/gpu"
	"micodata/internal/npy"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// sd2 is Stable Diffusion 2's schedule.
func sd2() Scheduler {
	return Scheduler{
		TrainTimesteps: 1000, BetaStart: .00085, BetaEnd: .012, BetaSchedule: "scaled_linear",
		Prediction: VPrediction, StepsOffset: 1, TimestepSpacing: "leading",
	}
}

// testCard is a card of v2 with one small bucket.
func testCard() Card {
	return Card{Version: V2, Encoder: "e.onnx", UNet: "u.onnx", Decoder: "d.onnx", Buckets: []Bucket{{64, 128}}, Scheduler: sd2()}
}

type tensors = map[string]gpu.Tensor

// network is a function as a network.
type network func(ctx context.Context, in tensors) (tensors, error)

func (n network) Run(ctx context.Context, in tensors) (tensors, error) { return n(ctx, in) }

func readJSON(t *testing.T, name string, into any) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, into); err != nil {
		t.Fatal(err)
	}
}

func readNPY(t *testing.T, name string) *npy.Array {
	t.Helper()
	a, err := npy.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// farthest is the largest difference; of unequal lengths it is infinite.
func farthest(a, b []float32) float64 {
	if len(a) != len(b) {
		return math.Inf(1)
	}
	most := 0.
	for i, v := range a {
		d := math.Abs(float64(v) - float64(b[i]))
		if !(d <= most) {
			most = d
		}
	}
	return most
}
