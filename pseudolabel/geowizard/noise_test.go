package geowizard

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// The numbers may never change: they are in data sets.
func TestNoiseStays(t *testing.T) {
	got := noise(1, "clip/000001", 2, 10_000)
	var raw []byte
	for _, v := range got {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(v))
	}
	sum := sha256.Sum256(raw)
	if have, want := hex.EncodeToString(sum[:8]), "940d53f31d70d2c2"; have != want {
		t.Errorf("noise begins with %v and has sha256 %s, want %s", got[:4], have, want)
	}
	if short := noise(1, "clip/000001", 2, 7); !slices.Equal(short, got[:7]) {
		t.Error("fewer numbers are other numbers")
	}
}

func TestNoiseIsEachPicturesOwn(t *testing.T) {
	seen := map[float32]string{}
	for name, v := range map[string][]float32{
		"first":        noise(1, "a", 0, 4),
		"other key":    noise(1, "b", 0, 4),
		"other member": noise(1, "a", 1, 4),
		"other seed":   noise(2, "a", 0, 4),
		"swapped":      noise(0, "a", 1, 4),
		"no key":       noise(1, "", 0, 4),
		// What would be the same text, were the parts not of fixed length.
		"shifted": noise(1, "\x00a", 0, 4),
	} {
		if other, ok := seen[v[0]]; ok {
			t.Errorf("%s and %s begin alike", name, other)
		}
		seen[v[0]] = name
	}
}

func TestNoiseIsNormal(t *testing.T) {
	const n = 400_000
	v := noise(7, "statistics", 0, n)
	var mean, square, fourth, neighbours float64
	below := [3]int{} // of -1, 0 and 2 standard deviations
	for i, f := range v {
		x := float64(f)
		mean += x / n
		square += x * x / n
		fourth += x * x * x * x / n
		if i > 0 {
			neighbours += x * float64(v[i-1]) / n
		}
		for k, limit := range []float64{-1, 0, 2} {
			if x < limit {
				below[k]++
			}
		}
	}
	// Five standard errors each.
	s := 5 / math.Sqrt(n)
	if math.Abs(mean) > s || math.Abs(square-1) > math.Sqrt2*s || math.Abs(fourth-3) > math.Sqrt(96)*s || math.Abs(neighbours) > s {
		t.Errorf("mean %v, square %v, fourth power %v, neighbours %v", mean, square, fourth, neighbours)
	}
	for k, want := range []float64{.158655, .5, .977250} {
		if got := float64(below[k]) / n; math.Abs(got-want) > s/2 {
			t.Errorf("a share of %v lies below, want %v", got, want)
		}
	}
}

func TestLogarithm(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for i := range 200_000 {
		x := r.Float64()
		if i%3 == 0 {
			x = math.Ldexp(x, -r.IntN(100))
		}
		if x == 0 {
			continue
		}
		if got, want := ln(x), math.Log(x); math.Abs(got-want) > 5e-16*max(math.Abs(want), .01) {
			t.Fatalf("ln %v is %v, want %v", x, got, want)
		}
	}
	if ln(1) != 0 {
		t.Errorf("ln 1 is %v", ln(1))
	}
}

func BenchmarkNoise(b *testing.B) {
	for b.Loop() {
		noise(1, "a", 0, channels*72*96)
	}
}
