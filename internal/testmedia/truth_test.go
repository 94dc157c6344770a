package testmedia

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestOddity checks, case by case, the one thing that makes it odd.
func TestOddity(t *testing.T) {
	for name, want := range map[string]string{
		"plain":              "mov h264 yuv420p 0.000, aac 48000 0.000",
		"fragmented":         "mov h264 yuv420p 0.000, aac 48000 0.000",
		"vfr":                "mov h264 yuv420p 0.000, aac 48000 0.000",
		"no_audio":           "mov h264 yuv420p 0.000",
		"hevc":               "mov hevc yuv420p 0.000",
		"hevc_10bit":         "mov hevc yuv420p10le 0.000",
		"h264_10bit":         "mov h264 yuv420p10le 0.000",
		"hdr10_pq":           "mov hevc yuv420p10le smpte2084 0.000",
		"hlg":                "mov hevc yuv420p10le arib-std-b67 0.000",
		"av1":                "mov av1 yuv420p 0.000",
		"vp9_opus":           "matroska vp9 yuv420p 0.007, opus 48000 -0.00",
		"xvid":               "avi mpeg4 yuv420p 0.000, mp3 48000 0.000",
		"gif":                "gif gif bgra 0.000",
		"prores":             "mov prores yuv422p10le 0.000, pcm_s16le 48000 0.000",
		"odd_size_444":       "mov h264 yuv444p 0.000",
		"odd_size_ffv1":      "matroska ffv1 yuv444p 0.000",
		"interlaced_mpeg2":   "mpeg mpeg2video yuv420p 0.540",
		"audio_8khz":         "mov h264 yuv420p 0.000, aac 8000 0.000",
		"two_languages":      "mov h264 yuv420p 0.000, aac 48000 0.000 eng, aac 48000 0.000 deu",
		"subtitles_mov_text": "mov h264 yuv420p 0.000, aac 48000 0.000, mov_text eng",
		"subtitles_srt":      "matroska h264 yuv420p 0.021, aac 48000 0.000, subrip eng",
		"audio_only_mp4":     "mov aac 48000 0.000",
		"mp3_cover_art":      "mp3 mp3 48000 0.023, mjpeg yuvj420p 0.023",
		"start_5s":           "mpegts h264 yuv420p 5.000, aac 48000 4.978",
		"video_late":         "mov h264 yuv420p 1.500, aac 48000 0.000",
		"audio_late":         "mov h264 yuv420p 0.000, aac 48000 0.678", // its 1024 priming samples play first
		"matroska_named_mp4": "matroska h264 yuv420p 0.021, aac 48000 0.000",
		"ts_named_avi":       "mpegts h264 yuv420p 1.421, aac 48000 1.400",
		"no_extension":       "mov h264 yuv420p 0.000, aac 48000 0.000",
		"edit_list":          "mov h264 yuv420p 0.000, aac 48000 0.000",
		"no_edit_list":       "mov h264 yuv420p 0.080, aac 48000 0.000",
		"unknown_codec":      "mov  0.000",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, _ := inspect(t, File(t, name))
			if got := describe(p); got != want {
				t.Errorf("is %q, want %q", got, want)
			}
		})
	}
}

// describe sums up a file: container; of each stream codec, format, start.
func describe(p probe) string {
	var streams []string
	for _, s := range p.Streams {
		words := []string{s.Codec}
		switch s.Type {
		case "video":
			if s.PixFmt != "" {
				words = append(words, s.PixFmt)
			}
			if s.Transfer == "smpte2084" || s.Transfer == "arib-std-b67" {
				words = append(words, s.Transfer)
			}
		case "audio":
			words = append(words, s.SampleRate)
		}
		if s.Type != "subtitle" {
			words = append(words, s.Start[:5])
		}
		if l := s.Tags["language"]; l != "" && l != "und" {
			words = append(words, l)
		}
		streams = append(streams, strings.Join(words, " "))
	}
	container, _, _ := strings.Cut(p.Format.Name, ",")
	return container + " " + strings.Join(streams, ", ")
}

func TestQuadrants(t *testing.T) {
	for _, c := range All() {
		if !c.Quadrants {
			continue
		}
		t.Run(c.Name, func(t *testing.T) {
			raw, _ := output(t, []string{"-v", "error", "-i", File(t, c.Name), "-frames:v", "1",
				"-vf", fmt.Sprintf("scale=%d:%d", c.Width, c.Height), "-pix_fmt", "rgb24", "-f", "rawvideo", "pipe:1"})
			if len(raw) != 3*c.Width*c.Height {
				t.Fatalf("%d bytes", len(raw))
			}
			for i, want := range [][3]int{{255, 0, 0}, {0, 255, 0}, {0, 0, 255}, {255, 255, 0}} {
				at := 3 * ((c.Height*(1+2*(i/2))/4)*c.Width + c.Width*(1+2*(i%2))/4)
				for k := range 3 {
					if math.Abs(float64(int(raw[at+k])-want[k])) > 6 {
						t.Errorf("quadrant %d is %v, want %v", i, raw[at:at+3], want)
						break
					}
				}
			}
		})
	}
}

