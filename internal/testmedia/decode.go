package testmedia

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// DecodeGray decodes the first video stream of a file: each frame as w*h bytes
// of full-range luma, rotated upright as ffmpeg does, and its exact
// presentation time in seconds from the start of the container (the earliest
// stream's start, which is not 0 in transport streams). No frame is dropped or
// repeated. The clock is the file's own (-copyts), since ffmpeg would set a
// transport stream's to zero by those streams alone that it decodes. Options such as
// -noautorotate that go before the file are passed as inputArgs.
func DecodeGray(t testing.TB, path string, inputArgs ...string) (frames [][]byte, w, h int, pts []float64) {
	t.Helper()
	args := append([]string{"-nostdin", "-hide_banner", "-threads", "1", "-filter_threads", "1"}, inputArgs...)
	args = append(args, "-copyts", "-i", "file:"+path, "-map", "0:v:0", "-fps_mode", "passthrough",
		"-vf", "showinfo=checksum=0,format=gray", "-f", "rawvideo", "pipe:1")
	raw, log := output(t, args)
	w, h, pts, err := parseShowinfo(log)
	if err != nil {
		t.Fatalf("testmedia: decode %s: %v", path, err)
	}
	start := startTime(t, path)
	for i := range pts {
		pts[i] -= start
	}
	if len(raw) != len(pts)*w*h {
		t.Fatalf("testmedia: decode %s: %d bytes for %d frames of %dx%d", path, len(raw), len(pts), w, h)
	}
	for i := range pts {
		frames = append(frames, raw[i*w*h:][:w*h])
	}
	return frames, w, h, pts
}

var (
	showinfoBase  = regexp.MustCompile(`config in time_base: (\d+)/(\d+)`)
	showinfoFrame = regexp.MustCompile(`\] n: *\d+ pts: *(-?\d+) .* s:(\d+)x(\d+) `)
)

// parseShowinfo reads the log of the showinfo filter. It multiplies ticks by the time
// base, since pts_time is printed with six digits only.
func parseShowinfo(log []byte) (w, h int, pts []float64, err error) {
	base := showinfoBase.FindSubmatch(log)
	found := showinfoFrame.FindAllSubmatch(log, -1)
	if base == nil || found == nil {
		return 0, 0, nil, fmt.Errorf("no frames: %s", log)
	}
	number := func(b []byte) int { n, _ := strconv.Atoi(string(b)); return n } // digits, by the pattern
	w, h = number(found[0][2]), number(found[0][3])
	for _, f := range found {
		if number(f[2]) != w || number(f[3]) != h {
			return 0, 0, nil, fmt.Errorf("the size changes from %dx%d to %sx%s", w, h, f[2], f[3])
		}
		pts = append(pts, float64(number(f[1]))*float64(number(base[1]))/float64(number(base[2])))
	}
	return w, h, pts, nil
}

// DecodePCM decodes the first audio stream of a file, resampled to rate samples
// a second and mixed to channels: interleaved, -1 to 1. Sample 0 is heard at the
// start of the container; a late start and gaps of 0.1 s or more are silence.
func DecodePCM(t testing.TB, path string, rate, channels int) []float32 {
	t.Helper()
	raw, _ := output(t, []string{"-nostdin", "-v", "error", "-threads", "1", "-copyts", "-i", "file:" + path, "-map", "0:a:0",
		"-af", fmt.Sprintf("asetpts=PTS-%.6f/TB,aresample=%d:async=1:first_pts=0", startTime(t, path), rate), "-ac", strconv.Itoa(channels), "-f", "f32le", "pipe:1"})
	pcm := make([]float32, len(raw)/4)
	for i := range pcm {
		pcm[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
	}
	return pcm
}

// startTime is the container's start as ffprobe reports it, in seconds; 0 for
// formats that have none.
func startTime(t testing.TB, path string) float64 {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "ffprobe", "-v", "error", "-show_entries", "format=start_time", "-of", "csv=p=0", "file:"+path).Output()
	if err != nil {
		t.Fatalf("testmedia: ffprobe %s: %v", path, err)
	}
	text := strings.TrimSpace(string(out))
	if text == "N/A" {
		return 0
	}
	start, err := strconv.ParseFloat(text, 64)
	if err != nil {
		t.Fatalf("testmedia: ffprobe %s: %v", path, err)
	}
	return start
}

// output runs ffmpeg and returns what it wrote and what it said.
func output(t testing.TB, args []string) (stdout, stderr []byte) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "ffmpeg", args...)
	var out, log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &log
	if err := cmd.Run(); err != nil {
		t.Fatalf("testmedia: ffmpeg %q: %v: %s", args, err, log.Bytes())
	}
	return out.Bytes(), log.Bytes()
}
