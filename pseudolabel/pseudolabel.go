package pseudolabel

import (
	"context"

	"micodata/gpu"
	"micodata/pseudolabel/card"
	"micodata/pseudolabel/geowizard"
)

// Picture is what is labelled.
type Picture struct {
	Key  string // for error messages, and for a model that draws random numbers
	Data []byte // JPEG or PNG; display orientation, square pixels
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
	Device        string   // "cpu", "cuda:0"; several with commas
	DeviceNote    string   // why the CPU, where a GPU was looked for, or which GPU is left out; one line
}

// Geometer labels pictures with depth and normals.
type Geometer interface {
	// Label returns a Geometry for each of a clip's pictures, in their order. The
	// error is non-nil only where none can be labelled: ctx is done, or the model or
	// the device failed. It is to be called from several goroutines: batches are
	// filled across calls.
	Label(ctx context.Context, pictures []Picture) ([]Geometry, error)
	Model() ModelInfo
	// Fingerprint names all that shapes the maps' bytes beside the pictures.
	Fingerprint() string
	// InFlight is how many pictures must be in work for no device to idle.
	InFlight() int
	// Close waits for the calls under way and frees the model.
	Close() error
}

// DefaultModel is the small built-in model.
const DefaultModel = "small"

// Options choose a model and how it is run.
type Options struct {
	Model     string   // a card's name; default [DefaultModel]
	ModelDirs []string // looked in, in this order; default: [card.Dirs] of none

	Device     string // auto (default), cpu, cuda, cuda:N and so on; see [gpu.Runtime.Select]
	ORTLibrary string // ONNX Runtime's library; default: see [gpu.Options]

	// GeoWizard are the settings of that kind of model.
	GeoWizard geowizard.Settings

	// DemoCrop labels the middle square of each picture as omnidata's demonstration
	// does, at the network's size: for comparisons with it. The maps are then not
	// those of the picture.
	DemoCrop bool

	// Isolation runs the networks in processes of their own; nil: in this one.
	Isolation *gpu.Isolation

	// Threads is the number of threads inside one run on the CPU; default 1, and
	// part of the fingerprint.
	Threads int
	// BatchSize is the most pictures in one run. Default 1 on the CPU, where more
	// gains nothing (measured with DPT and with the built-in model), and 8 on a GPU,
	// 4 of GeoWizard, which also has a most that its networks can count.
	BatchSize int
	// Workers is how many pictures are worked on by the CPU at once; each keeps about
	// one core busy. Default 1.
	Workers int
	// Acquire waits for a CPU slot that other work shares; release gives it back.
	// Each picture takes one while the CPU works on it. nil, and always where a GPU
	// must not wait for other work: Workers slots of its own.
	Acquire func(ctx context.Context) (release func(), err error)
	// MaxPixels is the largest picture that is decoded. Default 64 Mi, an 8K frame
	// with room; a pixel takes 5 to 7 bytes decoded, and up to 12 more while a
	// progressive JPEG is.
	MaxPixels int
	// Now is a clock for the accounts of GPUs' time, by [gpu.WithMeter]; nil: none.
	Now Clock
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
	if o.Acquire == nil {
		o.Acquire = ownSlots(o.Workers)
	}
	return o
}
