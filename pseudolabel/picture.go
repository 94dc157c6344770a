package pseudolabel

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"

	"micodata/dataset"
	"micodata/internal/jpegrgb"
)

// picture is a decoded picture.
type picture struct {
	key  string
	rgb  []byte // interleaved, 8 bits a channel
	size image.Point
}

// pictureError is what is wrong with one picture: its row fails, the others go on.
type pictureError struct {
	class dataset.Class
	err   error
}

func (e *pictureError) Error() string { return e.err.Error() }
func (e *pictureError) Unwrap() error { return e.err }

func (e *pictureError) item(p *Picture) error {
	return dataset.Fail(e.class, "picture %s: %w", p.Key, e.err)
}

// decode reads a JPEG, or a PNG, of at most maxPixels.
func decode(p *Picture, maxPixels int) (*picture, error) {
	readHeader, read := jpeg.DecodeConfig, jpeg.Decode
	if bytes.HasPrefix(p.Data, []byte("\x89PNG")) {
		readHeader, read = png.DecodeConfig, png.Decode
	} else {
		rgb, w, h, err := jpegrgb.Decode(p.Data, maxPixels)
		switch {
		case err == nil:
			return &picture{key: p.Key, rgb: rgb, size: image.Pt(w, h)}, nil
		case errors.Is(err, jpegrgb.ErrTooLarge):
			return nil, &pictureError{dataset.TooLarge, err}
		case !errors.Is(err, jpegrgb.ErrUnsupported):
			return nil, &pictureError{dataset.Corrupt, err}
		}
		// CMYK and other rare kinds: image/jpeg's samples are off by a level here and there.
	}
	cfg, err := readHeader(bytes.NewReader(p.Data))
	switch {
	case err != nil:
		return nil, &pictureError{dataset.Corrupt, err}
	case cfg.Width < 1 || cfg.Height < 1:
		return nil, &pictureError{dataset.Corrupt, fmt.Errorf("its size is %dx%d", cfg.Width, cfg.Height)}
	case cfg.Width > maxPixels/cfg.Height:
		return nil, &pictureError{dataset.TooLarge, fmt.Errorf("%dx%d is more than %d pixels", cfg.Width, cfg.Height, maxPixels)}
	}
	img, err := read(bytes.NewReader(p.Data))
	if err != nil {
		return nil, &pictureError{dataset.Corrupt, err}
	}
	if img.Bounds().Empty() {
		return nil, &pictureError{dataset.Corrupt, errors.New("it is empty")}
	}
	return &picture{key: p.Key, rgb: toRGB(img), size: img.Bounds().Size()}, nil
}

// toRGB makes interleaved RGB of a picture; of a JPEG's samples as libjpeg does.
func toRGB(img image.Image) []byte {
	switch img := img.(type) {
	case *image.YCbCr:
		return jpegrgb.FromYCbCr(img)
	case *image.Gray:
		b := img.Bounds()
		rgb := make([]byte, 0, 3*b.Dx()*b.Dy())
		for y := range b.Dy() {
			for _, v := range img.Pix[y*img.Stride:][:b.Dx()] {
				rgb = append(rgb, v, v, v)
			}
		}
		return rgb
	}
	b := img.Bounds()
	rgb := make([]byte, 0, 3*b.Dx()*b.Dy())
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			// Pillow's convert("RGB") drops what is transparent the same way.
			c := color.NRGBAModel.Convert(img.At(x, y)).(color.NRGBA)
			rgb = append(rgb, c.R, c.G, c.B)
		}
	}
	return rgb
}
