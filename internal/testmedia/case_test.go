package testmedia

import (
	"cmp"
	"encoding/json"
	"math"
	"os/exec"
	"strconv"
	"strings"
	"testing"
)

// probe is what ffprobe says of a file.
type probe struct {
	Streams []struct {
		Type        string `json:"codec_type"`
		Codec       string `json:"codec_name"`
		Profile     string
		PixFmt      string `json:"pix_fmt"`
		Width       int
		Height      int
		SAR         string `json:"sample_aspect_ratio"`
		FieldOrder  string `json:"field_order"`
		Transfer    string `json:"color_transfer"`
		Frames      string `json:"nb_read_frames"`
		Start       string `json:"start_time"`
		SampleRate  string `json:"sample_rate"`
		Channels    int
		Disposition struct {
			AttachedPic int `json:"attached_pic"`
		}
		Tags     map[string]string
		SideData []struct {
			Type     string `json:"side_data_type"`
			Rotation int
		} `json:"side_data_list"`
	}
	Format struct {
		Name     string `json:"format_name"`
		Duration string
		Start    string `json:"start_time"`
	}
}

// inspect asks ffprobe, with more options; errs is what it complained of.
func inspect(t *testing.T, path string, more ...string) (p probe, errs string) {
	t.Helper()
	args := append([]string{"-v", "error", "-threads", "1", "-show_streams", "-show_format", "-of", "json"}, more...)
	cmd := exec.CommandContext(t.Context(), "ffprobe", append(args, path)...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return probe{}, stderr.String()
	}
	if err := json.Unmarshal(out, &p); err != nil {
		t.Fatal(err)
	}
	return p, stderr.String()
}

func TestCatalogue(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range All() {
		if seen[c.Name] {
			t.Fatalf("two cases are called %s", c.Name)
		}
		seen[c.Name] = true
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			p, errs := inspect(t, File(t, c.Name), "-count_frames")
			switch {
			case c.WantClass == "corrupt" && !c.Partial, c.WantClass == "not_media":
				checkUnreadable(t, c, p, errs)
			default:
				checkClip(t, c, p, errs)
			}
		})
	}
}

// checkUnreadable wants no movie in the file. What ffprobe takes for a still
// picture, a subtitle or a list is named here, so that a surprise is seen.
func checkUnreadable(t *testing.T, c Case, p probe, errs string) {
	t.Helper()
	want := map[string]string{"jpeg_named_mp4": "jpeg_pipe", "cues": "srt", "hls_playlist": "hls", "concat_list": "concat"}[c.Name]
	if c.Name == "concat_list" && strings.Contains(errs, "Unsafe file name") {
		return // refused by the concat demuxer's own rule
	}
	if p.Format.Name != want || want == "" && !strings.Contains(errs, "Invalid data found") {
		t.Errorf("ffprobe reads %q as %+v, says %s", want, p.Format, errs)
	}
}

func checkClip(t *testing.T, c Case, p probe, errs string) {
	t.Helper()
	if damaged := c.WantClass == "corrupt"; damaged != (errs != "") {
		t.Errorf("ffprobe's errors: %q", errs)
	}
	if d, err := strconv.ParseFloat(p.Format.Duration, 64); err != nil || math.Abs(d-c.Duration) > 0.05 {
		t.Errorf("duration %s, want %v", p.Format.Duration, c.Duration)
	}
	var channels, pictures int
	for _, s := range p.Streams {
		switch s.Type {
		case "audio":
			channels = cmp.Or(channels, s.Channels)
		case "video":
			if s.Disposition.AttachedPic == 1 {
				continue
			}
			pictures++
			rotation := 0
			for _, d := range s.SideData {
				if d.Type == "Display Matrix" {
					rotation = (360 - d.Rotation) % 360 // ffprobe counts counterclockwise
				}
			}
			if w, h := shown(s.Width, s.Height, s.SAR, rotation); w != c.Width || h != c.Height || rotation != c.Rotation {
				t.Errorf("shows %dx%d rotated by %d, want %dx%d by %d", w, h, rotation, c.Width, c.Height, c.Rotation)
			}
			if n, _ := strconv.Atoi(s.Frames); c.Frames != 0 && n != c.Frames {
				t.Errorf("%d frames, want %d", n, c.Frames)
			}
			if got := s.FieldOrder == "tt" || s.FieldOrder == "tb"; got != c.Interlaced {
				t.Errorf("field order %q", s.FieldOrder)
			}
		}
	}
	if channels != c.AudioChannels || (channels > 0) != c.HasAudio {
		t.Errorf("%d audio channels, want %d", channels, c.AudioChannels)
	}
	if (pictures == 0) != (c.WantClass == "no_video") {
		t.Errorf("%d video streams, want class %q", pictures, c.WantClass)
	}
}

// shown is the size of a stored picture with square pixels, upright.
func shown(w, h int, sar string, rotation int) (int, int) {
	if num, den, ok := strings.Cut(sar, ":"); ok && num != "0" {
		n, _ := strconv.Atoi(num)
		d, _ := strconv.Atoi(den)
		w = w * n / d
	}
	if rotation%180 != 0 {
		w, h = h, w
	}
	return w, h
}
