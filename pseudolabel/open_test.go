package pseudolabel

import (
	"context"
	"slices"
	"testing"

	"micodata/gpu"
)

// warmed is a session that notes how many rows its runs have.
type warmed struct {
	gpu.Runner
	rows []int64
}

func (w *warmed) Inputs() []gpu.IO {
	return []gpu.IO{{Name: "image", Shape: []int64{-1, 3, 4, 4}, Type: "float32"}}
}

func (w *warmed) Run(_ context.Context, in map[string]gpu.Tensor) (map[string]gpu.Tensor, error) {
	w.rows = append(w.rows, in["image"].Shape[0])
	return nil, gpu.ErrOutOfMemory // no error of opening: a smaller batch may fit
}

// A GPU is made ready for the runs that come, which are all of one size: a run of
// another would be chosen for in vain.
func TestWarmUp(t *testing.T) {
	for _, c := range []struct {
		onGPU bool
		want  []int64
	}{{true, []int64{8}}, {false, nil}} {
		w := &warmed{}
		l := loader{onGPU: c.onGPU}
		if err := l.warmUp(t.Context(), []gpu.Runner{w}, 8, nil); err != nil || !slices.Equal(w.rows, c.want) {
			t.Errorf("on a GPU %v: runs of %v rows (%v), want %v", c.onGPU, w.rows, err, c.want)
		}
	}
}
