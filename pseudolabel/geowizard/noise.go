package geowizard

import (
	"crypto/sha256"
	"encoding/binary"
	"math"
	"math/rand/v2"
)

// channels of a latent.
const channels = 4

// noise draws n numbers of the standard normal distribution for a member of a
// picture's ensemble. The stream is ChaCha8 (github.com/C2SP/C2SP, chacha8rand)
// from a hash of all three, so that no two pictures share noise by accident.
//
// The numbers come by Marsaglia's polar method with a logarithm of our own: it
// takes additions, products, divisions and square roots alone, which IEEE 754
// rounds in one way. What math.Log and rand.NormFloat64 give in their last bits
// is left to Go's version and the machine.
func noise(seed uint64, key string, member, n int) []float32 {
	var text []byte
	text = append(text, "geowizard noise 1\x00"...)
	text = binary.BigEndian.AppendUint64(text, seed)
	text = binary.BigEndian.AppendUint64(text, uint64(member))
	text = append(text, key...)
	source := rand.NewChaCha8(sha256.Sum256(text))
	out := make([]float32, 0, n+1)
	for len(out) < n {
		x, y := uniform(source.Uint64()), uniform(source.Uint64())
		r := float64(x*x) + float64(y*y)
		if r >= 1 || r == 0 {
			continue
		}
		scale := math.Sqrt(-2 * ln(r) / r)
		out = append(out, float32(x*scale), float32(y*scale))
	}
	return out[:n]
}

// uniform is a number of [-1, 1), a multiple of 2^-52.
func uniform(bits uint64) float64 { return float64(float64(bits>>11)/(1<<52)) - 1 }

// ln is the natural logarithm to within 2 units of the last place, for x > 0:
// 2 artanh((m-1)/(m+1)) + e ln 2 of x = m 2^e.
func ln(x float64) float64 {
	m, e := math.Frexp(x)
	if m < math.Sqrt2/2 {
		m, e = 2*m, e-1
	}
	z := (m - 1) / (m + 1) // up to 0.172
	zz := float64(z * z)
	sum := 0.
	for k := 23; k >= 1; k -= 2 {
		sum = float64(sum*zz) + 1/float64(k)
	}
	return float64(2*z*sum) + float64(float64(e)*math.Ln2)
}
