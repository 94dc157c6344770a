package testmedia

import (
	"math"
	"slices"
)

// MeanLuma is the mean of a frame's luma, 0 to 255.
func MeanLuma(frame []byte) float64 {
	sum := 0
	for _, v := range frame {
		sum += int(v)
	}
	return float64(sum) / float64(max(1, len(frame)))
}

// FindFlashes returns the times of the flashes of a [FlashBeep] clip, given each
// frame's mean luma and presentation time: the first frame of each run that is
// nearer to the brightest frame than to the median one. It finds none where no
// frame stands out by 40 of 255.
func FindFlashes(lumaMeans []float64, pts []float64) []float64 {
	if len(lumaMeans) == 0 {
		return nil
	}
	sorted := slices.Sorted(slices.Values(lumaMeans))
	median, brightest := sorted[len(sorted)/2], sorted[len(sorted)-1]
	if brightest-median < 40 {
		return nil
	}
	var found []float64
	lit := false
	for i, l := range lumaMeans {
		was := lit
		lit = l > (median+brightest)/2
		if lit && !was {
			found = append(found, pts[i])
		}
	}
	return found
}

// FindBeeps returns the onsets of the beeps of a [FlashBeep] clip in mono sound, in
// seconds from sample 0: where the sound first reaches half of the loudest
// sample after at least 20 ms below that. It finds none in near silence (peak
// under 0.02). Lossless sound gives the exact sample, AAC within 1 ms.
func FindBeeps(pcm []float32, rate int) []float64 {
	var peak float64
	for _, v := range pcm {
		peak = max(peak, math.Abs(float64(v)))
	}
	if peak < 0.02 {
		return nil
	}
	var found []float64
	quiet := rate / 50
	loud := -quiet - 1
	for i, v := range pcm {
		if math.Abs(float64(v)) < peak/2 {
			continue
		}
		if i-loud > quiet {
			found = append(found, float64(i)/float64(rate))
		}
		loud = i
	}
	return found
}
