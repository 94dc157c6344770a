package pseudolabel

import (
	"fmt"
	"image/color"
	"math"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
)

// openSmall opens the built-in model as a user would, from the repository.
func openSmall(t *testing.T, o Options) Geometer {
	t.Helper()
	o.ModelDirs, o.Device = []string{filepath.Join("..", "models")}, testDevice()
	return mustOpen(t, o)
}

// realFrames decodes one frame of each sample video.
func realFrames(t *testing.T) [][]byte {
	t.Helper()
	videos, err := filepath.Glob(filepath.Join("..", "testdata", "media", "*.mp4"))
	if err != nil || len(videos) < 3 {
		t.Fatalf("sample videos: %v, %v", videos, err)
	}
	var frames [][]byte
	for _, v := range videos {
		jpeg, err := exec.Command("ffmpeg", "-v", "error", "-ss", "1", "-i", v, "-frames:v", "1", "-c:v", "mjpeg", "-q:v", "2", "-f", "image2pipe", "-").Output()
		if err != nil {
			t.Fatalf("frame of %s: %v", v, err)
		}
		frames = append(frames, jpeg)
	}
	return frames
}

func TestSmallOnRealFrames(t *testing.T) {
	g := openSmall(t, Options{})
	frames := realFrames(t)

	batched := label(t, openSmall(t, Options{BatchSize: 4}), frames...)
	for i, got := range label(t, g, frames...) {
		if got.Err != nil {
			t.Fatal(got.Err)
		}
		pic, err := decode(&Picture{Data: frames[i]}, 1<<30)
		if err != nil {
			t.Fatal(err)
		}
		cfg := pic.size
		depth := decodeDepth(t, got.Depth)
		if depth.Bounds().Size() != cfg {
			t.Errorf("frame %d: depth %v, picture %v", i, depth.Bounds().Size(), cfg)
		}
		lowest, highest := uint16(math.MaxUint16), uint16(0)
		for p := 0; p < len(depth.Pix); p += 2 {
			v := uint16(depth.Pix[p])<<8 | uint16(depth.Pix[p+1])
			lowest, highest = min(lowest, v), max(highest, v)
		}
		if lowest != 0 || highest != 65535 || !(got.DepthMin < got.DepthMax) {
			t.Errorf("frame %d: levels %d to %d, depth %v to %v", i, lowest, highest, got.DepthMin, got.DepthMax)
		}
		vectors, size := decodeNormal(t, got.Normal)
		if size != cfg {
			t.Errorf("frame %d: normals %v, picture %v", i, size, cfg)
		}
		for _, v := range vectors {
			if math.Abs(math.Sqrt(v[0]*v[0]+v[1]*v[1]+v[2]*v[2])-1) >= .02 || v[2] >= 0 {
				t.Fatalf("frame %d: normal %v", i, v)
			}
		}
		same := hash(got.Depth) == hash(batched[i].Depth) && hash(got.Normal) == hash(batched[i].Normal)
		if testDevice() == "cpu" && !same { // a GPU computes a batch of another size in another way
			t.Errorf("frame %d: a batch of 4 gave other bytes than one of 1", i)
		}
	}
}

// surface is a plane or a sphere of a scene: x right, y down, z forward, metres.
type surface struct {
	at     [3]float64 // a plane's point, a sphere's centre
	normal [3]float64 // of a plane; unit length
	radius float64    // of a sphere
	colour [3]float64
}

// hit is how far along a ray from the camera the surface lies, and its normal there.
func (s *surface) hit(ray [3]float64) (t float64, normal [3]float64, ok bool) {
	if s.radius == 0 {
		t = dot(s.at, s.normal) / dot(ray, s.normal)
		return t, s.normal, t > 0
	}
	a, b, c := dot(ray, ray), dot(ray, s.at), dot(s.at, s.at)-s.radius*s.radius
	root := b*b - a*c
	if root < 0 {
		return 0, normal, false
	}
	t = (b - math.Sqrt(root)) / a
	for i := range normal {
		normal[i] = (ray[i]*t - s.at[i]) / s.radius
	}
	return t, normal, t > 0
}

