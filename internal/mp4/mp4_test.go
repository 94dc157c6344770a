package mp4

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	mp4ff "github.com/Eyevinn/mp4ff/mp4"

	"micodata/internal/ffmpeg"
	"micodata/internal/nut"
)

// Two clips out of one encoded stream: each has its own frames, all of them and
// no others, at exact times, with and without edit lists.
func TestClips(t *testing.T) {
	s, coded := picture(t)
	whole := decode(t, save(t, Movie{Video: clip(s, coded, 0, allFrames)}))
	if len(whole) != allFrames {
		t.Fatalf("%d frames", len(whole))
	}
	for _, c := range []struct{ first, end int }{{0, clipFrames}, {clipFrames, allFrames}} {
		path := save(t, Movie{Video: clip(s, coded, c.first, c.end)})
		pixels := decode(t, path)
		if !slices.Equal(pixels, whole[c.first:c.end]) {
			t.Errorf("clip %v: other pixels", c)
		}
		if again := decode(t, path, "-ignore_editlist", "1"); !slices.Equal(again, pixels) {
			t.Errorf("clip %v: other frames without edit list", c)
		}
		probe, err := tools(t).Probe(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		want := time.Duration(c.end-c.first) * time.Second / fps
		if v := probe.Streams[0]; probe.Duration != want || v.Duration != want || v.Start != 0 || v.StartPTS != 0 ||
			v.FrameCount != int64(c.end-c.first) || v.Video.SampleAspect != (ffmpeg.Rational{Num: 1, Den: 1}) ||
			v.TimeBase != (ffmpeg.Rational{Num: 1, Den: s.TimeBase.Den}) || v.DurationPTS != int64(c.end-c.first)*s.TimeBase.Den/fps {
			t.Errorf("clip %v: %+v", c, probe)
		}
		times := packetTimes(t, path)
		slices.Sort(times)
		for i, pts := range times {
			if pts != int64(i)*s.TimeBase.Den/fps {
				t.Errorf("clip %v: frame %d at %d", c, i, pts)
			}
		}
	}
}

// The pixels are those that ffmpeg decodes from the stream it made itself.
func TestPixels(t *testing.T) {
	s, coded := picture(t)
	stream := slices.Clone(s.CodecData)
	for _, p := range coded {
		stream = append(stream, p.Data...)
	}
	path := t.TempDir() + "/a.h264"
	if err := os.WriteFile(path, stream, 0o644); err != nil {
		t.Fatal(err)
	}
	want := run(t, "-i", path, "-vsync", "passthrough", "-f", "rawvideo")
	got := run(t, "-i", save(t, Movie{Video: clip(s, coded, 0, allFrames)}), "-vsync", "passthrough", "-f", "rawvideo")
	if len(want) != allFrames*320*180*3/2 || !bytes.Equal(got, want) {
		t.Errorf("%d bytes of pixels, want %d", len(got), len(want))
	}
}

// decode gives the hash of each frame and its time.
func decode(t *testing.T, path string, input ...string) []string {
	t.Helper()
	var frames []string
	for line := range strings.Lines(string(run(t, append(input, "-i", path, "-map", "0:v", "-vsync", "passthrough", "-f", "framemd5")...))) {
		if f := strings.Split(line, ","); !strings.HasPrefix(line, "#") {
			frames = append(frames, strings.TrimSpace(f[5]))
		}
	}
	return frames
}

// packetTimes are the presentation times of a file's frames, in decoding order.
func packetTimes(t *testing.T, path string) []int64 {
	t.Helper()
	var times []int64
	text := string(run(t, "-i", path, "-map", "0:v", "-c", "copy", "-copyts", "-avoid_negative_ts", "disabled", "-f", "framecrc"))
	for line := range strings.Lines(text) {
		var pts int64
		if f := strings.Split(line, ","); !strings.HasPrefix(line, "#") {
			if _, err := fmt.Sscan(f[2], &pts); err != nil {
				t.Fatal(err)
			}
			times = append(times, pts)
		}
	}
	return times
}

// Uneven times in a base that is not one over a whole number.
func TestUnevenTimes(t *testing.T) {
	s, coded := picture(t)
	v := clip(s, coded, 0, clipFrames)
	unit := s.TimeBase.Den / fps
	v.TimeBase = nut.Rational{Num: 1001, Den: 30000}
	at := func(frame int64) int64 { return frame*3 + frame*frame%2 } // 0, 4, 6, 10, 12, ...
	for i := range v.Samples {
		v.Samples[i].PTS = at(v.Samples[i].PTS / unit)
	}
	v.Duration = at(clipFrames-1) + 7
	path := save(t, Movie{Video: v})
	times := packetTimes(t, path)
	slices.Sort(times)
	for i, pts := range times {
		if pts != at(int64(i))*1001 {
			t.Errorf("frame %d at %d, not %d", i, pts, at(int64(i))*1001)
		}
	}
	probe, err := tools(t).Probe(t.Context(), path)
	if err != nil || probe.Streams[0].DurationPTS != v.Duration*1001 || probe.Streams[0].StartPTS != 0 {
		t.Errorf("%+v, %v", probe, err)
	}
}

// The click is heard where it was, to the sample, and the sound has its length.
func TestSound(t *testing.T) {
	s, coded := picture(t)
	a := sound(t)
	path := save(t, Movie{Video: clip(s, coded, 0, fps), Audio: &a})
	pcm := run(t, "-i", path, "-map", "0:a", "-f", "s16le")
	peak, loudest := 0, int16(0)
	for i := 0; i < len(pcm)/2; i++ {
		if v := int16(binary.LittleEndian.Uint16(pcm[2*i:])); v > loudest {
			peak, loudest = i, v
		}
	}
	if peak != rate/2 || loudest < 1000 {
		t.Errorf("click of %d at sample %d, not %d", loudest, peak, rate/2)
	}
	if n := len(pcm) / 2; n < rate || n >= rate+packetSamples {
		t.Errorf("%d samples, not %d", n, rate)
	}
	probe, err := tools(t).Probe(t.Context(), path)
	if err != nil || probe.Duration != time.Second || probe.AudioStream().Duration != time.Second ||
		probe.AudioStream().Start != 0 {
		t.Errorf("%+v, %v", probe, err)
	}
}

// The order of things in the file, as another reader sees it.
func TestLayout(t *testing.T) {
	s, coded := picture(t)
	a := sound(t)
	v := clip(s, coded, 0, allFrames)
	v.Color = &Color{Primaries: 1, Transfer: 1, Matrix: 1}
	var out bytes.Buffer
	if err := Write(&out, Movie{Video: v, Audio: &a}); err != nil {
		t.Fatal(err)
	}
	size := out.Len()
	f, err := mp4ff.DecodeFile(&out)
	if err != nil {
		t.Fatal(err)
	}
	var order []string
	for _, box := range f.Children {
		order = append(order, box.Type())
	}
	if got := strings.Join(order, " "); got != "ftyp moov mdat" || f.Size() != uint64(size) {
		t.Errorf("%s, %d bytes of %d", got, f.Size(), size)
	}
	picture, sound := f.Moov.Traks[0], f.Moov.Traks[1]
	if f.Moov.Mvhd.CreationTime != 0 || picture.Edts != nil {
		t.Errorf("creation time %d, edit list %v", f.Moov.Mvhd.CreationTime, picture.Edts)
	}
	if e := sound.Edts.Elst[0].Entries; len(e) != 1 || e[0].MediaTime != priming ||
		e[0].SegmentDuration != uint64(f.Moov.Mvhd.Timescale) {
		t.Errorf("edit list %+v", e)
	}
	stbl := picture.Mdia.Minf.Stbl
	if !slices.Equal(stbl.Stss.SampleNumber, []uint32{1, clipFrames + 1}) || stbl.Ctts.Version != 1 {
		t.Errorf("key frames %v, ctts version %d", stbl.Stss.SampleNumber, stbl.Ctts.Version)
	}
	// Every half second: the picture's at 0, .52, 1.04, ..., the sound's at 0,
	// .512 and 1.024 s, padding included.
	chunks := map[uint32]string{}
	for _, at := range stbl.Stco.ChunkOffset {
		chunks[at] = "V"
	}
	for _, at := range sound.Mdia.Minf.Stbl.Stco.ChunkOffset {
		chunks[at] = "A"
	}
	turns := ""
	for _, at := range slices.Sorted(maps.Keys(chunks)) {
		turns += chunks[at]
	}
	if turns != "VAAVAVVVV" {
		t.Errorf("chunks of %s", turns)
	}
	colr := stbl.Stsd.AvcX.Children[1].(*mp4ff.ColrBox) //nolint:forcetypeassert // a panic fails the test as well
	if colr.ColorPrimaries != 1 || colr.FullRangeFlag {
		t.Errorf("%+v", colr)
	}
}

// What came out of an MP4 file, with lengths for start codes, goes into another.
func TestLengthPrefixed(t *testing.T) {
	s, coded := picture(t)
	path := save(t, Movie{Video: clip(s, coded, 0, allFrames)})
	s2, again := packets(t, run(t, "-i", path, "-c", "copy", "-avoid_negative_ts", "disabled", "-f", "nut"))
	if s2.CodecData[0] != 1 {
		t.Fatalf("codec data %x", s2.CodecData)
	}
	if got := save(t, Movie{Video: clip(s2, again, 0, allFrames)}); !slices.Equal(decode(t, got), decode(t, path)) {
		t.Error("other frames")
	}
}

func TestRefuses(t *testing.T) {
	s, coded := picture(t)
	good := sound(t)
	for what, change := range map[string]func(*Video, *Audio){
		"no frames":          func(v *Video, _ *Audio) { v.Samples = nil },
		"not from 0":         func(v *Video, _ *Audio) { v.Samples = v.Samples[clipFrames:] },
		"two at a time":      func(v *Video, _ *Audio) { v.Samples[1].PTS = v.Samples[2].PTS },
		"no key frame first": func(v *Video, _ *Audio) { v.Samples[0].Key = false },
		"too short":          func(v *Video, _ *Audio) { v.Duration = v.Samples[0].PTS },
		"too long":           func(v *Video, _ *Audio) { v.Duration = 1 << 62 },
		"no time base":       func(v *Video, _ *Audio) { v.TimeBase = nut.Rational{} },
		"no size":            func(v *Video, _ *Audio) { v.Width = 0 },
		"no config":          func(v *Video, _ *Audio) { v.Config = nil },
		"empty frame":        func(v *Video, _ *Audio) { v.Samples[3].Data = nil },
		"other parameters":   func(v *Video, _ *Audio) { v.Samples[3].Data = []byte{0, 0, 1, naluSPS, 1} },
		"too few packets":    func(_ *Video, a *Audio) { a.Packets = a.Packets[1:] },
		"no samples":         func(_ *Video, a *Audio) { a.TotalSamples = 0 },
		"no audio config":    func(_ *Video, a *Audio) { a.Config = nil },
		"no rate":            func(_ *Video, a *Audio) { a.SampleRate = 0 },
	} {
		v, a := clip(s, coded, 0, allFrames), good
		change(&v, &a)
		var out bytes.Buffer
		if err := Write(&out, Movie{Video: v, Audio: &a}); !errors.Is(err, ErrMovie) || out.Len() != 0 {
			t.Errorf("%s: %v, %d bytes", what, err, out.Len())
		}
	}
}

func FuzzWrite(f *testing.F) {
	sps := []byte("\x00\x00\x00\x01\x67\x42\xc0\x0a\xdc\x42\x10\x00\x00\x00\x01\x68\xce\x3c\x80")
	f.Add(sps, []byte("\x00\x00\x01\x65abc"), int64(0), int64(1))
	f.Add([]byte("\x01\x42\xc0\x0a\xff\xe1\x00\x02\x67\x42\x01\x00\x01\x68"), []byte("\x00\x00\x00\x01\x65"), int64(5), int64(2))
	f.Fuzz(func(t *testing.T, config, data []byte, pts, base int64) {
		err := Write(io.Discard, Movie{Video: Video{
			Width: 16, Height: 16, TimeBase: nut.Rational{Num: 1, Den: base}, Config: config, Duration: pts + 1,
			Samples: []Sample{{Data: data, Key: true}, {Data: data, PTS: pts}},
		}})
		if err != nil && !errors.Is(err, ErrMovie) {
			t.Error(err)
		}
	})
}
