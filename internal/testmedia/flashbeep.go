package testmedia

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strconv"
	"testing"
)

// FlashBeepOptions describes a clip in which events are seen and heard at the
// same instant. The zero value is 4 s of 320x180 at 25 frames a second with AAC
// at 48 kHz in an MP4. All times are seconds on the clip's own timeline.
type FlashBeepOptions struct {
	Duration      float64 // default 4
	FPS           Rational
	Width, Height int

	// Times are the events, rising, at least 0.1 s apart and from the end, while
	// both streams are there. Default: one every 0.637 s from 0.337 s on, where
	// that is possible.
	Times []float64

	VFR        bool       // frames 20 to 100 ms apart, by a fixed pattern, instead of FPS
	AudioDelay float64    // the audio stream starts this much late, to 1 ms
	AudioGap   [2]float64 // audio packets that begin in [from, to) are missing; not for ".mov"
	VideoDelay float64    // the video stream starts this much late, to 1 ms
	SampleRate int        // of the sound, in hertz; default 48000
	Encoder    []string   // more video options for ffmpeg, after those for x264 ultrafast

	// Ext is the container: ".mp4" (default) and ".ts" hold AAC, ".mov" and
	// ".mkv" PCM, in which the onsets are exact to the sample. The clock of a
	// ".ts" starts at 5 s.
	Ext string
}

// FlashBeep is such a clip. Its times are seconds from the start of the
// container, that is its earliest stream, as ffmpeg counts; they are what the
// file was made from, not what was measured in it.
type FlashBeep struct {
	Path     string
	FramePTS []float64 // presentation time of frame n, which shows the number n as in Counter
	// FlashPTS[i] is the time of the first frame at or after Times[i]. That frame
	// and no other is white, and a 40 ms beep begins at the same time: with the
	// first sample at or after it.
	FlashPTS []float64
}

const (
	beepSeconds = 0.04
	eventMargin = 0.1 // between events, and from where a stream is missing
	tsStart     = 5
)

// MakeFlashBeep makes a clip of simultaneous flashes and beeps.
func MakeFlashBeep(t testing.TB, o FlashBeepOptions) FlashBeep {
	t.Helper()
	o.Duration, o.SampleRate, o.Ext = cmp.Or(o.Duration, 4), cmp.Or(o.SampleRate, 48000), cmp.Or(o.Ext, ".mp4")
	o.AudioDelay, o.VideoDelay = math.Round(o.AudioDelay*1000)/1000, math.Round(o.VideoDelay*1000)/1000
	if o.Ext == ".mov" && o.AudioGap[1] > 0 {
		t.Fatalf("testmedia: a .mov counts PCM samples and cannot hold a gap")
	}
	video := o.video()
	pts := video.PTS()
	if o.Times == nil {
		o.Times = o.defaultTimes()
	}
	var flashes []int
	var seen []float64
	for i, at := range o.Times {
		n, _ := slices.BinarySearch(pts, at)
		if !o.possible(at) || i > 0 && at < o.Times[i-1]+eventMargin || n == len(pts) {
			t.Fatalf("testmedia: no event can be at %v s", at)
		}
		flashes, seen = append(flashes, n), append(seen, pts[n])
	}
	wav := written(t, "beeps.wav", o.beeps(seen))
	args := arguments(video.videoInput(), []string{"-itsoffset", strconv.FormatFloat(o.AudioDelay, 'f', 3, 64), "-i", wav},
		video.videoOutput(), o.output())
	b := FlashBeep{Path: encoded(t, "flashbeep"+o.Ext, args, paint(t, video, flashes))}
	shift := -startTime(t, b.Path)
	if o.Ext == ".ts" {
		shift += tsStart
	}
	for _, p := range pts {
		b.FramePTS = append(b.FramePTS, p+shift)
	}
	for _, p := range seen {
		b.FlashPTS = append(b.FlashPTS, p+shift)
	}
	return b
}

