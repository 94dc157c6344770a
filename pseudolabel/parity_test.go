package pseudolabel

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"micodata/internal/npy"
	"micodata/internal/origin"
)

// What tools/export/goldens.py had PyTorch make of these frames with small twins of
// DPT: the whole way from the picture's file, by Pillow, torchvision's or OpenCV's
// resizing, the network, and back to the frame's size.
var twinFrames = []string{"bbb.jpg", "nasa.png", "sintel.jpg"}

// difference is how far maps are from PyTorch's.
type difference struct {
	depth   float64 // greatest, as a share of the range
	normals float64 // share of channels that are off by more than one level of 255
	tilt    float64 // greatest, degrees
}

// within are the bounds that DPT's maps are promised to keep.
func (d difference) within() bool { return d.depth <= 2e-3 && d.normals <= 1e-3 }

func (d difference) String() string {
	return fmt.Sprintf("depth off by %.2g of the range, %.2g of the normals' channels by more than a level, by %.2g degrees", d.depth, d.normals, d.tilt)
}

// compare labels a frame with a twin and compares the maps with goldens.
func compare(t *testing.T, g Geometer, frame []byte, golden string) difference {
	t.Helper()
	m, err := g.Label(t.Context(), []Picture{{Key: golden, Data: frame}})
	if err != nil {
		t.Fatal(err)
	}
	if m[0].Err != nil {
		t.Fatal(m[0].Err)
	}
	var d difference
	if want, err := npy.ReadFile(golden + ".depth.npy"); err != nil {
		t.Fatal(err)
	} else {
		d.depth = depthDifference(t, m[0], want)
	}
	if m[0].Normal == nil {
		return d
	}
	want, err := npy.ReadFile(golden + ".normal.npy")
	if err != nil {
		t.Fatal(err)
	}
	d.normals, d.tilt = normalDifference(t, m[0].Normal, want)
	return d
}

// depthDifference compares values, and the ends of their range with it.
func depthDifference(t *testing.T, g Geometry, want *npy.Array) float64 {
	t.Helper()
	img := decodeDepth(t, g.Depth)
	if img.Rect.Size() != image.Pt(want.Shape[1], want.Shape[0]) {
		return math.Inf(1)
	}
	lo, hi := float64(slices.Min(want.Data)), float64(slices.Max(want.Data))
	worst := 0.
	for i, v := range want.Data {
		level := float64(img.Gray16At(i%img.Rect.Dx(), i/img.Rect.Dx()).Y)
		got := float64(g.DepthMin) + level/65535*float64(g.DepthMax-g.DepthMin)
		worst = max(worst, math.Abs(got-float64(v))/(hi-lo))
	}
	return worst
}

func normalDifference(t *testing.T, data []byte, want *npy.Array) (share, tilt float64) {
	t.Helper()
	got, size := decodeNormal(t, data)
	if size != image.Pt(want.Shape[1], want.Shape[0]) { // [H,W,3]
		return 1, 180
	}
	off := 0
	for i, n := range got {
		dot := 0.
		for c, v := range n {
			w := float64(want.Data[3*i+c])
			dot += v * w
			if math.Abs(v-w)*127.5 > 1 {
				off++
			}
		}
		length := math.Sqrt(n[0]*n[0] + n[1]*n[1] + n[2]*n[2])
		tilt = max(tilt, math.Acos(min(1, dot/length))*180/math.Pi)
	}
	return float64(off) / float64(3*len(got)), tilt
}

