package extract

import (
	"cmp"
	"fmt"
	"math"
	"strings"

	"micodata/internal/ffmpeg"
	"micodata/internal/mp4"
)

// size is that of a picture in pixels.
type size struct{ w, h int }

func (s size) turned() size { return size{s.h, s.w} }
func (s size) even() size   { return size{max(2, s.w&^1), max(2, s.h&^1)} }

// bytes is the length of a frame in yuv420p, rows without padding.
func (s size) bytes() int { return s.w*s.h + 2*((s.w+1)/2)*((s.h+1)/2) }

// by scales by f, keeping at least one pixel.
func (s size) by(f float64) size {
	return size{max(1, int(math.Round(float64(s.w)*f))), max(1, int(math.Round(float64(s.h)*f)))}
}

// shownSize is the size of the picture upright and with square pixels.
func shownSize(v ffmpeg.Video) size {
	s := size{v.Width, v.Height}
	if aspect := v.SampleAspect.Float(); aspect > 0 {
		// Beyond maxSide, the aspect is a broken header's.
		if w := math.Round(float64(s.w) * aspect); w >= 1 && w <= maxSide {
			s.w = int(w)
		}
	}
	if v.Rotation%180 != 0 {
		s = s.turned()
	}
	return s
}

// clipSize is shown in at most the given number of lines (0: any), even.
func clipSize(shown size, lines int) size {
	if lines == 0 || shown.h <= lines {
		return shown.even()
	}
	f := float64(lines) / float64(shown.h)
	half := math.Round(float64(shown.w) * f / 2)
	return size{2 * int(max(1, half)), lines}.even()
}

// imageSize is shown with its long side at most longest.
func imageSize(shown size, longest int) size {
	return shown.by(min(1, float64(longest)/float64(max(shown.w, shown.h))))
}

// smallSize is shown with its short side at most shortest, and its long side
// bounded for pictures that are all but a line.
func smallSize(shown size, shortest, longest int) size {
	return imageSize(shown.by(min(1, float64(shortest)/float64(min(shown.w, shown.h)))), max(longest, shortest))
}

// colours say how the numbers in a source's pictures mean light.
type colours struct {
	matrix    string // of the frames we store, by swscale's and x264's name
	primaries string // "" when unknown
	transfer  string // "" when unknown
	isFull    bool   // 0..255 in the source
	isRGB     bool   // in the source
	hdr       string // zscale's name of the source's transfer if it is HDR's
}

// coloursOf reads a probe. Frames are stored with the source's own matrix where
// H.264 players can be told of it, since changing it costs a pass and precision.
// Untagged pictures are BT.709 from 720 lines or 1280 columns on, BT.601 below,
// as players take them.
func coloursOf(v ffmpeg.Video) colours {
	c := colours{
		isFull: v.ColorRange == "pc" || strings.HasPrefix(v.PixelFormat, "yuvj"),
		isRGB:  v.ColorSpace == "gbr" || isRGB(v.PixelFormat),
	}
	switch v.ColorTransfer {
	case "smpte2084", "arib-std-b67":
		return colours{matrix: "bt709", primaries: "bt709", transfer: "bt709", hdr: v.ColorTransfer}
	}
	switch v.ColorSpace {
	case "bt709", "smpte170m":
		c.matrix = v.ColorSpace
	case "bt470bg":
		c.matrix = "smpte170m" // the same numbers
	case "bt2020nc":
		c.matrix = "bt2020nc"
	default:
		c.matrix = "smpte170m"
		if v.Height >= 720 || v.Width >= 1280 {
			c.matrix = "bt709"
		}
	}
	c.primaries, c.transfer = known(v.ColorPrimaries), known(v.ColorTransfer)
	return c
}

func isRGB(format string) bool {
	for _, prefix := range []string{"rgb", "bgr", "gbr", "argb", "abgr", "0rgb", "0bgr", "pal8", "x2rgb", "x2bgr", "bayer"} {
		if strings.HasPrefix(format, prefix) {
			return true
		}
	}
	return false
}

// known drops names that say nothing or that would need quoting.
func known(name string) string {
	if name == "unknown" || name == "reserved" || strings.ContainsFunc(name, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-'
	}) {
		return ""
	}
	return name
}

// codePoints are those of ISO/IEC 23091-2 by ffprobe's names, of what 8-bit H.264
// has. What is not here is 2, unspecified.
var codePoints = struct{ primaries, transfer, matrix map[string]uint16 }{
	primaries: map[string]uint16{"bt709": 1, "bt470m": 4, "bt470bg": 5, "smpte170m": 6, "smpte240m": 7, "film": 8, "bt2020": 9},
	transfer: map[string]uint16{"bt709": 1, "gamma22": 4, "gamma28": 5, "smpte170m": 6, "smpte240m": 7, "linear": 8,
		"log100": 9, "log316": 10, "iec61966-2-4": 11, "bt1361e": 12,
		"iec61966-2-1": 13, "bt2020-10": 14, "bt2020-12": 15},
	matrix: map[string]uint16{"bt709": 1, "fcc": 4, "bt470bg": 5, "smpte170m": 6, "smpte240m": 7, "ycgco": 8, "bt2020nc": 9, "bt2020c": 10},
}

