package pseudolabel

import (
	"errors"
	"fmt"

	"micodata/dataset"
	"micodata/gpu"
	"micodata/pseudolabel/card"
)

// field is maps of one picture as a network gave them: channels of w x h.
type field struct {
	channels [][]float32
	w, h     int
}

// fieldOf takes an output of one picture, [1,channels,H,W] or [1,H,W].
func fieldOf(t gpu.Tensor, channels int) (field, error) {
	rank := len(t.Shape)
	good := (rank == 4 && t.Shape[1] == int64(channels)) || (rank == 3 && channels == 1)
	if !good || t.Shape[0] != 1 || len(t.Data) == 0 {
		return field{}, fmt.Errorf("the network gave %v for a picture of %d channels", t.Shape, channels)
	}
	f := field{h: int(t.Shape[rank-2]), w: int(t.Shape[rank-1])}
	plane := f.w * f.h
	for c := range channels {
		f.channels = append(f.channels, t.Data[c*plane:][:plane])
	}
	return f, nil
}

// check tells whether there are as many channels as wanted, with no value NaN or
// infinite.
func (f field) check(channels int) error {
	if len(f.channels) != channels {
		return fmt.Errorf("the model gave %d channels, want %d", len(f.channels), channels)
	}
	for _, channel := range f.channels {
		for _, v := range channel {
			if v-v != 0 {
				return &pictureError{class: dataset.Labeler, err: errors.New("the network gave NaN or infinite values")}
			}
		}
	}
	return nil
}

func (f field) clamp(c card.Clamp) {
	if c == nil {
		return
	}
	lo, hi := float32(c[0]), float32(c[1])
	for _, channel := range f.channels {
		for i, v := range channel {
			channel[i] = min(max(v, lo), hi)
		}
	}
}
