package scenecut

import (
	"math/rand/v2"
	"testing"
)

// BenchmarkScore is the cost of one frame of the common case, 64x36 cells of 8-bit 4:2:0, on noise.
func BenchmarkScore(b *testing.B) {
	for name, pixFmt := range map[string]string{"yuv": "yuv420p", "bgr": "yuv422p"} {
		b.Run(name, func(b *testing.B) {
			plan, err := NewPlan(Source{Width: 1280, Height: 720, PixFmt: pixFmt})
			if err != nil {
				b.Fatal(err)
			}
			noise := rand.New(rand.NewPCG(1, 2))
			frames := [2][]byte{make([]byte, plan.FrameBytes()), make([]byte, plan.FrameBytes())}
			for i := range frames[0] {
				frames[0][i], frames[1][i] = byte(noise.Uint32()), byte(noise.Uint32())
			}
			s := NewScorer(plan)
			b.ReportAllocs()
			b.ResetTimer()
			for i := range b.N {
				s.Score(frames[i&1])
			}
		})
	}
}