// video describes the pictures. Their times are left to the frame rate where
// that says it all.
func (o FlashBeepOptions) video() CounterOptions {
	c := CounterOptions{Width: o.Width, Height: o.Height, FPS: o.FPS, Encoder: o.Encoder, Ext: o.Ext}.withDefaults()
	c.Frames = int(math.Floor((o.Duration-o.VideoDelay)*float64(c.FPS.Num)/float64(c.FPS.Den) + 1e-9))
	if !o.VFR && o.VideoDelay == 0 {
		return c
	}
	pattern := []float64{0.033, 0.017, 0.05, 0.033, 0.1, 0.02, 0.041}
	for n, at := 0, o.VideoDelay; at < o.Duration; n++ {
		c.VFRTimes = append(c.VFRTimes, at)
		if o.VFR {
			at += pattern[n%len(pattern)]
		} else {
			at = o.VideoDelay + float64((n+1)*c.FPS.Den)/float64(c.FPS.Num)
		}
	}
	return c.withDefaults()
}

func (o FlashBeepOptions) defaultTimes() []float64 {
	var times []float64
	for at := 0.337; at < o.Duration; at += 0.637 {
		if o.possible(at) {
			times = append(times, at)
		}
	}
	return times
}

// possible reports whether an event at that time can be seen and heard. A flash
// comes up to 0.1 s after the time that was asked for.
func (o FlashBeepOptions) possible(at float64) bool {
	inGap := o.AudioGap[1] > 0 && at > o.AudioGap[0]-2*eventMargin && at < o.AudioGap[1]+eventMargin
	return at >= max(o.AudioDelay, o.VideoDelay) && at <= o.Duration-2*eventMargin && !inGap
}

// output encodes the sound and shapes the container.
func (o FlashBeepOptions) output() []string {
	args := []string{"-c:a", "aac", "-b:a", "128k"}
	if o.Ext == ".mov" || o.Ext == ".mkv" {
		args = []string{"-c:a", "pcm_s16le"}
	}
	if o.AudioGap[1] > 0 {
		args = append(args, "-bsf:a", fmt.Sprintf("noise=amount=0:drop='gte(pts*tb,%g)*lt(pts*tb,%g)'", o.AudioGap[0], o.AudioGap[1]))
	}
	if o.Ext == ".ts" {
		args = append(args, "-muxdelay", "0", "-muxpreload", "0", "-output_ts_offset", strconv.Itoa(tsStart))
	}
	return args
}

// beeps returns the sound as a WAV file of 16-bit mono that begins at AudioDelay.
func (o FlashBeepOptions) beeps(at []float64) []byte {
	rate := float64(o.SampleRate)
	pcm := make([]int16, int((o.Duration-o.AudioDelay)*rate))
	for _, seconds := range at {
		first := int(math.Ceil((seconds-o.AudioDelay)*rate - 1e-6))
		length := int(beepSeconds * rate)
		for i := range min(length, len(pcm)-first) {
			// A cosine: its first sample is already the loudest. 1.7 kHz fits
			// into a rate of 8 kHz, and is no divisor of any rate.
			fade := 1 - float64(i)/float64(length)
			pcm[first+i] = int16(26000 * fade * math.Cos(2*math.Pi*1700*float64(i)/rate))
		}
	}
	return wav(pcm, o.SampleRate)
}

// wav writes 16-bit mono samples as a RIFF WAVE file.
func wav(pcm []int16, rate int) []byte {
	var b bytes.Buffer
	put := func(v any) {
		if err := binary.Write(&b, binary.LittleEndian, v); err != nil {
			panic(err) // a Buffer takes all, and all values here have a fixed size
		}
	}
	b.WriteString("RIFF")
	put(uint32(36 + 2*len(pcm)))
	b.WriteString("WAVEfmt ")
	put([]uint32{16, 1 | 1<<16, uint32(rate), uint32(2 * rate), 2 | 16<<16}) // PCM, mono; 2 bytes, 16 bits
	b.WriteString("data")
	put(uint32(2 * len(pcm)))
	put(pcm)
	return b.Bytes()
}
