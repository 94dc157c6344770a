package ingest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"syscall"

	"micodata/dataset"
	"micodata/internal/ffmpeg"
)

// probe asks ffprobe what the file holds, and refuses what cannot be made clips
// of.
func (r *runner) probe(ctx context.Context, m media) (ffmpeg.Probe, error) {
	if m.bytes == 0 {
		return ffmpeg.Probe{}, dataset.Fail(dataset.NotMedia, "empty file")
	}
	p, err := r.env.Tools.Probe(ctx, m.path)
	if err != nil {
		if ctx.Err() != nil {
			return p, ctx.Err()
		}
		return p, probeError(m.path, err)
	}
	return p, checkProbe(&p, r.env.Settings)
}

func checkProbe(p *ffmpeg.Probe, s Settings) error {
	v := p.VideoStream()
	switch {
	case len(p.Streams) == 0:
		return dataset.Fail(dataset.NotMedia, "no streams in it")
	case v == nil:
		return dataset.Fail(dataset.NoVideo, "no moving pictures: %s", streamTypes(p))
	case v.Codec == "" || v.Codec == "unknown":
		return dataset.Fail(dataset.UnsupportedCodec, "ffmpeg does not know the video's codec")
	case int64(v.Video.Width)*int64(v.Video.Height) > s.MaxPixels:
		return dataset.Fail(dataset.TooLarge, "%dx%d pixels are more than max_pixels, %d", v.Video.Width, v.Video.Height, s.MaxPixels)
	case max(p.Duration, v.Duration).Seconds() > s.MaxSeconds:
		return dataset.Fail(dataset.TooLarge, "%.0f s are more than max_seconds, %g", max(p.Duration, v.Duration).Seconds(), s.MaxSeconds)
	}
	return nil
}

func streamTypes(p *ffmpeg.Probe) string {
	var types []string
	for _, s := range p.Streams {
		name := s.Type + " " + s.Codec
		if s.AttachedPicture {
			name = "attached picture"
		}
		types = append(types, name)
	}
	return "it holds " + strings.Join(types, ", ")
}

// probeError classifies ffprobe's failure. What keeps ffprobe from running at
// all is no failure of the item.
func probeError(path string, err error) error {
	var missing *ffmpeg.MissingError
	var errno syscall.Errno
	var exit *ffmpeg.ExitError
	var timeout *ffmpeg.TimeoutError
	switch {
	case errors.As(err, &missing), errors.As(err, &errno):
		return err
	case errors.As(err, &timeout):
		return dataset.Fail(dataset.Timeout, "%w", timeout)
	case errors.As(err, &exit):
		return exitError(path, exit)
	}
	return dataset.Fail(dataset.Corrupt, "%s", scrub(path, err.Error()))
}

// unlisted is what ffmpeg says of a format that is not in FormatWhitelist.
var unlisted = regexp.MustCompile(`\[(\w+)[^\]]*\] Format not on whitelist`)

func exitError(path string, e *ffmpeg.ExitError) error {
	said := e.Stderr
	if m := unlisted.FindStringSubmatch(said); m != nil {
		return dataset.Fail(dataset.NotMedia, "looks like %s, which holds no video of its own", m[1])
	}
	class := dataset.Corrupt
	switch {
	case e.Signal == "killed": // by someone else: memory is short
		class = dataset.Internal
	case e.Signal != "":
	case strings.Contains(said, "Permission denied"):
		class = dataset.Forbidden
	case strings.Contains(said, "No such file"):
		class = dataset.NotFound
	case !isContainer(path):
		return dataset.Fail(dataset.NotMedia, "not a media file: ffprobe knows no such format")
	}
	if e.Signal != "" {
		return dataset.Fail(class, "ffprobe ended by signal: %s", e.Signal)
	}
	return dataset.Fail(class, "ffprobe: %s", scrub(path, said))
}

// address is where a demuxer lies in memory, which differs from run to run.
var address = regexp.MustCompile(` @ 0x[0-9a-f]+`)

// scrub takes out of a program's words what is not the same every time: where
// the file lies and addresses in memory.
func scrub(path, said string) string {
	said = strings.ReplaceAll(said, "file:"+path+": ", "")
	said = strings.ReplaceAll(said, path, "the file")
	said = address.ReplaceAllString(said, "")
	return strings.Join(strings.FieldsFunc(said, func(r rune) bool { return r == '\n' || r == '\r' }), "; ")
}

// isContainer tells a damaged media file from a file that never was one: by the
// extension alone, ffmpeg takes any text named .mp4 for an MP4 without index.
func isContainer(path string) bool {
	f, _, err := openLocal(path)
	if err != nil {
		return false
	}
	defer f.Close() // only read from
	head := make([]byte, 16)
	n, err := io.ReadFull(f, head)
	if err != nil && err != io.ErrUnexpectedEOF {
		return false
	}
	head = head[:n]
	for _, magic := range []string{"\x1aE\xdf\xa3", "OggS", "FLV\x01", "\x30\x26\xb2\x75\x8e\x66\xcf\x11", ".RMF", "\x00\x00\x01\xba",
		"\x06\x0e\x2b\x34", "nut/multimedia", "DKIF", "GIF8", "YUV4MPEG2", "fLaC", "ID3"} {
		if bytes.HasPrefix(head, []byte(magic)) {
			return true
		}
	}
	if len(head) < 12 {
		return false
	}
	switch string(head[4:8]) {
	case "ftyp", "moov", "mdat", "free", "skip", "wide", "pnot", "styp", "moof", "sidx":
		return true
	}
	return string(head[:4]) == "RIFF" && (string(head[8:12]) == "AVI " || string(head[8:12]) == "WAVE")
}

// extension is that of media in the dataset: it comes from the content, so that
// the same bytes have the same name however they were named.
func extension(p *ffmpeg.Probe) string {
	format, _, _ := strings.Cut(p.Format, ",")
	if ext, ok := extensions[format]; ok {
		return ext
	}
	return ".bin"
}

// extensions by the first of ffprobe's names for a demuxer.
var extensions = map[string]string{
	"mov": ".mp4", "matroska": ".mkv", "avi": ".avi", "mpegts": ".ts", "mpeg": ".mpg", "flv": ".flv", "live_flv": ".flv",
	"ogg": ".ogv", "asf": ".wmv", "nut": ".nut", "gif": ".gif", "ivf": ".ivf", "mxf": ".mxf", "gxf": ".gxf", "wtv": ".wtv",
	"rm": ".rm", "dv": ".dv", "yuv4mpegpipe": ".y4m", "mpegvideo": ".m2v", "mjpeg": ".mjpeg", "h264": ".h264", "hevc": ".hevc",
	"av1": ".obu", "obu": ".obu", "m4v": ".m4v", "h261": ".h261", "h263": ".h263", "vc1": ".vc1",
}

// probeText is a probe as a row has it. Field order and number format are
// fixed, so that the same file gives the same text.
func probeText(p *ffmpeg.Probe) (string, error) {
	data, err := json.Marshal(p)
	if err != nil {
		return "", fmt.Errorf("encode probe: %w", err)
	}
	return string(data), nil
}
