package testmedia

import (
	"fmt"
	"strings"
	"testing"
)

// disguises are files that are not what their name says: harmless ones that
// must work, and ones that must be refused.
func disguises() []recipe {
	notMedia := func(name, note string) Case { return Case{Name: name, Note: note, WantClass: "not_media"} }
	page := "<!DOCTYPE html>\n<html><head><title>404 Not Found</title></head>\n<body><h1>Not Found</h1>\n" +
		strings.Repeat("<p>The video you asked for is no longer here.</p>\n", 40) + "</body></html>\n"
	return []recipe{
		{Case: usual("matroska_named_mp4", "plain in Matroska"), ext: ".mp4",
			args: arguments([]string{"-i", "case:plain", "-c", "copy", "-f", "matroska"})},
		{Case: usual("ts_named_avi", "plain in a transport stream"), ext: ".avi",
			args: arguments([]string{"-i", "case:plain", "-c", "copy", "-f", "mpegts"})},
		{Case: usual("no_extension", "plain without an extension"), content: edited("plain", func(b []byte) []byte { return b })},
		{Case: notMedia("empty", "no bytes"), ext: ".mp4", content: fixed(nil)},
		{Case: notMedia("random", "100 KB of noise"), ext: ".mp4", content: fixed(noise(100_000))},
		{Case: notMedia("html_named_mp4", "an error page saved as a video"), ext: ".mp4", content: fixed([]byte(page))},
		{Case: notMedia("text_named_mp4", "prose"), ext: ".mp4",
			content: fixed([]byte(strings.Repeat("The quick brown fox jumps over the lazy dog.\r\n", 100)))},
		{Case: notMedia("jpeg_named_mp4", "a still picture"), ext: ".mp4",
			args: arguments(moving(), []string{"-frames:v", "1", "-c:v", "mjpeg", "-f", "mjpeg"})},
		{Case: notMedia("cues", "a subtitle file"), ext: ".srt", content: fixed([]byte(FormatSRT(Cues())))},
		{Case: notMedia("hls_playlist", "an HLS playlist that names plain, by its path: ffmpeg left to itself plays it"), ext: ".mp4",
			content: list("#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:3\n#EXTINF:3.0,\nfile:%s\n#EXT-X-ENDLIST\n")},
		{Case: notMedia("concat_list", "an ffconcat script that names plain, by its path"), ext: ".mp4",
			content: list("ffconcat version 1.0\nfile 'file:%s'\n")},
	}
}

// list returns content for a recipe that names the path of plain.
func list(format string) func(t testing.TB) []byte {
	return func(t testing.TB) []byte {
		t.Helper()
		return fmt.Appendf(nil, format, File(t, "plain"))
	}
}
