package scenecut

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
)

// ErrSource is wrapped by the errors of [NewPlan]: the video has no size or format that can be scored.
var ErrSource = errors.New("source cannot be scored")

// maxSide follows from the maps, which hold 16-bit coordinates.
const maxSide = 1 << 16

// Source is what decides how a video's pixels become scores, as ffprobe names it.
type Source struct {
	Width, Height int    // ffprobe's width and height (not coded_width): the picture before rotation
	PixFmt        string // "yuv420p", "yuvj420p", "yuv420p10le", ...
}

// feed is the form in which the taps leave ffmpeg.
type feed int

const (
	feedYUV     feed = iota // planes Y, U, V of one tap size, stacked in one gray frame; limited range
	feedYUVFull             // the same of a yuvj format
	feedBGR                 // packed BGR, converted by swscale at full size
)

// A Plan says which pixels of each frame are needed, how ffmpeg picks them, and how they are weighed. The zero Plan is
// not usable. A Plan is immutable and safe for concurrent use.
type Plan struct {
	source Source
	feed   feed
	x, y   axis
}

// NewPlan makes the plan for a video. The downscale factor is width/64 as in video2dataset; below 128 there is none. Where
// the reference refuses the video (width below 64, height below half the factor) the plan uses factor 1, or one row.
//
// 8-bit 4:2:0 of even size is converted in Go from the taps alone, because swscale's fast path for it reads only nearest
// chroma. All else is converted to bgr24 by swscale at full size, since its chroma is interpolated from neighbours.
func NewPlan(src Source) (Plan, error) {
	if src.Width <= 0 || src.Height <= 0 || src.Width > maxSide || src.Height > maxSide {
		return Plan{}, fmt.Errorf("size %dx%d: %w", src.Width, src.Height, ErrSource)
	}
	if !isName(src.PixFmt) {
		return Plan{}, fmt.Errorf("pixel format %q: %w", src.PixFmt, ErrSource)
	}
	p := Plan{source: src, feed: feedBGR}
	if src.Width%2 == 0 && src.Height%2 == 0 {
		switch src.PixFmt {
		case "yuv420p":
			p.feed = feedYUV
		case "yuvj420p":
			p.feed = feedYUVFull
		}
	}
	if factor := src.Width / minWidth; factor > 1 {
		p.x = linearAxis(src.Width, factor, true)
		p.y = linearAxis(src.Height, factor, false)
	} else {
		p.x, p.y = identityAxis(src.Width), identityAxis(src.Height)
	}
	return p, nil
}