// twin opens a twin, a folder in testdata, with changes to its card.
func twin(t *testing.T, name string, o Options, changes ...string) Geometer {
	t.Helper()
	from := filepath.Join("testdata", name)
	text, err := os.ReadFile(filepath.Join(from, "model.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	card := string(text)
	for i := 0; i < len(changes); i += 2 {
		if !strings.Contains(card, changes[i]) {
			t.Fatalf("%q is not in the card of %s", changes[i], name)
		}
		card = strings.ReplaceAll(card, changes[i], changes[i+1])
	}
	name = filepath.Base(name)
	folder := filepath.Join(t.TempDir(), name)
	if err := os.CopyFS(folder, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "model.yaml"), []byte(card), 0o644); err != nil {
		t.Fatal(err)
	}
	o.Model, o.ModelDirs, o.Device = name, []string{filepath.Dir(folder)}, testDevice()
	return mustOpen(t, o)
}

func frame(t *testing.T, file string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", "frames", file))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestDPTIsPyTorchs(t *testing.T) {
	golden := func(of, file string) string {
		return filepath.Join("testdata", of, "golden", strings.TrimSuffix(file, filepath.Ext(file)))
	}
	for _, name := range []string{"dpt-tiny", "dpt-tiny-midas"} {
		g := twin(t, name, Options{})
		for _, file := range twinFrames {
			d := compare(t, g, frame(t, file), golden(name, file))
			t.Logf("%s, %s: %v", name, file, d)
			if !d.within() {
				t.Errorf("%s, %s: %v", name, file, d)
			}
		}
	}
	demo := twin(t, "dpt-tiny", Options{DemoCrop: true})
	for _, file := range twinFrames {
		if d := compare(t, demo, frame(t, file), golden("dpt-tiny", file)+".demo"); !d.within() {
			t.Errorf("omnidata-demo, %s: %v", file, d)
		}
	}
}

// A JPEG gives the very maps that a PNG of what Pillow reads from it gives.
func TestJPEGsMapsAreItsPNGs(t *testing.T) {
	g := openSmall(t, Options{})
	for _, name := range []string{"ffmpeg-420-q2", "ffmpeg-422-q31", "420p-64x48"} {
		var of [2]Geometry
		for i, ext := range []string{".jpg", ".png"} {
			data, err := os.ReadFile(filepath.Join(jpegs, name+ext))
			if err != nil {
				t.Fatal(err)
			}
			m, err := g.Label(t.Context(), []Picture{{Data: data}})
			if err != nil || m[0].Err != nil {
				t.Fatal(err, m[0].Err)
			}
			of[i] = m[0]
		}
		if a, b := of[0], of[1]; !bytes.Equal(unmarked(a.Depth), unmarked(b.Depth)) || !bytes.Equal(unmarked(a.Normal), unmarked(b.Normal)) || a.DepthMin != b.DepthMin || a.DepthMax != b.DepthMax {
			t.Errorf("%s: the maps differ", name)
		}
	}
}

// unmarked is a map's file without the note of its picture, which stands behind the
// header.
func unmarked(m []byte) []byte {
	const header = 33
	note := len(origin.Mark(m, nil)) - len(m)
	return slices.Concat(m[:header], m[header+note:])
}

// redrawn decodes a frame, and encodes it again as PNG with pixels moved or changed.
func redrawn(t *testing.T, data []byte, size func(w, h int) (int, int), at func(img *picture, x, y int) color.RGBA) []byte {
	t.Helper()
	p, err := decode(&Picture{Data: data}, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	w, h := size(p.size.X, p.size.Y)
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			img.SetRGBA(x, y, at(p, x, y))
		}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func (p *picture) at(x, y int) color.RGBA {
	px := p.rgb[3*(y*p.size.X+x):]
	return color.RGBA{px[0], px[1], px[2], 255}
}

// Each mistake that is easily made, and gives plausible maps, is seen: what it
// makes is outside of the bounds that the right way keeps.
func TestDPTsMistakesAreSeen(t *testing.T) {
	same := func(w, h int) (int, int) { return w, h }
	data := frame(t, "sintel.jpg")
	golden := filepath.Join("testdata", "dpt-tiny", "golden", "sintel")
	half, plain := "mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5]", "mean: [0.0, 0.0, 0.0], std: [1.0, 1.0, 1.0]"
	for name, m := range map[string]struct {
		changes []string
		frame   []byte
	}{
		"depth fed what normals want":  {changes: []string{half, plain}},
		"normals fed what depth wants": {changes: []string{plain, half}},
		"near and far turned round":    {changes: []string{"convention: near_small, kind: affine_invariant_depth, clamp: [0.0, 1.0]", "convention: near_small, kind: affine_invariant_depth, clamp: [-1.0, 0.0]"}},
		"y up":                         {changes: []string{"axes: opencv", "axes: opengl"}},
		"x left":                       {changes: []string{"axes: opencv", "axes: geowizard"}},
		"normals in -1 to 1":           {changes: []string{"range: [0.0, 1.0]", "range: [-1.0, 1.0]"}},
		"OpenCV's resizing":            {changes: []string{"filter: bilinear-antialias", "filter: cubic-opencv"}},
		"no clamp":                     {changes: []string{", clamp: [0.0, 1.0]", ""}},
		"BGR": {frame: redrawn(t, data, same, func(p *picture, x, y int) color.RGBA {
			c := p.at(x, y)
			c.R, c.B = c.B, c.R
			return c
		})},
		"mirrored": {frame: redrawn(t, data, same, func(p *picture, x, y int) color.RGBA { return p.at(p.size.X-1-x, y) })},
		"height and width exchanged": {frame: redrawn(t, data, same, func(p *picture, x, y int) color.RGBA {
			return p.at(y*(p.size.X-1)/(p.size.Y-1), x*(p.size.Y-1)/(p.size.X-1))
		})},
		"a pixel to the right": {frame: redrawn(t, data, same, func(p *picture, x, y int) color.RGBA { return p.at(max(0, x-1), y) })},
	} {
		f := m.frame
		if f == nil {
			f = data
		}
		if d := compare(t, twin(t, "dpt-tiny", Options{}, m.changes...), f, golden); d.within() {
			t.Errorf("%s: not seen: %v", name, d)
		} else {
			t.Logf("%s: %v", name, d)
		}
	}
	// An inverse depth that is taken for a depth is stored upside down.
	g := twin(t, "dpt-tiny-midas", Options{}, "near_large", "near_small", "inverse_depth", "affine_invariant_depth")
	right := twin(t, "dpt-tiny-midas", Options{})
	wrong, err := g.Label(t.Context(), []Picture{{Data: data}})
	if err != nil {
		t.Fatal(err)
	}
	well, err := right.Label(t.Context(), []Picture{{Data: data}})
	if err != nil {
		t.Fatal(err)
	}
	if a, b := decodeDepth(t, wrong[0].Depth).Gray16At(9, 9).Y, decodeDepth(t, well[0].Depth).Gray16At(9, 9).Y; int(a)+int(b) != 65535 || well[0].DepthMin <= well[0].DepthMax {
		t.Errorf("levels %d and %d, range %v to %v", a, b, well[0].DepthMin, well[0].DepthMax)
	}
}
