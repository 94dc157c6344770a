package testset

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"micodata/dataset"
	"micodata/internal/ffmpeg"
	"micodata/internal/measure"
	"micodata/internal/origin"
	"micodata/internal/table"
)

// Shape of every clip.
const (
	Width, Height = 320, 180
	FPS           = 25
	FrameCount    = 50
	Seconds       = 2.0
	AudioRate     = 16000
	Frames        = 8
	imageFrame    = 25
)

// Media is what extract would make of one clip, with its maps.
type Media struct {
	Video, Audio, Image, Depth, Normal []byte
	Frames                             [][]byte
	Neighbour                          []byte // the frame after Image's
}

// FrameIndex is the clip's frame that uniform frame i shows.
func FrameIndex(i int) int { return (2*i + 1) * FrameCount / (2 * Frames) }

var made struct {
	sync.Mutex
	media map[string]*Media
}

// Make encodes a clip by ffmpeg: a moving test picture and a noise that both
// differ from one n to the next. Late shifts the picture by frames, against both
// the sound and the still pictures.
func Make(t testing.TB, n, late int) *Media {
	t.Helper()
	made.Lock()
	defer made.Unlock()
	key := fmt.Sprint(n, "/", late)
	if m := made.media[key]; m != nil {
		return m
	}
	m, err := encode(t.Context(), t.TempDir(), n, late)
	if err != nil {
		t.Fatalf("testset: %v", err)
	}
	if made.media == nil {
		made.media = map[string]*Media{}
	}
	made.media[key] = m
	return m
}

func encode(ctx context.Context, dir string, n, late int) (*Media, error) {
	// Each clip shows another stretch of the test picture, mirrored or not.
	flip := []string{"null", "hflip", "vflip", "negate"}[n%4]
	picture := func(from int) string {
		return fmt.Sprintf("testsrc2=s=%dx%d:r=%d,trim=start_frame=%d:end_frame=%d,setpts=PTS-STARTPTS,%s,format=yuv420p",
			Width, Height, FPS, from, from+FrameCount, flip)
	}
	sound := fmt.Sprintf("anoisesrc=color=brown:seed=%d:r=48000:d=%g:a=0.6,tremolo=f=%d", n+1, Seconds, 2+n%5)
	first := 10*n + 1
	wanted := fmt.Sprintf("eq(n,%d)+eq(n,%d)", imageFrame, imageFrame+1)
	uniform := "0"
	for i := range Frames {
		uniform += fmt.Sprintf("+eq(n,%d)", FrameIndex(i))
	}
	out := func(name string) string { return filepath.Join(dir, name) }
	tools, err := ffmpeg.Find(ctx, "")
	if err != nil {
		return nil, err
	}
	args := []string{"-y", "-threads", "1", "-filter_threads", "1",
		"-f", "lavfi", "-i", picture(first - late), "-f", "lavfi", "-i", picture(first), "-f", "lavfi", "-i", sound,
		"-map", "0:v", "-map", "2:a", "-c:v", "libx264", "-preset", "veryfast", "-threads", "1", "-c:a", "aac", "-ar", "48000", "-ac", "1",
		"-movflags", "+faststart", "-fflags", "+bitexact", "-flags:v", "+bitexact", "-flags:a", "+bitexact", out("clip.mp4"),
		"-map", "2:a", "-ar", fmt.Sprint(AudioRate), "-ac", "1", "-c:a", "flac", "-sample_fmt", "s16", "-fflags", "+bitexact", "-flags:a", "+bitexact", out("clip.flac"),
		"-map", "1:v", "-vf", "select='" + wanted + "'", "-vsync", "0", "-q:v", "3", "-pix_fmt", "yuvj420p", "-f", "image2", out("image%d.jpg"),
		"-map", "1:v", "-vf", "select='" + uniform + "'", "-vsync", "0", "-q:v", "3", "-pix_fmt", "yuvj420p", "-f", "image2", out("frame%d.jpg")}
	p, err := tools.Start(ctx, ffmpeg.Job{Args: args})
	if err != nil {
		return nil, err
	}
	if err := p.Wait(); err != nil {
		return nil, err
	}
	m := &Media{}
	files := map[string]*[]byte{"clip.mp4": &m.Video, "clip.flac": &m.Audio, "image1.jpg": &m.Image, "image2.jpg": &m.Neighbour}
	m.Frames = make([][]byte, Frames)
	for i := range m.Frames {
		files[fmt.Sprintf("frame%d.jpg", i+1)] = &m.Frames[i]
	}
	for name, data := range files {
		var err error
		if *data, err = os.ReadFile(out(name)); err != nil {
			return nil, err
		}
	}
	m.Depth, m.Normal = origin.Mark(DepthPNG(Width, Height, n), m.Image), origin.Mark(NormalPNG(Width, Height, n), m.Image)
	return m, nil
}