// isName reports whether s can stand in a filtergraph as a pixel format's name.
func isName(s string) bool {
	for _, r := range s {
		if (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '_' {
			return false
		}
	}
	return s != ""
}

// Cells returns the size of the small picture that is scored.
func (p Plan) Cells() (width, height int) {
	return p.x.out, p.y.out
}

// MapSize returns the size in pixels of every map, which is also the size of one plane of taps.
func (p Plan) MapSize() (width, height int) {
	return len(p.x.pos), len(p.y.pos)
}

// Maps returns the gray16le frames that tell ffmpeg's remap filter which pixel to read: x and y, then for the yuv feed x
// and y in the chroma planes. Each is one frame of a rawvideo input.
func (p Plan) Maps() [][]byte {
	if p.feed == feedBGR {
		return [][]byte{p.mapFrame(true, 0), p.mapFrame(false, 0)}
	}
	return [][]byte{p.mapFrame(true, 0), p.mapFrame(false, 0), p.mapFrame(true, 1), p.mapFrame(false, 1)}
}

// mapFrame holds for each tap its x or y, halved shift times.
func (p Plan) mapFrame(isX bool, shift uint) []byte {
	width, height := p.MapSize()
	frame := make([]byte, 0, 2*width*height)
	for row := range height {
		for column := range width {
			at := p.y.pos[row]
			if isX {
				at = p.x.pos[column]
			}
			frame = binary.LittleEndian.AppendUint16(frame, at>>shift)
		}
	}
	return frame
}

// MapArgs returns the input arguments for one map stored at path, up to and with -i. The map repeats without end, and is
// read on demand: ffmpeg builds the graph anew where the video changes its size, and needs the maps again.
func (p Plan) MapArgs(path string) []string {
	width, height := p.MapSize()
	return []string{"-stream_loop", "-1", "-f", "rawvideo", "-pixel_format", "gray16le",
		"-video_size", fmt.Sprintf("%dx%d", width, height), "-i", path}
}

// OutputArgs returns the output arguments for the filter's output, without -map and the file. Passthrough is needed
// because rawvideo output would otherwise drop and repeat frames to a constant rate.
func (p Plan) OutputArgs() []string {
	return []string{"-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt", p.PixFmt()}
}

// PixFmt returns the pixel format of the output: "gray" (planes Y, U, V below each other) or "bgr24".
func (p Plan) PixFmt() string {
	if p.feed == feedBGR {
		return "bgr24"
	}
	return "gray"
}

// FrameBytes returns the size of one frame of the output: three bytes a tap.
func (p Plan) FrameBytes() int {
	return 3 * len(p.x.pos) * len(p.y.pos)
}

// Filter returns filtergraph text from pad in (such as "0:v:0" or the label of a split) and the pads of the maps, in the
// order of [Plan.Maps], to pad out. Labels in between start with out and "_". It panics if the number of maps is wrong.
// Frames keep their timestamps.
func (p Plan) Filter(in string, maps []string, out string) string {
	if want := len(p.Maps()); len(maps) != want {
		panic(fmt.Sprintf("scenecut: %d map pads, want %d", len(maps), want))
	}
	var chains []string
	for i, pad := range maps {
		// The first map frame must be earlier than every frame of the video (timestamps can be negative), or remap
		// reads a null frame; the second later than all, or remap goes on reading. N restarts with the graph.
		chain := fmt.Sprintf("[%s]setpts=(N*1e9-1e7)/TB", pad)
		if i < 2 {
			chain += fmt.Sprintf("[%s_m%d]", out, i)
		} else {
			chain += fmt.Sprintf(",split[%[1]s_m%[2]d][%[1]s_m%[3]d]", out, i, i+2)
		}
		chains = append(chains, chain)
	}
	if p.feed == feedBGR {
		chains = append(chains, p.bgrChain(in, out))
	} else {
		chains = append(chains, p.yuvChains(in, out)...)
	}
	return strings.Join(chains, ";")
}

// A leading scale to the planned size passes frames through untouched unless the video changes its size or format, which
// the reference does not survive and which the maps, made for one size, must not meet.

// bgrChain converts as OpenCV does: bicubic chroma, BT.601 whatever the tag, and full range only for the formats that
// swscale itself takes as full range (yuvj and gray).
func (p Plan) bgrChain(in, out string) string {
	colourRange := "limited"
	if strings.HasPrefix(p.source.PixFmt, "yuvj") || strings.HasPrefix(p.source.PixFmt, "gray") {
		colourRange = "full"
	}
	return fmt.Sprintf("[%[1]s]scale=%[3]d:%[4]d:flags=bicubic:in_color_matrix=smpte170m:in_range=%[5]s,format=bgr24[%[2]s_bgr];"+
		"[%[2]s_bgr][%[2]s_m0][%[2]s_m1]remap=format=color,format=bgr24[%[2]s]",
		in, out, p.source.Width, p.source.Height, colourRange)
}

func (p Plan) yuvChains(in, out string) []string {
	chains := []string{fmt.Sprintf("[%[1]s]scale=%[3]d:%[4]d,format=%[5]s,extractplanes=y+u+v[%[2]s_y][%[2]s_u][%[2]s_v]",
		in, out, p.source.Width, p.source.Height, p.source.PixFmt)}
	for i, plane := range []string{"y", "u", "v"} {
		// x and y maps: 0 and 1 for luma, 2 and 3 for U, their copies 4 and 5 for V.
		chains = append(chains, fmt.Sprintf("[%[1]s_%[2]s][%[1]s_m%[3]d][%[1]s_m%[4]d]remap=format=gray[%[1]s_t%[5]d]",
			out, plane, 2*i, 2*i+1, i))
	}
	return append(chains, fmt.Sprintf("[%[1]s_t0][%[1]s_t1][%[1]s_t2]vstack=inputs=3,format=gray[%[1]s]", out))
}
