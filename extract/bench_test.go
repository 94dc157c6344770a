package extract_test

import (
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"micodata/extract"
)

// BenchmarkExtract compares the CPU time of this process and its children with
// that of ffmpeg alone, on the sample media as 720p. "ratio" is to the reference
// named; run it with -benchtime 1x -count 3 on a quiet machine and take the
// smallest.
func BenchmarkExtract(b *testing.B) {
	path := filepath.Join(b.TempDir(), "bench.mp4")
	sample := func(name string) string { return filepath.Join("..", "testdata", "media", name) }
	scale := "scale=1280:720,setsar=1,fps=25,format=yuv420p"
	ffmpegCPU(b, "-i", sample("sintel_a.mp4"), "-i", sample("bbb_b.mp4"), "-filter_complex",
		"[0:v]"+scale+"[a];[1:v]"+scale+"[b];[0:a]aresample=48000[c];[1:a]aresample=48000[d];[a][c][b][d]concat=n=2:v=1:a=1[v][s]",
		"-map", "[v]", "-map", "[s]", "-c:v", "libx264", "-preset", "fast", "-c:a", "aac", path)
	one := []string{"-threads", "1", "-filter_threads", "1", "-i", path}
	encode := []string{"-c:v", "libx264", "-preset", "veryfast", "-crf", "23", "-threads", "1", "-c:a", "aac", "-f", "mp4", filepath.Join(b.TempDir(), "out.mp4")}
	for _, bench := range []struct {
		name      string
		reference []string
		height    extract.Lines
	}{
		// The video is next to nothing here.
		{"cuts, sound and stills/decode", slices.Concat(one, []string{"-an", "-f", "null", "-"}), 16},
		{"clips at 360/encode", slices.Concat(one, []string{"-vf", "scale=-2:360"}, encode), 360},
		{"clips at 720/encode", slices.Concat(one, encode), 0},
	} {
		b.Run(strings.ReplaceAll(bench.name, " ", "_"), func(b *testing.B) {
			for b.Loop() {
				reference := ffmpegCPU(b, bench.reference...)
				w := newWorkplace(b, source(b, path))
				w.env.Settings.MinClip, w.env.Settings.ClipHeight = 500*time.Millisecond, bench.height
				before := cpu(b)
				rows := w.run(b)
				took := cpu(b) - before
				b.ReportMetric(took.Seconds()/reference.Seconds(), "ratio")
				b.ReportMetric(1000*took.Seconds()/rows[len(rows)-1].End, "cpu-ms/video-s")
			}
		})
	}
}

// ffmpegCPU runs ffmpeg and returns the CPU time it took.
func ffmpegCPU(b *testing.B, args ...string) time.Duration {
	b.Helper()
	cmd := exec.Command("ffmpeg", append([]string{"-nostdin", "-v", "error", "-y"}, args...)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("ffmpeg: %v: %s", err, out)
	}
	return cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
}

// cpu is the CPU time of this process and of the children it has waited for.
func cpu(b *testing.B) time.Duration {
	b.Helper()
	var sum time.Duration
	for _, who := range []int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN} {
		var u syscall.Rusage
		if err := syscall.Getrusage(who, &u); err != nil {
			b.Fatal(err)
		}
		sum += time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	return sum
}
