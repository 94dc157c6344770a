package geowizard

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"micodata/gpu"
)

// Network runs one network on a batch of one; a [*gpu.Session] does. It must
// take calls from several goroutines, and must not change the inputs, nor use them
// after it has returned without an error. Its outputs belong to the caller.
type Network interface {
	Run(ctx context.Context, inputs map[string]gpu.Tensor) (map[string]gpu.Tensor, error)
}

// Networks are the parts of a model. The batch is 1; h and w are an eighth of
// the bucket's height H and width W; all is float32, and int64 where it says so.
type Networks struct {
	// Encoder: image [1,3,H,W] in [-1,1] -> latent [1,4,h,w].
	Encoder Network
	// ImageEncoder, V1 only: image [1,3,224,224] as CLIP takes it -> context [1,1,C].
	ImageEncoder Network
	// UNet: latent, geo [1,2,4,h,w] (depth, normal), timestep int64 [1], domain
	// int64 [1] (indoor, outdoor, object), V1 also context -> prediction [1,2,4,h,w].
	UNet Network
	// Decoder: geo -> depth [1,1,H,W] in [0,1], normal [1,3,H,W].
	Decoder Network
}

func (n *Networks) validate(version string) error {
	switch {
	case n.Encoder == nil || n.UNet == nil || n.Decoder == nil:
		return errors.New("GeoWizard needs an encoder, a UNet and a decoder")
	case version == V1 && n.ImageEncoder == nil:
		return errors.New("GeoWizard v1 needs an image encoder")
	case version == V2 && n.ImageEncoder != nil:
		return errors.New("GeoWizard v2 has no image encoder")
	}
	return nil
}

// ErrNotFinite marks an answer of a network with NaN or infinity in it: of this
// picture nothing can be told, others may fare better.
var ErrNotFinite = errors.New("values are not finite")

// take is a network's output if it is float32 of the shape, where -1 stands
// for any size, and finite.
func take(outputs map[string]gpu.Tensor, name string, shape ...int64) (gpu.Tensor, error) {
	t, ok := outputs[name]
	if !ok {
		return t, fmt.Errorf("there is no output %q", name)
	}
	fits := func(have, want int64) bool { return have == want || want == -1 && have > 0 }
	if !slices.EqualFunc(t.Shape, shape, fits) {
		return t, fmt.Errorf("output %q is %v, want %v", name, t.Shape, shape)
	}
	values := int64(1)
	for _, d := range t.Shape {
		values *= d
	}
	if int64(len(t.Data)) != values {
		return t, fmt.Errorf("output %q has %d values of float32 for %v", name, len(t.Data), t.Shape)
	}
	for i, v := range t.Data {
		if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
			return t, fmt.Errorf("output %q: value %d is %v: %w", name, i, v, ErrNotFinite)
		}
	}
	return t, nil
}
