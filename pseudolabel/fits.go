package pseudolabel

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"micodata/gpu"
	"micodata/pseudolabel/card"
)

// OptionError says that a model does not take what was asked of it.
type OptionError struct {
	Model string
	Err   error
}

func (e *OptionError) Error() string { return fmt.Sprintf("model %s: %v", e.Model, e.Err) }
func (e *OptionError) Unwrap() error { return e.Err }

// checkOptions compares what is asked with the kind of model.
func checkOptions(c *card.Card, o Options) error {
	if c.GeoWizard == nil {
		if o.GeoWizard.Noise != nil {
			return &OptionError{c.Name, errors.New("it is no GeoWizard, and takes no noise to begin with")}
		}
		return nil
	}
	if err := o.GeoWizard.Fits(c.GeoWizard); err != nil {
		return &OptionError{c.Name, err}
	}
	return nil
}

// loadError is why ONNX Runtime can't take a model's file, which was the right one
// by its checksum.
func loadError(ctx context.Context, c *card.Card, path string, err error) error {
	var (
		missing *gpu.MissingError
		device  *gpu.DeviceError
	)
	if err == nil || ctx.Err() != nil || errors.Is(err, gpu.ErrOutOfMemory) || errors.Is(err, gpu.ErrDeviceLost) || errors.As(err, &missing) || errors.As(err, &device) {
		return err
	}
	says := strings.NewReplacer("read model "+path+": ", "", "load model "+path+": ", "", "Load model from "+path+" failed:", "").Replace(err.Error())
	return &card.FileError{Model: c.Name, Path: path, Problem: "can't be run by ONNX Runtime: " + says}
}

// face is an input or output for people: "image float32 [?,3,64,64]".
func face(io gpu.IO) string {
	dims := make([]string, len(io.Shape))
	for i, d := range io.Shape {
		if dims[i] = "?"; d >= 0 {
			dims[i] = fmt.Sprint(d)
		}
	}
	return fmt.Sprintf("%s %s [%s]", io.Name, io.Type, strings.Join(dims, ","))
}

// free tells a dimension that is a number, or that the network leaves open.
func free(have, want int64) bool { return have == want || have == -1 }

// checkFaces compares what the card says with what the network has, so that a
// card of another network is an error here and not in the midst of a run.
func checkFaces(c *card.Card, n *card.Network, p *gpu.Pool) error {
	wrong := func(io gpu.IO, want string) error {
		return c.Wrong(fmt.Errorf("%s has %s, not %s", n.File, face(io), want))
	}
	inputs := p.Inputs()
	if len(inputs) != 1 || inputs[0].Name != n.Input.Name {
		var have []string
		for _, in := range inputs {
			have = append(have, face(in))
		}
		return c.Wrong(fmt.Errorf("its input for %s is %q, the network has %s", n.File, n.Input.Name, strings.Join(have, " and ")))
	}
	in := inputs[0]
	if in.Type != "float32" || len(in.Shape) != 4 || !free(in.Shape[1], 3) || !free(in.Shape[0], 1) {
		return wrong(in, "float32 [N,3,H,W]")
	}
	sides := in.Shape[2:]
	if size := n.Input.Resize.Size; size != nil {
		if !free(sides[0], int64(size[0])) || !free(sides[1], int64(size[1])) {
			return wrong(in, fmt.Sprintf("the card's size of %dx%d", size[0], size[1]))
		}
	} else if slices.Max(sides) >= 0 {
		return wrong(in, fmt.Sprintf("any height and width: a network of one size wants the resize mode %s", card.Squash))
	}
	if m := n.Outputs.Depth; m != nil {
		if out := outputOf(p, m.Name); !isMap(out, 1) && (len(out.Shape) != 3 || out.Type != "float32") {
			return wrong(out, "float32 [N,1,H,W] for depth")
		}
	}
	if m := n.Outputs.Normal; m != nil {
		if out := outputOf(p, m.Name); !isMap(out, 3) {
			return wrong(out, "float32 [N,3,H,W] for normals")
		}
	}
	return nil
}

func isMap(out gpu.IO, channels int64) bool {
	return out.Type == "float32" && len(out.Shape) == 4 && free(out.Shape[1], channels)
}

// outputOf is a network's output of a name, which it has.
func outputOf(p *gpu.Pool, name string) gpu.IO {
	all := p.Outputs()
	return all[slices.IndexFunc(all, func(out gpu.IO) bool { return out.Name == name })]
}
