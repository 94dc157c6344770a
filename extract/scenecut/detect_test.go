package scenecut

import (
	"slices"
	"testing"
)

func TestDetectorRules(t *testing.T) {
	hits := func(frames int, at ...int) []float64 {
		scores := make([]float64, frames)
		for _, i := range at {
			scores[i] = 11.5
		}
		return scores
	}
	for name, c := range map[string]struct {
		scores    []float64
		minFrames int
		want      []int
	}{
		"the threshold itself cuts":             {hits(40, 20), 15, []int{20}},
		"just below does not":                   {append(hits(20), 11.499999), 15, nil},
		"frame 15 is the first that can":        {hits(40, 14, 15), 15, []int{15}},
		"a passed-over frame is not remembered": {hits(40, 14), 15, nil},
		"a passed-over frame delays nothing":    {hits(60, 20, 30, 35), 15, []int{20, 35}},
		"the last scene may be one frame":       {hits(21, 20), 15, []int{20}},
		"every frame, no minimum":               {hits(4, 1, 2, 3), 0, []int{1, 2, 3}},
		"every frame at a minimum of 15":        {hits(50, seq(50)...), 15, []int{15, 30, 45}},
	} {
		if got := cutsOf(c.scores, 11.5, c.minFrames); !slices.Equal(got, c.want) {
			t.Errorf("%s: cuts %v, want %v", name, got, c.want)
		}
	}
}

func seq(n int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	return all
}
