package verify

import (
	"bytes"
	"errors"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"math"
	"math/bits"

	"micodata/internal/measure"
	"micodata/internal/table"
	"micodata/shards"
)

// still is a stored picture that shows a moment of the clip.
type still struct {
	what string // "image" or "frames"
	time float64
	luma thumb
}

// maxPixels bounds what is decoded of a picture that claims to be huge.
const maxPixels = 1 << 28

var (
	errPicture   = errors.New("is no picture of a size that was written")
	errNotGray16 = errors.New("is not 16-bit gray")
	errNotRGB8   = errors.New("is not 8-bit RGB")
	errNotYCbCr  = errors.New("is no colour JPEG")
)

// stills checks the tuple's pictures and returns those that decode.
func (c *check) stills() (out []still) {
	t, depths := c.t, newLevels()
	settings := &c.v.manifest.Settings
	depths.unknown = !settings.Keeps("image") || !settings.Keeps("frames") // of some of its maps
	if t.Image.Bytes != nil {
		if luma := c.picture("image", t.Image, t.Depth, t.Normal, &depths); luma != nil {
			out = append(out, still{"image", t.ImageTime, shrinkLuma(luma)})
			c.measures(luma)
		}
	}
	if n := c.v.frames(); n > 0 && len(t.Frames) != n && settings.Keeps("frames") && !isMissing(t, "frames") {
		c.problem("frames", "%d frames, the settings say %d", len(t.Frames), n)
	}
	for _, f := range t.Frames {
		if luma := c.picture("frames", f.Image, f.Depth, f.Normal, &depths); luma != nil {
			out = append(out, still{"frames", f.Time, shrinkLuma(luma)})
		}
	}
	if isFlat(t) && depths.least < depths.most {
		c.problem("depth", "its maps are from %d to %d, and depth_meta from %v to %v", depths.least, depths.most, t.DepthMeta.Min, t.DepthMeta.Max)
	}
	if !isFlat(t) && !depths.used() {
		c.problem("depth", "its maps are from %d to %d: 0 is to be the nearest of them all, 65535 the farthest", depths.least, depths.most)
	}
	return out
}

// picture decodes a JPEG and its maps, which must have its size, and adds its
// depth's levels to those of the tuple.
func (c *check) picture(what string, img, depth, normal table.Blob, depths *levels) *image.YCbCr {
	luma, err := decodeJPEG(img.Bytes)
	if err != nil {
		c.problem(what, "%s: %v", img.Path, err)
		depths.unknown = true
		return nil
	}
	if depth.Bytes != nil {
		if err := depths.add(depth.Bytes, luma.Rect.Size()); err != nil {
			c.problem("depth", "%s: %v", depth.Path, err)
		}
	}
	if normal.Bytes != nil {
		if err := checkNormal(normal.Bytes, luma.Rect.Size()); err != nil {
			c.problem("normal", "%s: %v", normal.Path, err)
		}
	}
	return luma
}

// isFlat tells whether the depth maps have but one value.
func isFlat(t *shards.Tuple) bool { return t.DepthMeta != nil && t.DepthMeta.Min == t.DepthMeta.Max }

