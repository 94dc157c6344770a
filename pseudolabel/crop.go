package pseudolabel

import (
	"image"
	"math"

	"micodata/internal/resample"
)

// demoCrop is what omnidata's demonstration makes of a picture: the short side
// scaled to side, the long one in proportion and rounded down, by Pillow's
// BILINEAR, and of that the middle square. It throws the sides of a frame away.
func (p *picture) demoCrop(side int) *picture {
	short := min(p.size.X, p.size.Y)
	size := image.Pt(side*p.size.X/short, side*p.size.Y/short)
	whole := make([]byte, 3*size.X*size.Y)
	resample.RGB(whole, size.X, size.Y, p.rgb, p.size.X, p.size.Y, resample.Bilinear)
	left, top := middle(size.X, side), middle(size.Y, side)
	square := &picture{key: p.key, size: image.Pt(side, side), rgb: make([]byte, 0, 3*side*side)}
	for y := range side {
		square.rgb = append(square.rgb, whole[3*((top+y)*size.X+left):][:3*side]...)
	}
	return square
}

// middle is where torchvision's CenterCrop begins: Python's round goes to even.
func middle(size, side int) int { return int(math.RoundToEven(float64(size-side) / 2)) }
