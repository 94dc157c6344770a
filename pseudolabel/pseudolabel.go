package pseudolabel

import (
	"context"
	"errors"
	"fmt"

	"micodata/gpu"
	"micodata/pseudolabel/card"
)

// Picture is what is labelled.
type Picture struct {
	Key  string // for error messages
	JPEG []byte // display orientation, square pixels
}

// Geometry is the maps of one picture, each of its size and pixel for pixel.
type Geometry struct {
	// Depth is a 16-bit gray PNG; nil if the model has no depth. A pixel v stands
	// for DepthMin + v/65535*(DepthMax-DepthMin), and v is 0 at the nearest point
	// and 65535 at the farthest of all pictures of the clip, which have this range
	// in common. So DepthMin is the near end: for an inverse depth, which is large
	// where it is near, DepthMin > DepthMax. Pictures without any depth in them are
	// all 0 with DepthMin = DepthMax.
	Depth              []byte
	DepthMin, DepthMax float32

	// Normal is an 8-bit RGB PNG; nil if the model has no normals. n = 2v/255-1 is
	// a unit vector (length within 0.02 of 1) in the camera's frame x right, y
	// down, z forward, with z < 0.
	Normal []byte

	// Err is why this picture has no maps: a [*dataset.ItemError].
	Err error
}

// ModelInfo names what made the labels, for the columns beside them.
type ModelInfo struct {
	Name          string
	WeightsSHA256 string
	DepthKind     string // affine_invariant_depth, inverse_depth or metric; "" without depth
	Licence       string
	Tasks         []string // depth, normal
	Device        string   // "cpu", "cuda:0"
	DeviceNote    string   // why the CPU, where a GPU was looked for; one line
}

// Geometer labels pictures with depth and normals.
type Geometer interface {
	// Label returns a Geometry for each picture of each clip, in their order. The
	// error is non-nil only where none can be labelled: ctx is done, or the model or
	// the device failed. It may be called from several goroutines.
	Label(ctx context.Context, clips [][]Picture) ([][]Geometry, error)
	Model() ModelInfo
	// Fingerprint names all that shapes the maps' bytes beside the pictures.
	Fingerprint() string
	// Close waits for the calls under way and frees the model.
	Close() error
}

// DefaultModel is the small built-in model.
const DefaultModel = "small"

// Options choose a model and how it is run.
type Options struct {
	Model     string   // a card's name; default [DefaultModel]
	ModelDirs []string // looked in, in this order; default: [card.Dirs] of none

	Device     string // auto (default), cpu, cuda, cuda:N
	ORTLibrary string // ONNX Runtime's library; default: see [gpu.Options]

	// Threads is the number of threads inside one run on the CPU; default 1, and
	// part of the fingerprint.
	Threads int
	// BatchSize is the most pictures in one run. Default 1 on the CPU, where more
	// gains nothing (measured with DPT and with the built-in model), and 8 on a GPU.
	BatchSize int
	// Workers is how many batches one call of Label has in work at once; each keeps
	// about one core busy. Default 1: whoever calls knows how many cores are free.
	Workers int
	// MaxPixels is the largest picture that is decoded. Default 64 Mi, an 8K frame
	// with room; a pixel takes 1.5 to 4 bytes decoded, and up to 12 more while a
	// progressive JPEG is.
	MaxPixels int
}

func (o Options) withDefaults() Options {
	if o.Model == "" {
		o.Model = DefaultModel
	}
	if len(o.ModelDirs) == 0 {
		o.ModelDirs = card.Dirs(nil)
	}
	if o.Threads <= 0 {
		o.Threads = 1
	}
	if o.Workers <= 0 {
		o.Workers = 1
	}
	if o.MaxPixels <= 0 {
		o.MaxPixels = 64 << 20
	}
	return o
}

// Open finds a model's card, checks its files and loads it. Errors a caller may
// branch on: [*card.NoModelError], [*gpu.MissingError].
func Open(ctx context.Context, o Options) (Geometer, error) {
	o = o.withDefaults()
	c, err := card.Find(o.Model, o.ModelDirs)
	if err != nil {
		return nil, err
	}
	switch c.Runner {
	case "small":
		return openDense(ctx, c, o)
	default:
		return nil, fmt.Errorf("model %s: no runner %q labels pictures with geometry (there is: small)", c.Name, c.Runner)
	}
}

// openDense loads a model of one network from a picture to maps.
func openDense(ctx context.Context, c *card.Card, o Options) (_ *dense, err error) {
	if len(c.Files) != 1 {
		return nil, fmt.Errorf("model %s: runner %s takes one file, the card has %d", c.Name, c.Runner, len(c.Files))
	}
	outputs := c.Outputs
	var names []string
	if outputs.Depth != nil {
		names = append(names, outputs.Depth.Name)
	}
	if outputs.Normal != nil {
		names = append(names, outputs.Normal.Name)
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("model %s: its card has neither depth nor normal", c.Name)
	}
	rt, err := gpu.Open(gpu.Options{LibraryPath: o.ORTLibrary})
	if err != nil {
		return nil, err
	}
	device, note, err := rt.Device(o.Device)
	if err != nil {
		return nil, err
	}
	if err := c.Verify(ctx); err != nil {
		return nil, err
	}
	session, err := rt.NewSession(c.FilePath(c.Files[0]), gpu.SessionOptions{Device: device, Threads: o.Threads, Outputs: names})
	if err != nil {
		return nil, err
	}
	if err := checkFaces(c, session); err != nil {
		return nil, errors.Join(err, session.Close())
	}
	if o.BatchSize <= 0 {
		o.BatchSize = 1
		if device.Kind == gpu.CUDA {
			o.BatchSize = 8
		}
	}
	return newDense(c, o, rt, session, device, note), nil
}

// checkFaces compares what the card says with what the network has, so that a
// card of another network is an error here and not in the midst of a run.
func checkFaces(c *card.Card, s *gpu.Session) error {
	wrong := func(io gpu.IO, want string) error {
		return fmt.Errorf("model %s: its network's %s is %s %v, want %s", c.Name, io.Name, io.Type, io.Shape, want)
	}
	inputs := s.Inputs()
	if len(inputs) != 1 || inputs[0].Name != c.Input.Name {
		return fmt.Errorf("model %s: the card's input is %q, the network has %+v", c.Name, c.Input.Name, inputs)
	}
	if in := inputs[0]; in.Type != "float32" || len(in.Shape) != 4 || (in.Shape[1] != 3 && in.Shape[1] != -1) {
		return wrong(in, "float32 [N 3 H W]")
	}
	for _, out := range s.Outputs() {
		rank := len(out.Shape)
		if out.Type != "float32" || rank < 3 || rank > 4 {
			return wrong(out, "float32 [N C H W]")
		}
		if n := c.Outputs.Normal; n != nil && n.Name == out.Name && (rank != 4 || (out.Shape[1] != 3 && out.Shape[1] != -1)) {
			return wrong(out, "float32 [N 3 H W]")
		}
	}
	return nil
}
