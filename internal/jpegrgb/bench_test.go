package jpegrgb

import (
	"bytes"
	"image"
	"image/jpeg"
	"os/exec"
	"testing"
)

// BenchmarkDecode reads a frame as extract makes them, 1280x720 in 4:2:0, beside
// what image/jpeg costs with the same conversion to RGB, and without the filter.
func BenchmarkDecode(b *testing.B) {
	data, err := exec.Command("ffmpeg", "-v", "error", "-ss", "3", "-i", "../../testdata/media/sintel_a.mp4", "-frames:v", "1",
		"-vf", "scale=1280:720", "-pix_fmt", "yuvj420p", "-c:v", "mjpeg", "-q:v", "3", "-f", "image2pipe", "-").Output()
	if err != nil {
		b.Skip(err)
	}
	b.Run("jpegrgb", func(b *testing.B) {
		b.SetBytes(1280 * 720)
		b.ReportAllocs()
		for b.Loop() {
			if _, _, _, err := Decode(data, 1280*720); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("image jpeg", func(b *testing.B) {
		b.SetBytes(1280 * 720)
		b.ReportAllocs()
		for b.Loop() {
			img, err := jpeg.Decode(bytes.NewReader(data))
			if err != nil {
				b.Fatal(err)
			}
			FromYCbCr(img.(*image.YCbCr))
		}
	})
}
