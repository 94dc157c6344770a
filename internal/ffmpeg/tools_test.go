package ffmpeg

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestFind(t *testing.T) {
	got := tools(t)
	if !filepath.IsAbs(got.FFmpeg) || filepath.Base(got.FFprobe) != "ffprobe" {
		t.Errorf("programs: %+v", got)
	}
	if !strings.HasPrefix(got.VersionLine, "ffmpeg version "+got.Version) || got.Version == "" {
		t.Errorf("version %q of %q", got.Version, got.VersionLine)
	}
	again, err := Find(t.Context(), got.FFmpeg)
	if err != nil || again.FFmpeg != got.FFmpeg || again.FFprobe != got.FFprobe || again.Version != got.Version {
		t.Errorf("by path: %+v, %v", again, err)
	}
}

func TestFindMissing(t *testing.T) {
	_, err := Find(t.Context(), filepath.Join(t.TempDir(), "ffmpeg"))
	var missing *MissingError
	if !errors.As(err, &missing) || !strings.HasSuffix(missing.Tool, "/ffmpeg") {
		t.Errorf("err = %v", err)
	}
	t.Setenv("PATH", t.TempDir())
	if _, err = Find(t.Context(), ""); !errors.As(err, &missing) || missing.Tool != "ffmpeg" {
		t.Errorf("err = %v", err)
	}
}

// A program that claims to be an old ffmpeg.
func TestFindTooOld(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"ffmpeg", "ffprobe"} {
		script := "#!/bin/sh\necho 'ffmpeg version 4.3.6-0+deb11u1 Copyright (c) 2000-2023'\n"
		if err := os.WriteFile(filepath.Join(dir, name), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	_, err := Find(t.Context(), filepath.Join(dir, "ffmpeg"))
	var old *TooOldError
	if !errors.As(err, &old) || *old != (TooOldError{"ffmpeg", "4.3.6", "5.1"}) {
		t.Errorf("err = %v", err)
	}
}

// Programs of the right names that are something else.
func TestFindBroken(t *testing.T) {
	const ffmpeg, ffprobe = "echo ffmpeg version 6.0 Copyright", "echo ffprobe version 6.0 Copyright"
	for name, c := range map[string]struct{ ffmpeg, ffprobe, says string }{
		"silent":         {"exit 0", ffprobe, `/ffmpeg does not work: it does not say its version but ""`},
		"other program":  {"echo avconv version 12", ffprobe, "/ffmpeg does not work"},
		"fails":          {"echo no libavcodec.so >&2; exit 127", ffprobe, "/ffmpeg does not work: ffmpeg: exit status 127: no libavcodec.so"},
		"ffprobe fails":  {ffmpeg, "exit 1", "/ffprobe does not work"},
		"ffprobe is not": {ffmpeg, ffmpeg, "/ffprobe does not work"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for tool, does := range map[string]string{"ffmpeg": c.ffmpeg, "ffprobe": c.ffprobe} {
				if err := os.WriteFile(filepath.Join(dir, tool), []byte("#!/bin/sh\n"+does+"\n"), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			_, err := Find(t.Context(), filepath.Join(dir, "ffmpeg"))
			var broken *BrokenError
			if !errors.As(err, &broken) || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), "--ffmpeg") {
				t.Errorf("err = %v", err)
			}
		})
	}
}

func TestParseVersion(t *testing.T) {
	for _, c := range []struct {
		word, version string
		ok            bool
	}{
		{"5.1.9-0+deb12u1", "5.1.9", true},
		{"5.1", "5.1", true},
		{"n6.0.2", "6.0.2", true},
		{"4.4.2-0ubuntu0.22.04.1", "4.4.2", false},
		{"5.0.3", "5.0.3", false},
		{"10.0", "10.0", true},
		{"3.10.1", "3.10.1", false},
		{"4.3.6", "4.3.6", false},
		{"N-109542-g9e3f1c2", "N-109542-g9e3f1c2", true},
		{"2024-02-19-git-0c8e64e268-full_build", "2024-02-19-git-0c8e64e268-full_build", true},
	} {
		got, err := parseVersion("ffmpeg", "ffmpeg version "+c.word+" Copyright (c)")
		if got != c.version || (err == nil) != c.ok {
			t.Errorf("%s: %q, %v", c.word, got, err)
		}
	}
	for _, line := range []string{"", "ffmpeg version ", "avconv version 12"} {
		if got, err := parseVersion("ffmpeg", line); err == nil {
			t.Errorf("%q: %q", line, got)
		}
	}
}

func TestMissing(t *testing.T) {
	missing, err := tools(t).Missing(t.Context())
	if err != nil || len(missing) != 0 {
		t.Errorf("missing %v, %v", missing, err)
	}
	encoders, err := tools(t).Encoders(t.Context())
	if err != nil || !encoders["libx264"] || encoders["="] || encoders["h264_none"] {
		t.Errorf("encoders %v, %v", len(encoders), err)
	}
	filters, err := tools(t).Filters(t.Context())
	if err != nil || !filters["scale"] || filters["="] {
		t.Errorf("filters %v, %v", len(filters), err)
	}
}

// Every demuxer of the whitelist exists under that name.
func TestFormatWhitelistNames(t *testing.T) {
	have, err := tools(t).list(t.Context(), "demuxer")
	if err != nil {
		t.Fatal(err)
	}
	names := strings.Split(FormatWhitelist, ",")
	for _, name := range names {
		if !have[name] {
			t.Errorf("no demuxer %q", name)
		}
	}
	for _, name := range []string{"hls", "dash", "concat", "sdp", "rtsp", "image2", "lavfi", "imf", "rawvideo"} {
		if !have[name] || slices.Contains(names, name) {
			t.Errorf("%q: known %v", name, have[name])
		}
	}
}