func TestHighDynamicRangeLevels(t *testing.T) {
	for name, want := range map[string][2]float64{"hdr10_pq": {573, 723}, "hlg": {721, 940}} {
		raw, _ := output(t, []string{"-v", "error", "-i", File(t, name), "-frames:v", "1", "-pix_fmt", "yuv420p10le", "-f", "rawvideo", "pipe:1"})
		level := func(x int) float64 {
			at := 2 * (usualHeight/2*usualWidth + x)
			return float64(int(raw[at]) | int(raw[at+1])<<8)
		}
		if l, r := level(usualWidth/4), level(usualWidth*3/4); math.Abs(l-want[0]) > 2 || math.Abs(r-want[1]) > 2 {
			t.Errorf("%s has levels %v and %v, want %v", name, l, r, want)
		}
	}
}

// TestTones listens to each channel for the pitch that the notes promise.
func TestTones(t *testing.T) {
	for name, want := range map[string][]float64{
		"plain": {440}, "stereo": {440, 880}, "audio_8khz": {440}, "audio_gap": {440}, "two_languages": {440},
		"surround_5_1": {300, 400, 500, 60, 700, 800},
	} {
		pcm := DecodePCM(t, File(t, name), 48000, len(want))
		for ch, hz := range want {
			crossings, n := 0, 0
			for i := ch + 12000*len(want); i+len(want) < 42000*len(want); i += len(want) { // 0.25 to 0.875 s
				n++
				if pcm[i] < 0 && pcm[i+len(want)] >= 0 {
					crossings++
				}
			}
			if got := float64(crossings) * 48000 / float64(n); math.Abs(got-hz) > 4 {
				t.Errorf("%s channel %d has %.0f Hz, want %v", name, ch, got, hz)
			}
		}
	}
	gap := DecodePCM(t, File(t, "audio_gap"), 48000, 1)
	if loud := func(v float32) bool { return v > 0.01 }; slices.ContainsFunc(gap[51000:70000], loud) || !slices.ContainsFunc(gap[73000:74000], loud) {
		t.Error("the gap from 1 to 1.5 s is not silent, or no sound follows")
	}
}

// TestPlaylistIsATrap wants ffmpeg on its own to follow the playlist: otherwise
// a test that it is refused would prove nothing.
func TestPlaylistIsATrap(t *testing.T) {
	if frames, _, _, _ := DecodeGray(t, File(t, "hls_playlist")); len(frames) != usualFrames {
		t.Errorf("%d frames", len(frames))
	}
}

func TestNamed(t *testing.T) {
	plain, err := os.ReadFile(File(t, "plain"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range HostileNames() {
		path := Named(t, name)
		if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, plain) || filepath.Base(path) != name {
			t.Errorf("%q is not a copy of plain: %v", name, err)
		}
	}
}

func TestFilesAreMadeOnce(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	path := File(t, "no_audio")
	first, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	second, err := os.Stat(File(t, "no_audio"))
	if err != nil || !os.SameFile(first, second) || !first.ModTime().Equal(second.ModTime()) {
		t.Errorf("made again: %v", err)
	}
	old, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	again, err := os.ReadFile(File(t, "no_audio"))
	if err != nil || !bytes.Equal(old, again) {
		t.Errorf("the same recipe gives other bytes: %v", err)
	}
	left, err := filepath.Glob(filepath.Join(filepath.Dir(filepath.Dir(path)), ".making-*"))
	if err != nil || left != nil {
		t.Errorf("left behind: %v %v", left, err)
	}
}

// TestProcessesShareTheCache lets several processes ask for the same files in an
// empty folder at once.
func TestProcessesShareTheCache(t *testing.T) {
	cache := t.TempDir()
	var running []*exec.Cmd
	for range 3 {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^TestQuadrants$/rotation")
		cmd.Env = append(os.Environ(), "XDG_CACHE_HOME="+cache)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		running = append(running, cmd)
	}
	for _, cmd := range running {
		if err := cmd.Wait(); err != nil {
			t.Errorf("%v: %v", cmd, err)
		}
	}
	made, err := filepath.Glob(filepath.Join(cache, "micodata/testmedia/*/*"))
	if err != nil || len(made) != 6 { // three, and the three that they are edited from
		t.Errorf("made %q, %v", made, err)
	}
}
