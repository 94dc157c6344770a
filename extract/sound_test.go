package extract

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"os/exec"
	"slices"
	"testing"

	"micodata/internal/ffmpeg"
	"micodata/internal/testmedia"
)

func pcmOf(samples []int16) []byte {
	var data []byte
	for _, s := range samples {
		data = binary.LittleEndian.AppendUint16(data, uint16(s))
	}
	return data
}

// sounds are of one channel, or of two in turn.
func sounds() map[string][]int16 {
	r := rand.New(rand.NewPCG(1, 1))
	make16 := func(n int, at func(i int) float64) []int16 {
		s := make([]int16, n)
		for i := range s {
			s[i] = int16(max(-32768, min(32767, at(i))))
		}
		return s
	}
	return map[string][]int16{
		"silence": make16(10000, func(int) float64 { return 0 }),
		"tone":    make16(20002, func(i int) float64 { return 20000 * math.Sin(float64(i)/7) }),
		"noise":   make16(9998, func(int) float64 { return r.NormFloat64() * 20000 }),
		"loud":    make16(8192, func(i int) float64 { return float64(i%3)*65535/2 - 32768 }),
		"short":   make16(2, func(i int) float64 { return 77 }),
		"click":   make16(6000, func(i int) float64 { return float64(i / 5999 * 30000) }),
	}
}

func TestSoundFilesHoldTheSamples(t *testing.T) {
	tools, err := ffmpeg.Find(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	for name, samples := range sounds() {
		for channels := 1; channels <= 2; channels++ {
			for _, format := range []string{"flac", "wav"} {
				blob, err := encodeSound(t.Context(), tools, t.TempDir(), format, pcmOf(samples), 16000, channels)
				if err != nil {
					t.Fatal(err)
				}
				got := testmedia.DecodePCM(t, testmedia.Blob(t, "a."+format, blob.Bytes), 16000, channels)
				want := make([]float32, len(samples))
				for i, s := range samples {
					want[i] = float32(s) / 32768
				}
				if !slices.Equal(got, want) {
					t.Errorf("%s, %d channels, %s: %d samples, want %d, or others", name, channels, format, len(got), len(want))
				}
			}
		}
	}
	tone := pcmOf(sounds()["tone"])
	flac, err := encodeSound(t.Context(), tools, t.TempDir(), "flac", tone, 16000, 1)
	if err != nil || len(flac.Bytes) > len(tone)*7/10 {
		t.Errorf("a tone of %d bytes becomes %d of FLAC (%v)", len(tone), len(flac.Bytes), err)
	}
}

func TestMP3(t *testing.T) {
	tools, err := ffmpeg.Find(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	samples := sounds()["tone"]
	blob, err := encodeSound(t.Context(), tools, t.TempDir(), "mp3", pcmOf(samples), 16000, 1)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := exec.CommandContext(t.Context(), "ffmpeg", "-v", "error", "-i", testmedia.Blob(t, "a.mp3", blob.Bytes), "-f", "s16le", "-").Output()
	if err != nil {
		t.Fatal(err)
	}
	got := make([]int16, len(raw)/2)
	for i := range got {
		got[i] = int16(binary.LittleEndian.Uint16(raw[2*i:]))
	}
	var off float64
	for i, s := range samples[:min(len(samples), len(got))] {
		off += math.Abs(float64(got[i])-float64(s)) / 32768 / float64(len(samples))
	}
	if d := len(got) - len(samples); d < -1 || d > 1 || off > 0.02 {
		t.Errorf("%d samples, want %d, %g off", len(got), len(samples), off)
	}
}
