package verify

import (
	"fmt"
	"math"
	"math/bits"
	"math/cmplx"

	"micodata/dataset"
)

// silent is -60 dBFS, as a share of full scale.
const silent = 0.001

// sound checks the column audio against the scalar columns and the clip's own
// sound.
func (c *check) sound(m *clipMedia) {
	t := c.t
	if m.audio == nil {
		if m.track != nil && !isMissing(t, "audio") && c.v.manifest.Settings.Keeps("audio") {
			c.problem("audio", "is null, but the clip has sound")
		}
		if t.Silence != 1 && c.v.manifest.Settings.Keeps("audio") {
			c.problem("silence", "is %v; without a sound it is 1", t.Silence)
		}
		return
	}
	rate := m.audio.Audio.SampleRate
	if int(t.AudioRate) != rate || int(t.AudioChannels) != m.audio.Audio.Channels {
		c.problem("audio_rate and audio_channels", "%d Hz, %d channels; the columns say %d Hz, %d", rate, m.audio.Audio.Channels, t.AudioRate, t.AudioChannels)
	}
	if feature := c.v.manifest.AudioRate; feature > 0 && rate != feature {
		c.problem("audio", "%d Hz, the column's feature says %d", rate, feature)
	}
	extracted := c.v.manifest.Stages[dataset.StageExtract]
	if want := extracted.Int("audio_channels"); want > 0 && m.audio.Audio.Channels != want {
		c.problem("audio", "%d channels, the settings say %d", m.audio.Audio.Channels, want)
	}
	if want := c.v.audioFormat(); m.audio.Codec != want && (want != "wav" || m.audio.Codec != "pcm_s16le") {
		c.problem("audio", "is %s, the settings say %s", m.audio.Codec, want)
	}
	if want := math.Round(t.Duration * float64(rate)); math.Abs(float64(m.samples)-want) > 1 {
		c.problem("audio", "%d samples; %v s at %d Hz are %v", m.samples, t.Duration, rate, want)
	}
	// It was measured before coding, which MP3 does not leave as it was.
	if share := m.silence.Share(); m.audio.Codec != "mp3" && !near(t.Silence, share) {
		c.problem("silence", "is %v, measured %v", t.Silence, share)
	}
	if m.video == nil {
		return
	}
	if m.track == nil {
		c.problem("audio", "the clip has no sound, the column has")
		return
	}
	if d := soundsDiffer(m.heard, m.stored, timeSlack+0.5/max(1, t.FPS), "the clip's own sound"); d != "" {
		c.problem("audio sync", "%s", d)
	}
}

// soundWindow is how much of a sound is compared at a time, so that a drift
// shows, and an hour takes no more memory than a minute.
const soundWindow = 60 * soundRate

// soundsDiffer tells where the sound that is stored as audio first differs from
// the same sound elsewhere, or lies further from it than some seconds; "" if
// nowhere.
func soundsDiffer(heard, stored []float32, tolerance float64, whose string) string {
	n := min(len(heard), len(stored))
	for from := 0; from < n; from += soundWindow {
		to := min(from+soundWindow, n)
		if d := windowsDiffer(heard[from:to], stored[from:to], tolerance, whose); d != "" {
			return fmt.Sprintf("from %v s on, %s", from/soundRate, d)
		}
	}
	return ""
}

func windowsDiffer(heard, stored []float32, tolerance float64, whose string) string {
	quietHeard, quietStored := rms(heard) < silent, rms(stored) < silent
	if quietHeard || quietStored {
		if quietHeard != quietStored && max(rms(heard), rms(stored)) > 10*silent {
			return "one of audio and " + whose + " is silent, the other is not"
		}
		return ""
	}
	lag, same, alike := align(heard, stored, int(tolerance*soundRate))
	switch {
	case alike < leastAlike:
		return fmt.Sprintf("audio is not %s (correlation %.2f)", whose, alike)
	case !same:
		late, word := 1000*float64(lag)/soundRate, "late"
		if late < 0 {
			late, word = -late, "early"
		}
		return fmt.Sprintf("audio is %.1f ms %s against %s", late, word, whose)
	}
	return ""
}

// leastAlike is the correlation below which two sounds are not one: the same
// noise before and after a lossy codec has 0.8 and more, other noise 0.1.
const leastAlike = 0.5

func rms(x []float32) float64 {
	var sum float64
	for _, v := range x {
		sum += float64(v) * float64(v)
	}
	return math.Sqrt(sum / float64(max(1, len(x))))
}

// maxLag is how far sounds are moved to find where they agree, in samples.
const maxLag = soundRate

// align finds the lag of b behind a, in samples, at which they agree most, and
// how much they do there, -1 to 1. Same tells whether a lag within tolerance is
// as good: of a steady tone, many are.
func align(a, b []float32, tolerance int) (lag int, same bool, alike float64) {
	size := 1 << bits.Len(uint(len(a)+len(b)+2*maxLag))
	fa, fb := whitened(a, size), whitened(b, size)
	energy := math.Sqrt(power(fa) * power(fb))
	if energy == 0 {
		return 0, true, 1
	}
	fft(fa, false)
	fft(fb, false)
	for i := range fa {
		fa[i] = cmplx.Conj(fa[i]) * fb[i]
	}
	fft(fa, true)
	best, within := math.Inf(-1), math.Inf(-1)
	for l := -maxLag; l <= maxLag; l++ {
		v := real(fa[(l+size)%size]) / float64(size) / energy
		if v > best {
			best, lag = v, l
		}
		if l >= -tolerance && l <= tolerance {
			within = max(within, v)
		}
	}
	return lag, within >= 0.95*best, best
}

// whitened takes the mean and most of the bass out, so that the lag shows as a
// sharp peak, and pads to size.
func whitened(x []float32, size int) []complex128 {
	out := make([]complex128, size)
	last := 0.
	for i, v := range x {
		out[i] = complex(float64(v)-0.95*last, 0)
		last = float64(v)
	}
	return out
}

func power(x []complex128) (sum float64) {
	for _, v := range x {
		sum += real(v) * real(v)
	}
	return sum
}

// fft is the discrete Fourier transform in place, of a power of two; inverse
// leaves out the division by the size.
func fft(x []complex128, inverse bool) {
	n := len(x)
	for i, j := 1, 0; i < n; i++ {
		bit := n >> 1
		for ; j&bit != 0; bit >>= 1 {
			j ^= bit
		}
		if j ^= bit; i < j {
			x[i], x[j] = x[j], x[i]
		}
	}
	sign := -2 * math.Pi
	if inverse {
		sign = -sign
	}
	for length := 2; length <= n; length <<= 1 {
		step := cmplx.Exp(complex(0, sign/float64(length)))
		for i := 0; i < n; i += length {
			w := complex(1, 0)
			for k := i; k < i+length/2; k++ {
				u, v := x[k], x[k+length/2]*w
				x[k], x[k+length/2] = u+v, u-v
				w *= step
			}
		}
	}
}
