package extract

import (
	"bytes"
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
				got := testmedia.DecodePCM(t, testmedia.Blob(t, "a."+format, blob), 16000, channels)
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
	if err != nil || len(flac) > len(tone)*7/10 {
		t.Errorf("a tone of %d bytes becomes %d of FLAC (%v)", len(tone), len(flac), err)
	}
}

// TestMP3 makes sure that the codec's delay and padding are in the header, so
// that decoders give back as many samples as went in, a click where it was. The
// lengths leave paddings of every kind.
func TestMP3(t *testing.T) {
	tools, err := ffmpeg.Find(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	for _, rate := range mp3Rates {
		channels := 1 + rate/100%2 // 1 and 2 in turn
		click := rate * 3 / 10     // the frame of a click
		samples := make([]int16, (rate*7/10+rate%1000+31*channels)*channels)
		for i := range min(rate/100, 200) * channels {
			samples[click*channels+i] = int16(24000 * (1 - 2*(i/channels/4%2)))
		}
		var blobs [2][]byte
		for i := range blobs {
			blob, err := encodeSound(t.Context(), tools, t.TempDir(), "mp3", pcmOf(samples), rate, channels)
			if err != nil {
				t.Fatal(err)
			}
			blobs[i] = blob
		}
		if !bytes.Equal(blobs[0], blobs[1]) {
			t.Errorf("%d Hz: other bytes the second time", rate)
		}
		raw, err := exec.CommandContext(t.Context(), "ffmpeg", "-v", "error", "-i", testmedia.Blob(t, "a.mp3", blobs[0]), "-f", "s16le", "-").Output()
		if err != nil {
			t.Fatal(err)
		}
		got := make([]int16, len(raw)/2)
		heard := -1
		for i := range got {
			got[i] = int16(binary.LittleEndian.Uint16(raw[2*i:]))
			if heard < 0 && math.Abs(float64(got[i])) > 12000 {
				heard = i / channels
			}
		}
		if len(got) != len(samples) || heard < click-rate/500 || heard > click+rate/500 {
			t.Errorf("%d Hz, %d channels: %d samples, want %d, the click at %d, want %d", rate, channels, len(got), len(samples), heard, click)
		}
	}
}

// TestMP3OfAnyLength has paddings of up to two frames.
func TestMP3OfAnyLength(t *testing.T) {
	tools, err := ffmpeg.Find(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	for n := 79500; n < 80100; n += 58 { // a frame has 576
		blob, err := encodeSound(t.Context(), tools, t.TempDir(), "mp3", pcmOf(make([]int16, n)), 16000, 1)
		if err != nil {
			t.Fatal(err)
		}
		if got := len(testmedia.DecodePCM(t, testmedia.Blob(t, "a.mp3", blob), 16000, 1)); got != n {
			t.Errorf("%d samples of %d", got, n)
		}
	}
}
