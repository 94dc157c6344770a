package pseudolabel

import (
	"image"
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
	o.ModelDirs, o.Device = []string{filepath.Join("..", "models")}, "cpu"
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
	frames = append(frames, frames...) // so that some share a batch
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
		if hash(got.Depth) != hash(batched[i].Depth) || hash(got.Normal) != hash(batched[i].Normal) {
			t.Errorf("frame %d: a batch of 4 gave other bytes than one of 1", i)
		}
	}
}

// floor is a tiled floor that runs from the camera to a wall.
func floor(t *testing.T) []byte {
	const w, h, focal, height, wall = 640, 400, 500., 1.5, 9.
	return jpegOf(t, w, h, func(x, y int) color.Color {
		down, right := (float64(y)-h/2.3)/focal, (float64(x)-w/2)/focal
		z := min(height/max(down, 1e-6), wall)
		if z == wall {
			return color.RGBA{205, 200, 190, 255}
		}
		if (int(math.Floor(z))+int(math.Floor(right*z)))%2 == 0 {
			return color.RGBA{150, 110, 80, 255}
		}
		return color.RGBA{110, 78, 55, 255}
	})
}

// The least that a depth model must know, and what a flipped axis or a flipped
// near and far would turn round.
func TestSmallKnowsAFloor(t *testing.T) {
	got := label(t, openSmall(t, Options{}), floor(t))[0]
	if got.Err != nil {
		t.Fatal(got.Err)
	}
	depth := decodeDepth(t, got.Depth)
	vectors, size := decodeNormal(t, got.Normal)
	median := func(r image.Rectangle, value func(x, y int) float64) float64 {
		var all []float64
		for y := r.Min.Y; y < r.Max.Y; y++ {
			for x := r.Min.X; x < r.Max.X; x++ {
				all = append(all, value(x, y))
			}
		}
		slices.Sort(all)
		return all[len(all)/2]
	}
	level := func(x, y int) float64 { return float64(depth.Gray16At(x, y).Y) }
	wall := median(image.Rect(100, 60, 540, 160), level)
	middle := median(image.Rect(100, 270, 540, 300), level)
	front := median(image.Rect(100, 370, 540, 400), level)
	if !(front < middle && middle < wall) {
		t.Errorf("depth of the front %v, the middle %v, the wall %v: want them rising", front, middle, wall)
	}
	up := median(image.Rect(100, 320, 540, 400), func(x, y int) float64 { return -vectors[y*size.X+x][1] })
	if up < .5 {
		t.Errorf("the floor's normals point up by %v, want more than 0.5", up)
	}
}
