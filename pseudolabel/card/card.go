// Package card reads model cards: the model.yaml beside a model's ONNX files
// that says what goes in, what comes out and who may use it.
//
// Which end of a depth map is near and which way a normal's axes point can't be
// told from a model's file, and a wrong guess gives plausible pictures. So a
// card must say both, nothing has a default, an unknown key is an error, and
// the files must be the very ones the card was written for (sha256).
package card

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"go.yaml.in/yaml/v3"

	"micodata/pseudolabel/geowizard"
)

// FileName is the card's file in a model's folder.
const FileName = "model.yaml"

// maxBytes bounds a card; the built-in model's has about 1 KiB.
const maxBytes = 1 << 20

// Tasks that a model may have.
const (
	Depth        = "depth"
	Normal       = "normal"
	Caption      = "caption"
	AudioCaption = "audio_caption"
	ASR          = "asr"
)

// Card describes a model.
type Card struct {
	Name   string   `yaml:"name"` // file-name safe
	Tasks  []string `yaml:"task"`
	Runner string   `yaml:"runner"` // the code that knows this kind of model
	Files  []File   `yaml:"files"`

	Networks  []Network       `yaml:"networks"`  // of the runners Small and DPT
	GeoWizard *geowizard.Card `yaml:"geowizard"` // of the runner GeoWizardRunner

	// Get says how to get the weights and make the files, in a card that has none.
	Get string `yaml:"get"`

	Licence  string         `yaml:"licence"`
	Source   string         `yaml:"source"` // where the weights come from
	Note     string         `yaml:"note"`
	Metrics  map[string]any `yaml:"metrics"`  // free
	Training map[string]any `yaml:"training"` // free

	// Dir is the model's folder; set by [Load].
	Dir string `yaml:"-"`
}

// File is a file of the model, beside the card.
type File struct {
	Path   string `yaml:"path"`
	SHA256 string `yaml:"sha256"` // 64 hex digits, lower case
}

// Runners, the code that knows a kind of model.
const (
	Small = "small" // the built-in network
	DPT   = "dpt"   // omnidata's and MiDaS' vision transformers

	GeoWizardRunner = "geowizard"
)

// Network is one file that is run: a picture in, maps of it out.
type Network struct {
	File    string  `yaml:"file"` // of Card.Files
	Input   Input   `yaml:"input"`
	Outputs Outputs `yaml:"outputs"`
}

// Input is the picture that a network takes: (v/255 - mean) / std for each channel.
type Input struct {
	Name   string    `yaml:"name"`
	Layout string    `yaml:"layout"` // NCHW
	Color  string    `yaml:"color"`  // RGB
	Mean   []float64 `yaml:"mean"`
	Std    []float64 `yaml:"std"`
	Resize Resize    `yaml:"resize"`
}

// Resize is how a picture is brought to the network's size.
type Resize struct {
	Mode       string `yaml:"mode"`
	Filter     string `yaml:"filter"`
	Size       []int  `yaml:"size"`        // of Squash: height and width in pixels
	ShortSide  int    `yaml:"short_side"`  // of SquashToMultiple: pixels
	MultipleOf int    `yaml:"multiple_of"` // of SquashToMultiple: pixels, of both sides
}

// Values of Resize.
const (
	// SquashToMultiple scales the short side to ShortSide and rounds both sides to
	// the nearest multiple of MultipleOf: the whole field of view, slightly squashed.
	SquashToMultiple = "squash-to-nearest-multiple"
	// Squash brings every picture to one Size: the whole field of view.
	Squash = "squash"
	// Bilinear is Pillow's BILINEAR: the triangle filter, widened when it shrinks,
	// on 8-bit values.
	Bilinear = "bilinear-antialias"
	// CubicOpenCV is OpenCV's INTER_CUBIC (a = -0.75, never widened) on floats.
	CubicOpenCV = "cubic-opencv"
)

// Outputs says what a network's outputs mean.
type Outputs struct {
	Depth  *DepthOutput  `yaml:"depth"`
	Normal *NormalOutput `yaml:"normal"`
}