// taggedColor is what a source says of its colours, nil if nothing. Containers may
// say what the coded video does not.
func taggedColor(v ffmpeg.Video) *mp4.Color {
	code := func(names map[string]uint16, name string) uint16 { return cmp.Or(names[name], 2) }
	c := mp4.Color{
		Primaries: code(codePoints.primaries, v.ColorPrimaries),
		Transfer:  code(codePoints.transfer, v.ColorTransfer),
		Matrix:    code(codePoints.matrix, v.ColorSpace),
	}
	if c == (mp4.Color{Primaries: 2, Transfer: 2, Matrix: 2}) {
		return nil
	}
	return &c
}

// swscaleMatrix is matrix by the name that the scale filter knows.
func (c colours) swscaleMatrix() string { return strings.TrimSuffix(c.matrix, "nc") }

// jfif is filtergraph text that makes stored frames full-range BT.601, as JFIF
// has it, whatever the video is. The colorspace filter goes from one to the other
// directly; scale would go by way of RGB, at five times the cost, and round down.
// Primaries and transfer, of which JFIF knows nothing, are said to be the same.
// All formats are named, or the one before the filter could be negotiated to be
// full-range too, and the range be stretched twice.
func (c colours) jfif(of size) string {
	convert := "format=yuv420p,colorspace=ispace=" + c.matrix + ":space=smpte170m:irange=tv:range=pc" +
		":iprimaries=bt709:primaries=bt709:itrc=bt709:trc=bt709:format=yuv420p,format=yuvj420p"
	if even := (size{of.w + 1, of.h + 1}).even(); even != of {
		// The filter takes even sizes only. Of an odd width pad keeps an even number of
		// columns where chroma has half as many, and blackens the last; so luma is
		// padded by itself. Chroma has the planes of the even size already.
		convert = fmt.Sprintf("format=yuv420p,extractplanes=y+u+v[y][u][v];[y]pad=%d:%d[even];[even][u][v]mergeplanes=0x001020:yuv420p,%s,crop=%d:%d:0:0:exact=1",
			even.w, even.h, convert, of.w, of.h)
	}
	return convert
}

// scaler averages the pixels that fall into one: as free of aliases as bicubic
// when a picture is made smaller, which is all that is done here but for pixels
// that are not square, and at 720p half to a fifth of its cost.
const scaler = "area"

// storeFilter is filtergraph text that brings a source's frame to the given size
// upright in limited-range yuv420p, scaling before turning so that the turn is
// cheap.
func storeFilter(v ffmpeg.Video, c colours, to size) string {
	upright := to
	if v.Rotation%180 != 0 {
		to = to.turned()
	}
	var steps []string
	stored := size{v.Width, v.Height}
	plain := v.PixelFormat == "yuv420p" && !c.isFull
	switch {
	case stored == to && plain:
	case stored.even() == to && plain && shownSize(v).even() == upright:
		steps = append(steps, fmt.Sprintf("crop=%d:%d:0:0", to.w, to.h))
	default:
		scale := fmt.Sprintf("scale=%d:%d:flags=%s", to.w, to.h, scaler)
		if c.isFull && !c.isRGB {
			scale += ":in_range=pc:out_range=tv"
		}
		if c.isRGB {
			scale += ":out_range=tv:out_color_matrix=" + c.swscaleMatrix()
		}
		steps = append(steps, scale)
	}
	if c.hdr != "" {
		steps = append(steps, toneMap(c.hdr))
	}
	steps = append(steps, "format=yuv420p")
	if v.Flip {
		steps = append(steps, "hflip")
	}
	switch v.Rotation {
	case 90:
		steps = append(steps, "transpose=clock")
	case 180:
		steps = append(steps, "hflip", "vflip")
	case 270:
		steps = append(steps, "transpose=cclock")
	}
	return strings.Join(steps, ",")
}

// toneMap turns HDR into BT.709. Diffuse white, 203 cd/m2 by BT.2408, is the
// unit of light; what is above 1000 cd/m2, the usual mastering peak, is white.
// Mobius keeps all below 0.3 as it is. The peak is fixed, so that the picture
// does not pump with each frame's metadata.
func toneMap(transfer string) string {
	const white, peak = 203, 1000
	return fmt.Sprintf("zscale=tin=%s:min=bt2020nc:pin=bt2020:rin=tv:t=linear:npl=%d,format=gbrpf32le,zscale=p=bt709,"+
		"tonemap=tonemap=mobius:param=0.3:desat=0:peak=%.4f,zscale=t=bt709:m=bt709:r=tv", transfer, white, float64(peak)/white)
}