func decodeJPEG(data []byte) (*image.YCbCr, error) {
	cfg, err := jpeg.DecodeConfig(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	if cfg.Width < 1 || cfg.Height < 1 || cfg.Width*cfg.Height > maxPixels {
		return nil, errPicture
	}
	img, err := jpeg.Decode(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	ycc, ok := img.(*image.YCbCr)
	if !ok {
		return nil, errNotYCbCr
	}
	return ycc, nil
}

// decodePNG decodes a map of that very size and colour model.
func decodePNG(data []byte, size image.Point, model color.Model, wrongModel error) (image.Image, error) {
	cfg, err := png.DecodeConfig(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	if cfg.Width != size.X || cfg.Height != size.Y {
		return nil, &sizeError{image.Pt(cfg.Width, cfg.Height), size}
	}
	if cfg.ColorModel != model {
		return nil, wrongModel
	}
	return png.Decode(bytes.NewReader(data))
}

type sizeError struct{ got, want image.Point }

func (e *sizeError) Error() string {
	return "is " + e.got.String() + ", the picture " + e.want.String()
}

// levels are the least and the most of a tuple's depth maps, which have one
// range in common.
type levels struct {
	least, most uint16
	unknown     bool // a map was not read
}

func newLevels() levels { return levels{least: math.MaxUint16} }

// add checks a depth map's size and format and counts its levels.
func (l *levels) add(data []byte, size image.Point) error {
	img, err := decodePNG(data, size, color.Gray16Model, errNotGray16)
	if err != nil {
		l.unknown = true
		return err
	}
	gray, ok := img.(*image.Gray16)
	if !ok {
		l.unknown = true
		return errNotGray16
	}
	for y := range size.Y {
		for x := range size.X {
			v := gray.Gray16At(x, y).Y
			l.least, l.most = min(l.least, v), max(l.most, v)
		}
	}
	return nil
}

// rangeSlack is how far the maps may stay from 0 and 65535: a hundredth, for maps
// that were scaled after their range was taken.
const rangeSlack = 656

// used tells whether the maps reach both ends of their range, as far as is known.
func (l *levels) used() bool {
	none := l.least > l.most
	return l.unknown || none || l.least <= rangeSlack && l.most >= math.MaxUint16-rangeSlack
}

// unitSlack bounds a stored normal's length: rounding to 8 bits alone moves it by
// up to sqrt(3)/255 = 0.007.
const unitSlack = 0.02

var (
	errNotUnit = errors.New("has normals that are not of unit length")
	errAway    = errors.New("has normals that point away from the camera")
)

func checkNormal(data []byte, size image.Point) error {
	img, err := decodePNG(data, size, color.RGBAModel, errNotRGB8)
	if err != nil {
		return err
	}
	rgb, ok := img.(*image.RGBA)
	if !ok {
		return errNotRGB8
	}
	for y := range size.Y {
		row := rgb.Pix[y*rgb.Stride:][:4*size.X]
		for x := 0; x < len(row); x += 4 {
			nx, ny, nz := component(row[x]), component(row[x+1]), component(row[x+2])
			if l := math.Sqrt(nx*nx + ny*ny + nz*nz); math.Abs(l-1) > unitSlack {
				return errNotUnit
			}
			if row[x+2] > 128 { // 127.5 is 0, and either neighbour may stand for it
				return errAway
			}
		}
	}
	return nil
}

func component(v uint8) float64 { return 2*float64(v)/255 - 1 }

// measures recomputes what was measured on the key frame.
func (c *check) measures(img *image.YCbCr) {
	w, h := img.Rect.Dx(), img.Rect.Dy()
	at := func(x, y int) int { return int(img.Y[y*img.YStride+x]) }
	var sum, n, lap, lap2 float64
	for y := range h {
		for x := range w {
			sum += float64(at(x, y))
			if x > 0 && y > 0 && x < w-1 && y < h-1 {
				l := float64(at(x-1, y) + at(x+1, y) + at(x, y-1) + at(x, y+1) - 4*at(x, y))
				lap, lap2, n = lap+l, lap2+l*l, n+1
			}
		}
	}
	if brightness := sum / float64(w*h) / 255; !near(c.t.Brightness, brightness) {
		c.problem("brightness", "is %v, measured %v", c.t.Brightness, brightness)
	}
	sharpness := 0.
	if n > 0 {
		sharpness = lap2/n - lap/n*lap/n
	}
	if !near(c.t.Sharpness, sharpness) {
		c.problem("sharpness", "is %v, measured %v", c.t.Sharpness, sharpness)
	}
	if hash := measure.PHash(img.Y, w, h, img.YStride); bits.OnesCount64(hash^uint64(c.t.PHash)) > hashSlack {
		c.problem("phash", "is %016x, measured %016x", uint64(c.t.PHash), hash)
	}
}

// hashSlack is in how many bits a hash may differ, since processors round sums
// differently: those of frequencies that are as good as the median.
const hashSlack = 2

// near allows for another order of summation.
func near(a, b float64) bool { return math.Abs(a-b) <= 1e-6*max(1, math.Abs(a), math.Abs(b)) }

// thumb is a small luma picture, for comparing pictures of other sizes.
type thumb = [thumbSize]float32

// grayThumb is one that ffmpeg made, of a frame.
type grayThumb = [thumbSize]uint8

// Size of thumbs: enough to tell a frame from its neighbours by a shift of a
// tenth of a pixel, and 3.6 KB of memory a frame.
const (
	thumbW, thumbH = 80, 45
	thumbSize      = thumbW * thumbH
)

// shrinkLuma averages the luma of each cell of the grid, with the shares of
// pixels that lie on an edge.
func shrinkLuma(img *image.YCbCr) (t thumb) {
	w, h := img.Rect.Dx(), img.Rect.Dy()
	xs, ys := cells(w, thumbW), cells(h, thumbH)
	for cy, ry := range ys {
		for cx, rx := range xs {
			var sum, weight float32
			for i, wy := range ry.weights {
				row := img.Y[(ry.first+i)*img.YStride:]
				for k, wx := range rx.weights {
					sum += wy * wx * float32(row[rx.first+k])
					weight += wy * wx
				}
			}
			t[cy*thumbW+cx] = sum / weight
		}
	}
	return t
}

// cell is a stretch of pixels and the share of each in the cell.
type cell struct {
	first   int
	weights []float32
}

func cells(pixels, n int) []cell {
	out := make([]cell, n)
	for i := range out {
		from, to := float64(i*pixels)/float64(n), float64((i+1)*pixels)/float64(n)
		out[i].first = int(from)
		for p := int(from); float64(p) < to && p < pixels; p++ {
			share := min(float64(p+1), to) - max(float64(p), from)
			out[i].weights = append(out[i].weights, float32(share))
		}
	}
	return out
}

// unlike tells how far two pictures are from each other but for brightness and
// contrast: 0 the same, 1 nothing in common (one minus their correlation
// squared). Of a flat one there is no correlation: it has nothing in common with a
// picture that is clearly none, nor with a flat one of another gray, and of others
// nothing can be said, which is 0.
func unlike[A, B float32 | uint8](a *[thumbSize]A, b *[thumbSize]B) float64 {
	var sa, sb, saa, sbb, sab float64
	for i := range a {
		x, y := float64(a[i]), float64(b[i])
		sa, sb, saa, sbb, sab = sa+x, sb+y, saa+x*x, sbb+y*y, sab+x*y
	}
	n := float64(len(a))
	va, vb, cov := saa/n-sa/n*sa/n, sbb/n-sb/n*sb/n, sab/n-sa/n*sb/n
	if least, most := min(va, vb), max(va, vb); least < flatVariance {
		isOther := most > clearVariance || most < flatVariance && math.Abs(sa-sb)/n > otherGray
		if isOther {
			return 1
		}
		return 0
	}
	if cov <= 0 {
		return 1
	}
	return 1 - cov*cov/(va*vb)
}

// variance is that of a small picture's levels.
func variance[A float32 | uint8](t *[thumbSize]A) float64 {
	var sum, squares float64
	for _, v := range t {
		sum, squares = sum+float64(v), squares+float64(v)*float64(v)
	}
	n := float64(len(t))
	return squares/n - sum/n*sum/n
}

// Variances of a picture within two levels of one gray, and of one that no encoder
// makes flat; and by how many levels grays differ that are not one: above what full and
// limited range do to black and white.
const (
	flatVariance  = 4
	clearVariance = 36
	otherGray     = 48
)