// DepthPNG is a 16-bit ramp from 0 to 65535 that tilts with n.
func DepthPNG(w, h, n int) []byte { return remembered("depth", w, h, n, depthPNG) }

func depthPNG(w, h, n int) []byte {
	img := image.NewGray16(image.Rect(0, 0, w, h))
	most := float64((w-1)*(1+n%3) + (h - 1))
	for y := range h {
		for x := range w {
			img.SetGray16(x, y, color.Gray16{Y: uint16(math.Round(float64(x*(1+n%3)+y) / most * 65535))})
		}
	}
	return EncodePNG(img)
}

// NormalPNG is a field of unit normals that all look at the camera.
func NormalPNG(w, h, n int) []byte { return remembered("normal", w, h, n, normalPNG) }

func normalPNG(w, h, n int) []byte {
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	level := func(v float64) uint8 { return uint8(math.Round((v + 1) / 2 * 255)) }
	for y := range h {
		for x := range w {
			nx := 0.6 * math.Sin(float64(x+n)/40)
			ny := 0.6 * math.Cos(float64(y)/30)
			img.SetRGBA(x, y, color.RGBA{level(nx), level(ny), level(-math.Sqrt(1 - nx*nx - ny*ny)), 255})
		}
	}
	return EncodePNG(img)
}

// pictures are those that were made, by what and of what: under the race detector
// coding them again would be the larger part of many tests.
var pictures sync.Map

func remembered(what string, w, h, n int, draw func(w, h, n int) []byte) []byte {
	key := fmt.Sprint(what, w, h, n)
	data, ok := pictures.Load(key)
	if !ok {
		data, _ = pictures.LoadOrStore(key, draw(w, h, n))
	}
	return bytes.Clone(data.([]byte))
}

// EncodePNG makes a PNG of a picture.
func EncodePNG(img image.Image) []byte {
	var buf bytes.Buffer
	if err := png.Encode(&buf, img); err != nil {
		panic(fmt.Sprintf("testset: %v", err)) // into memory
	}
	return buf.Bytes()
}

// Clip makes the row of an extract part.
func (m *Media) Clip(key string, start float64) *dataset.Clip {
	id, _, err := dataset.SplitKey(key)
	if err != nil {
		panic("testset: " + err.Error())
	}
	c := &dataset.Clip{
		Key: key, ClipID: "clip of " + key, SourceID: id, Start: start, End: start + Seconds, Outcome: dataset.Outcome{Status: dataset.OK},
		Subtitles: []dataset.Cue{{Start: 0.25, End: 1, Text: "hello " + key, Lang: "en"}},
		Image:     table.Blob{Bytes: m.Image, Path: key + ".jpg"}, ImageTime: imageFrame / float64(FPS),
		Video: table.Blob{Bytes: m.Video, Path: key + ".mp4"}, Audio: table.Blob{Bytes: m.Audio, Path: key + ".flac"},
		Width: Width, Height: Height, FrameCount: FrameCount, FPS: FrameCount / Seconds, VideoCodec: "h264",
		AudioRate: AudioRate, AudioChannels: 1, Motion: 0.05, PHash: PHash(m.Image),
	}
	c.Sharpness, c.Brightness = Measure(m.Image)
	for i, f := range m.Frames {
		c.Frames = append(c.Frames, dataset.Frame{Time: float64(FrameIndex(i)) / FPS, Image: table.Blob{Bytes: f, Path: fmt.Sprintf("%s.%02d.jpg", key, i)}})
	}
	return c
}

// PHash gives the perceptual hash of a picture.
func PHash(data []byte) int64 {
	img, err := jpeg.Decode(bytes.NewReader(data))
	if err != nil {
		panic(fmt.Sprintf("testset: %v", err)) // ffmpeg made it
	}
	luma := img.(*image.YCbCr)
	return int64(measure.PHash(luma.Y, luma.Rect.Dx(), luma.Rect.Dy(), luma.YStride))
}

// Measure gives the variance of the Laplacian and the mean of a picture's luma.
func Measure(data []byte) (sharpness, brightness float64) {
	img, err := jpeg.Decode(bytes.NewReader(data))
	if err != nil {
		panic(fmt.Sprintf("testset: %v", err)) // ffmpeg made it
	}
	luma := img.(*image.YCbCr)
	at := func(x, y int) float64 { return float64(luma.Y[luma.YOffset(x, y)]) }
	var sum, squares, n float64
	for y := range Height {
		for x := range Width {
			brightness += at(x, y) / 255 / Width / Height
			if x == 0 || y == 0 || x == Width-1 || y == Height-1 {
				continue
			}
			l := at(x-1, y) + at(x+1, y) + at(x, y-1) + at(x, y+1) - 4*at(x, y)
			sum, squares, n = sum+l, squares+l*l, n+1
		}
	}
	return squares/n - sum/n*sum/n, brightness
}