func dot(a, b [3]float64) float64 { return a[0]*b[0] + a[1]*b[1] + a[2]*b[2] }

// scene is what a camera sees of surfaces, and the truth of it.
type scene struct {
	jpeg    []byte
	depth   []float64
	normals [][3]float64
}

const sceneWidth, sceneHeight = 240, 160

// sun is where the light of all scenes comes from.
var sun = [3]float64{-.48, -.64, -.6}

// render casts a ray for each pixel. Surfaces are tiled, so that size and
// perspective show, and lit: half from everywhere, half from the sun.
func render(t *testing.T, surfaces ...surface) *scene {
	t.Helper()
	const focal = 200.
	s := &scene{depth: make([]float64, sceneWidth*sceneHeight), normals: make([][3]float64, sceneWidth*sceneHeight)}
	s.jpeg = jpegOf(t, sceneWidth, sceneHeight, func(x, y int) color.Color {
		ray := [3]float64{(float64(x) + .5 - sceneWidth/2) / focal, (float64(y) + .5 - sceneHeight/2) / focal, 1}
		at := y*sceneWidth + x
		s.depth[at] = math.Inf(1)
		var c [3]float64
		for i := range surfaces {
			z, normal, ok := surfaces[i].hit(ray)
			if !ok || z >= s.depth[at] {
				continue
			}
			s.depth[at], s.normals[at] = z, normal
			tile := 0
			for k, v := range ray {
				if math.Abs(normal[k]) < .9 || surfaces[i].radius > 0 { // not across a plane
					tile += int(math.Floor(v*z/.7 + .01))
				}
			}
			light := .5 + .5*max(0, dot(normal, sun)) - .12*float64(tile&1)
			for k, v := range surfaces[i].colour {
				c[k] = v * light
			}
		}
		return color.RGBA{uint8(c[0]), uint8(c[1]), uint8(c[2]), 255}
	})
	return s
}

// faults are what maps get wrong where the truth is clear: what is nearer, and to
// which side a surface faces.
func (s *scene) faults(t *testing.T, g Geometry) (faults []string) {
	t.Helper()
	depth := decodeDepth(t, g.Depth)
	vectors, _ := decodeNormal(t, g.Normal)
	// median is a value's where the truth is so; ok if that is a part of the picture that counts
	median := func(value func(at int) float64, so func(at int) bool) (v float64, ok bool) {
		var all []float64
		for at := range s.depth {
			if so(at) {
				all = append(all, value(at))
			}
		}
		if len(all) < len(s.depth)/50 {
			return 0, false
		}
		slices.Sort(all)
		return all[len(all)/2], true
	}
	level := func(at int) float64 { return float64(depth.Gray16At(at%sceneWidth, at/sceneWidth).Y) / 65535 }
	sorted := slices.Sorted(slices.Values(s.depth))
	front, middle := sorted[len(sorted)/7], sorted[len(sorted)/2]
	near, _ := median(level, func(at int) bool { return s.depth[at] <= front })
	far, _ := median(level, func(at int) bool { return s.depth[at] >= middle })
	if middle > 1.2*front && near > far-.2 {
		faults = append(faults, fmt.Sprintf("the nearest seventh has level %.2f, the farther half %.2f", near, far))
	}
	for c, axis := range []string{"x", "y", "z"} {
		for _, sign := range []float64{1, -1} {
			along := func(at int) float64 { return sign * vectors[at][c] }
			if v, ok := median(along, func(at int) bool { return sign*s.normals[at][c] > .5 }); ok && v < .25 {
				faults = append(faults, fmt.Sprintf("%s is %.2f where it should be more than half of %v", axis, sign*v, sign))
			}
		}
	}
	return faults
}

