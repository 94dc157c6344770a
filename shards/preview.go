package shards

import (
	"bytes"
	"context"
	"errors"
	"image"
	"image/draw"
	"image/jpeg"
	"image/png"
	"io/fs"

	"github.com/disintegration/imaging"

	"micodata/internal/hash64"
	"micodata/storage"
)

// Shape of the card's picture: a row a tuple, its key frame, depth and normals
// side by side.
const (
	previewRows  = 6
	previewWidth = 320 // of each of the three
	previewRatio = 9. / 16
)

// previewSample picks tuples for the card: those with an image whose keys have
// the smallest hashes, which are spread over the set.
type previewSample struct{ rows []*IndexRow }

func (p *previewSample) add(x *IndexRow) {
	if x.Image.Offset == nil {
		return
	}
	h := hash64.Of("preview " + x.Key)
	at := len(p.rows)
	for at > 0 && h < hash64.Of("preview "+p.rows[at-1].Key) {
		at--
	}
	if at >= previewRows {
		return
	}
	p.rows = append(p.rows, nil)
	copy(p.rows[at+1:], p.rows[at:])
	p.rows[at] = x
	p.rows = p.rows[:min(len(p.rows), previewRows)]
}

// preview paints the card's picture as a JPEG, nil if there is nothing to show.
// A picture that does not decode leaves its place gray: to judge is verify's
// work.
func preview(ctx context.Context, s storage.Store, rows []*IndexRow) ([]byte, error) {
	if len(rows) == 0 {
		return nil, nil
	}
	height := int(previewWidth * previewRatio)
	sheet := image.NewNRGBA(image.Rect(0, 0, 3*previewWidth, len(rows)*height))
	for i := range sheet.Pix {
		sheet.Pix[i] = 128 | 255*uint8(i%4/3)
	}
	for y, x := range rows {
		for col, p := range []Place{x.Image, x.Depth, x.Normal} {
			data, err := ReadBlob(ctx, s, x.Shard, p)
			if err != nil {
				return nil, err
			}
			img, err := decodeAny(data)
			if err != nil {
				continue
			}
			small := imaging.Fit(img, previewWidth, height, imaging.Box)
			at := image.Pt(col*previewWidth+(previewWidth-small.Rect.Dx())/2, y*height+(height-small.Rect.Dy())/2)
			draw.Draw(sheet, small.Rect.Add(at), small, image.Point{}, draw.Src)
		}
	}
	var buf bytes.Buffer
	err := jpeg.Encode(&buf, sheet, &jpeg.Options{Quality: 85})
	return buf.Bytes(), err
}

func decodeAny(data []byte) (image.Image, error) {
	if data == nil {
		return nil, fs.ErrNotExist
	}
	img, err := jpeg.Decode(bytes.NewReader(data))
	if err == nil {
		return img, nil
	}
	img, pngErr := png.Decode(bytes.NewReader(data))
	if pngErr != nil {
		return nil, errors.Join(err, pngErr)
	}
	return img, nil
}
