package export

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"math"
	"os/exec"
	"testing"

	"micodata/internal/ffmpeg"
	"micodata/internal/table"
	"micodata/shards"
	"micodata/shards/testset"
)

// A set's sound may be FLAC, WAV or MP3; what loaders get is WAV, of as many samples.
func TestSoundOfEveryKind(t *testing.T) {
	flac := testset.Make(t, 0, 0).Audio
	x := &exporter{Env: newEnv(nil, local(t), "mico")}
	of := func(path string, data []byte) *clip {
		return &clip{Tuple: &shards.Tuple{Audio: table.Blob{Bytes: data, Path: path}, AudioRate: testset.AudioRate, AudioChannels: 1}, id: "a"}
	}
	wav, err := x.wav(t.Context(), of("a.flac", flac))
	if err != nil {
		t.Fatal(err)
	}
	sameSound(t, "a.wav", string(wav), flac)
	again, err := x.wav(t.Context(), of("a.wav", wav))
	if err != nil || !bytes.Equal(again, wav) {
		t.Errorf("WAV becomes another: %d bytes, want %d (%v)", len(again), len(wav), err)
	}
	mp3, err := x.mp3(t.Context(), of("a.flac", flac))
	if err != nil {
		t.Fatal(err)
	}
	if twin, err := x.mp3(t.Context(), of("a.wav", wav)); err != nil || !bytes.Equal(twin, mp3) {
		t.Errorf("MP3 of WAV: %d bytes, of FLAC %d (%v)", len(twin), len(mp3), err)
	}
	if kept, err := x.mp3(t.Context(), of("a.mp3", mp3)); err != nil || !bytes.Equal(kept, mp3) {
		t.Errorf("MP3 is not kept (%v)", err)
	}
	decoded, err := x.wav(t.Context(), of("a.mp3", mp3))
	if err != nil || len(decoded) != len(wav) || correlation(pcm(decoded), pcm(wav)) < 0.9 {
		t.Errorf("MP3 becomes WAV of %d bytes, want %d (%v)", len(decoded), len(wav), err)
	}
	if left := files(t, x.Out); len(left) > 0 {
		t.Errorf("temporary files stay: %d", len(left))
	}

	deep, err := exec.CommandContext(t.Context(), "ffmpeg", "-v", "error", "-f", "lavfi", "-i", "sine=d=0.1", "-sample_fmt", "s32", "-c:a", "flac", "-f", "flac", "-").Output()
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		clip *clip
		want error
	}{
		"24 bits":              {of("a.flac", deep), errNotPCM16},
		"cut FLAC":             {of("a.flac", flac[:len(flac)/2]), errSound},
		"FLAC without a frame": {of("a.flac", flac[:1000]), errSound},
		"no FLAC":              {of("a.flac", []byte("RIFF")), errSound},
		"no MP3":               {of("a.mp3", make([]byte, 2000)), errSound},
		"no header":            {of("a.wav", make([]byte, 2000)), errSound},
	} {
		if _, err := x.wav(t.Context(), c.clip); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

func pcm(wav []byte) (samples []float32) {
	for at := 44; at < len(wav); at += 2 {
		samples = append(samples, float32(int16(binary.LittleEndian.Uint16(wav[at:])))/math.MaxInt16)
	}
	return samples
}

// Without ffmpeg, what needs none is exported, and the rest says what is missing.
func TestWithoutFFmpeg(t *testing.T) {
	set := newSet(t, allTrain, onePart(t))
	missing := &ffmpeg.MissingError{Tool: "ffmpeg"}
	for format, want := range map[string]error{"mico": nil, "gram": missing} {
		env := newEnv(set, local(t), format)
		env.Tools = func(context.Context) (ffmpeg.Tools, error) { return ffmpeg.Tools{}, missing }
		if _, err := Run(t.Context(), env); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", format, err, want)
		}
	}
}