// What a depth and normal model must know, and the signs of all that it says: a
// flipped axis, or near for far, would turn it round.
func TestSmallKnowsGeometry(t *testing.T) {
	plane := func(x, y, z, nx, ny, nz float64, colour [3]float64) surface {
		n := math.Sqrt(nx*nx + ny*ny + nz*nz)
		return surface{at: [3]float64{x, y, z}, normal: [3]float64{nx / n, ny / n, nz / n}, colour: colour}
	}
	ball := func(x, y, z, radius float64) surface {
		return surface{at: [3]float64{x, y, z}, radius: radius, colour: [3]float64{220, 120, 90}}
	}
	wood, paint, stone := [3]float64{190, 150, 110}, [3]float64{235, 230, 220}, [3]float64{170, 180, 190}
	ground, back := plane(0, 1.4, 0, 0, -1, 0, wood), plane(0, 0, 8, 0, 0, -1, paint)
	small := openSmall(t, Options{})
	flips := map[string]func(depth, normal *field){
		"nothing": func(_, _ *field) {},
		"x":       func(_, n *field) { negate(n.channels[0]) },
		"y":       func(_, n *field) { negate(n.channels[1]) },
		"z":       func(_, n *field) { negate(n.channels[2]) },
		"depth":   func(d, _ *field) { negate(d.channels[0]) },
	}
	for name, c := range map[string]struct {
		surfaces []surface
		shows    []string // flips that must be seen
	}{
		"a wall":                  {[]surface{back}, []string{"z"}},
		"a floor before a wall":   {[]surface{ground, back}, []string{"y", "z", "depth"}},
		"a ceiling":               {[]surface{plane(0, -1.2, 0, 0, 1, 0, paint), back}, []string{"y", "z", "depth"}},
		"a tilted floor":          {[]surface{plane(0, 1.4, 3, .25, -1, -.2, wood), back}, []string{"y", "z", "depth"}},
		"a wall on the left":      {[]surface{ground, back, plane(-1.5, 0, 0, 1, 0, 0, stone)}, []string{"x", "y", "z", "depth"}},
		"a wall on the right":     {[]surface{ground, back, plane(1.5, 0, 0, -1, 0, 0, stone)}, []string{"x", "y", "z", "depth"}},
		"a wall that turns right": {[]surface{plane(0, 0, 4, -.9, 0, -.8, stone)}, []string{"x", "z", "depth"}},
		"a wall that turns left":  {[]surface{plane(0, 0, 4, .9, 0, -.8, stone)}, []string{"x", "z", "depth"}},
		"a ball":                  {[]surface{ground, back, ball(0, .3, 4, 1.1)}, []string{"x", "y", "z", "depth"}},
		"a ball to the left":      {[]surface{ground, back, ball(-1.2, .4, 4, 1)}, []string{"x", "y", "z", "depth"}},
		"a ball to the right":     {[]surface{ground, back, ball(1.2, .4, 4, 1)}, []string{"x", "y", "z", "depth"}},
	} {
		s := render(t, c.surfaces...)
		seen := record(t, small.(*labeler).model, s.jpeg)
		for flip, spoil := range flips {
			l := *small.(*labeler)
			l.model = spoiled{seen, spoil}
			m := label(t, &l, s.jpeg)[0]
			if m.Err != nil {
				t.Fatal(m.Err)
			}
			faults := s.faults(t, m)
			switch {
			case flip == "nothing" && len(faults) > 0:
				t.Errorf("%s: %q", name, faults)
			case slices.Contains(c.shows, flip) && len(faults) == 0:
				t.Errorf("%s: %s is flipped, and it is not seen", name, flip)
			}
			t.Logf("%s, %s flipped: %q", name, flip, faults)
		}
	}
}

func negate(values []float32) {
	for i := range values {
		values[i] = -values[i]
	}
}
