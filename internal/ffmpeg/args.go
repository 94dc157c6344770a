package ffmpeg

import (
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// ProtocolWhitelist is the value of -protocol_whitelist for every input.
const ProtocolWhitelist = "file,pipe"

// FormatWhitelist is the value of -format_whitelist for untrusted input: the
// demuxers of `ffmpeg -demuxers` that hold one self-contained recording.
//
// Left out on purpose are those that open what the file names (hls, dash,
// concat, imf, sdp, rtsp, image2, webm_dash_manifest, vobsub, mlv), devices
// (lavfi, x11grab, ...), still pictures (png_pipe, jpeg_pipe, ...), text, and
// rawvideo, which takes any bytes. mov opens other files only with
// -enable_drefs, which is off by default and never set here.
const FormatWhitelist = "mov,matroska,avi,mpegts,mpeg,flv,live_flv,ogg,asf,nut,gif,ivf,mxf,gxf,wtv,rm,dv," +
	"h264,hevc,av1,obu,m4v,mpegvideo,mjpeg,h261,h263,vc1,yuv4mpegpipe," +
	"wav,w64,mp3,flac,aac,ac3,eac3,aiff,caf,amr"

// InputURL is the URL by which a child opens Job.Inputs[i].
func InputURL(i int) string { return "pipe:" + strconv.Itoa(firstExtraFD+i) }

// OutputURL is the URL to which a child writes what [Process.Output](i) reads,
// in a job with the given number of inputs.
func OutputURL(inputs, i int) string { return "pipe:" + strconv.Itoa(firstExtraFD+inputs+i) }

// firstExtraFD is the number that os/exec gives the first of Cmd.ExtraFiles.
const firstExtraFD = 3

// FileURL is an absolute "file:" URL for a local path. ffmpeg takes all that
// follows "file:" as it stands, so no name can be taken for an option, another
// protocol, or "-" (standard input). A path with a zero byte is an error, since
// no file can be named so.
func FileURL(path string) (string, error) {
	if path == "" || strings.ContainsRune(path, 0) {
		return "", fmt.Errorf("file name %q cannot be opened", path)
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", fmt.Errorf("absolute path of %q: %w", path, err)
	}
	return "file:" + abs, nil
}

// InputArgs are the arguments that open one untrusted file: the caller's input
// options, the whitelists, and "-i" with the file's URL. They suit both ffmpeg
// and ffprobe.
func InputArgs(path string, options ...string) ([]string, error) {
	url, err := FileURL(path)
	if err != nil {
		return nil, err
	}
	return append(slices.Clone(options),
		"-protocol_whitelist", ProtocolWhitelist,
		"-format_whitelist", FormatWhitelist,
		"-i", url), nil
}
