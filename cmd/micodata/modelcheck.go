package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"slices"
	"strings"
	"time"

	"micodata/dataset"
	"micodata/pseudolabel"
)

// badModelError says that a model runs and is of no use: one that works is missing.
type badModelError struct {
	model string
	err   error
}

func (e *badModelError) Error() string { return "model " + e.model + ": " + e.err.Error() }
func (e *badModelError) Unwrap() error { return e.err }

// checkModel opens a model and labels a picture with it. What is the same
// everywhere, or impossible, is no estimate of that picture.
func checkModel(ctx context.Context, o pseudolabel.Options) (result string, err error) {
	begin := time.Now()
	o.GeoWizard.Steps = 1 // whether it runs is asked, not how well
	m, err := pseudolabel.Open(ctx, o)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, m.Close()) }()
	loaded := time.Since(begin)
	maps, err := m.Label(ctx, []pseudolabel.Picture{{Key: "check", Data: checkPicture()}})
	if err != nil {
		return "", err
	}
	g := maps[0]
	if g.Err != nil {
		return "", &badModelError{o.Model, g.Err}
	}
	info := m.Model()
	var parts []string
	if g.Depth != nil {
		if err := checkDepth(g, info.DepthKind); err != nil {
			return "", &badModelError{o.Model, err}
		}
		parts = append(parts, fmt.Sprintf("depth from %.4g to %.4g, %s", g.DepthMin, g.DepthMax, info.DepthKind))
	}
	if g.Normal != nil {
		if err := checkNormals(g.Normal); err != nil {
			return "", &badModelError{o.Model, err}
		}
		parts = append(parts, "normals")
	}
	return fmt.Sprintf("%s: ok on %s: %s; loaded in %.1f s, a picture in %.1f s; weights %s",
		info.Name, info.Device, strings.Join(parts, ", "), loaded.Seconds(), (time.Since(begin) - loaded).Seconds(), info.WeightsSHA256), nil
}

func checkDepth(g pseudolabel.Geometry, kind string) error {
	img, err := png.DecodeConfig(bytes.NewReader(g.Depth))
	switch {
	case err != nil:
		return fmt.Errorf("depth: %w", err)
	case img.Width != checkWidth || img.Height != checkHeight:
		return fmt.Errorf("depth is %dx%d for a picture of %dx%d", img.Width, img.Height, checkWidth, checkHeight)
	case g.DepthMin == g.DepthMax:
		return fmt.Errorf("depth is %.4g everywhere on a picture of a floor and a wall: the network is dead, or the card's input or clamp is wrong", g.DepthMin)
	case kind == dataset.MetricDepth && min(g.DepthMin, g.DepthMax) < 0:
		return fmt.Errorf("metric depth is from %.4g to %.4g, and no distance is negative: the card's kind is wrong", g.DepthMin, g.DepthMax)
	}
	return nil
}

// mostAway is the share of normals that may point away from the camera before
// they are taken for those of other axes.
const mostAway = 0.9

func checkNormals(data []byte) error {
	decoded, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		return fmt.Errorf("normals: %w", err)
	}
	img, ok := decoded.(*image.RGBA) // what image/png makes of 8-bit RGB
	if !ok || img.Bounds().Size() != image.Pt(checkWidth, checkHeight) {
		return fmt.Errorf("normals are %T of %v for a picture of %dx%d", decoded, decoded.Bounds().Size(), checkWidth, checkHeight)
	}
	const edgeOn = 125 // z of what points away, which is turned until it no longer does, is this or more
	same, away, all := 0, 0, checkWidth*checkHeight
	for px := range slices.Chunk(img.Pix, 4) {
		if bytes.Equal(px, img.Pix[:4]) {
			same++
		}
		if px[2] >= edgeOn {
			away++
		}
	}
	if same == all {
		n := [3]float64{}
		for c := range n {
			n[c] = 2*float64(img.Pix[c])/255 - 1
		}
		return fmt.Errorf("normals are %.2f everywhere on a picture of a floor and a wall: the network is dead, or the card's input, range or clamp is wrong", n)
	}
	if share := float64(away) / float64(all); share > mostAway {
		return fmt.Errorf("%.0f %% of its normals point away from the camera: the card's axes or range are wrong", 100*share)
	}
	return nil
}

const checkWidth, checkHeight = 320, 180

// checkPicture is a floor that runs to a wall.
func checkPicture() []byte {
	img := image.NewRGBA(image.Rect(0, 0, checkWidth, checkHeight))
	for y := range checkHeight {
		for x := range checkWidth {
			c := color.RGBA{200, 195, 185, 255}
			if down := y - checkHeight/2; down > 0 {
				depth := 600 / (down + 10)
				c = color.RGBA{90, 70, 50, 255}
				if (depth+(x-checkWidth/2)*depth/160)%2 == 0 {
					c = color.RGBA{150, 120, 90, 255}
				}
			}
			img.SetRGBA(x, y, c)
		}
	}
	var b bytes.Buffer
	_ = jpeg.Encode(&b, img, nil) // a buffer takes everything
	return b.Bytes()
}