// DepthOutput is a map of depth, [N,1,H,W] or [N,H,W].
type DepthOutput struct {
	Name       string `yaml:"name"`
	Convention string `yaml:"convention"` // NearSmall or NearLarge
	Kind       string `yaml:"kind"`       // dataset's AffineInvariantDepth, InverseDepth or MetricDepth
	Clamp      Clamp  `yaml:"clamp"`
}

// Conventions of depth. An inverse depth is large where it is near, the other
// kinds are small there.
const (
	NearSmall = "near_small"
	NearLarge = "near_large"
)

// NormalOutput is a map of normals, [N,3,H,W].
type NormalOutput struct {
	Name  string    `yaml:"name"`
	Axes  string    `yaml:"axes"`  // OpenCV, OpenGL or GeoWizard
	Range []float64 `yaml:"range"` // the values that stand for -1 and 1
	Clamp Clamp     `yaml:"clamp"`
}

// Clamp is the least and the largest value that is taken from a network; what is
// beyond counts as that. Empty: all are taken as they are.
type Clamp []float64

// Camera frames of normals, by what x, y and z point to.
const (
	OpenCV    = "opencv"    // right, down, away from the camera
	OpenGL    = "opengl"    // right, up, towards the camera
	GeoWizard = "geowizard" // left, up, towards the camera
)

// Parse reads and validates a card.
func Parse(data []byte) (*Card, error) {
	if len(data) > maxBytes {
		return nil, fmt.Errorf("a card of more than %d bytes", maxBytes)
	}
	dec := yaml.NewDecoder(bytes.NewReader(data))
	dec.KnownFields(true)
	c := new(Card)
	if err := dec.Decode(c); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, errors.New("the card is empty")
		}
		return nil, err
	}
	if err := dec.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, errors.New("more than one document in the card")
	}
	if err := c.validate(); err != nil {
		return nil, err
	}
	return c, nil
}

// Load reads the card of the model in a folder. The files are not looked at:
// see [Card.Verify].
func Load(dir string) (*Card, error) {
	path := filepath.Join(dir, FileName)
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxBytes+1))
	if err != nil {
		return nil, err
	}
	c, err := Parse(data)
	if err != nil {
		return nil, fmt.Errorf("model card %s: %w", path, err)
	}
	c.Dir = dir
	return c, nil
}

// FilePath is where a file of the card lies.
func (c *Card) FilePath(f File) string { return filepath.Join(c.Dir, filepath.FromSlash(f.Path)) }

// Verify reads all files of the model and compares their checksums.
func (c *Card) Verify(ctx context.Context) error {
	for _, f := range c.Files {
		path := c.FilePath(f)
		got, err := fileSHA256(ctx, path)
		if err != nil {
			return fmt.Errorf("model %s: %w", c.Name, err)
		}
		if got != f.SHA256 {
			return fmt.Errorf("model %s: %s has sha256 %s, the card is for %s: get that file again, or a card for this one", c.Name, path, got, f.SHA256)
		}
	}
	return nil
}

func fileSHA256(ctx context.Context, path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	for {
		if err := ctx.Err(); err != nil {
			return "", err
		}
		_, err := io.CopyN(h, f, 16<<20)
		if errors.Is(err, io.EOF) {
			return hex.EncodeToString(h.Sum(nil)), nil
		}
		if err != nil {
			return "", err
		}
	}
}

// Network returns the network that has a task's output, or nil.
func (c *Card) Network(task string) *Network {
	for i := range c.Networks {
		n := &c.Networks[i]
		if task == Depth && n.Outputs.Depth != nil || task == Normal && n.Outputs.Normal != nil {
			return n
		}
	}
	return nil
}

// File returns a file of the card by its path.
func (c *Card) File(path string) (File, bool) {
	i := slices.IndexFunc(c.Files, func(f File) bool { return f.Path == path })
	if i < 0 {
		return File{}, false
	}
	return c.Files[i], true
}

// WeightsSHA256 identifies the weights of all that a card names: the file's
// checksum, or for several files the checksum of "sha256  path" lines in the
// card's order.
func (c *Card) WeightsSHA256() string {
	if len(c.Files) == 1 {
		return c.Files[0].SHA256
	}
	h := sha256.New()
	for _, f := range c.Files {
		fmt.Fprintf(h, "%s  %s\n", f.SHA256, f.Path)
	}
	return hex.EncodeToString(h.Sum(nil))
}
