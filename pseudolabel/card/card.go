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
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"micodata/pseudolabel/geowizard"
	"micodata/storage"
)

// FileName is the card's file in a model's folder.
const FileName = "model.yaml"

// maxBytes bounds a card; the built-in model's has about 1 KiB.
const maxBytes = 1 << 20

// Tasks that a model may have.
const (
	Depth  = "depth"
	Normal = "normal"
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
		return nil, fmt.Errorf("it has more than %d bytes", maxBytes)
	}
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var doc yaml.Node
	if err := dec.Decode(&doc); err != nil && !errors.Is(err, io.EOF) {
		return nil, plain(err)
	}
	if len(doc.Content) == 0 || doc.Content[0].ShortTag() == "!!null" {
		return nil, errors.New("it is empty")
	}
	if err := dec.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, errors.New("there is more than one document in it")
	}
	c := new(Card)
	if err := new(shape).check(doc.Content[0], reflect.TypeFor[Card](), root); err != nil {
		return nil, err
	}
	if err := doc.Decode(c); err != nil {
		return nil, plain(err)
	}
	if err := c.validate(); err != nil {
		return nil, err
	}
	return c, nil
}

// plain is the decoder's error without its own name.
func plain(err error) error { return errors.New(strings.TrimPrefix(err.Error(), "yaml: ")) }

// Load reads the card of the model in a folder. The files are not looked at:
// see [Card.Verify]. Errors: [*Error]; [*storage.Error], which wraps
// [fs.ErrNotExist] where there is no card.
func Load(dir string) (*Card, error) {
	file := filepath.Join(dir, FileName)
	f, err := openRegular(file)
	if errors.Is(err, errNotRegular) {
		return nil, &Error{file, err}
	}
	if err != nil {
		return nil, &storage.Error{Op: "read", Path: file, Err: err}
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxBytes+1))
	if err != nil {
		return nil, &storage.Error{Op: "read", Path: file, Err: err}
	}
	c, err := Parse(data)
	if err != nil {
		return nil, &Error{file, err}
	}
	c.Dir = dir
	return c, nil
}

// Wrong says that the card is wrong for the files beside it.
func (c *Card) Wrong(err error) error { return &Error{filepath.Join(c.Dir, FileName), err} }

var errNotRegular = errors.New("it is no regular file")

// openRegular opens a file to read. A pipe would hang, and a device never ends.
func openRegular(name string) (*os.File, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errNotRegular
	}
	return os.Open(name)
}

// FilePath is where a file of the card lies.
func (c *Card) FilePath(f File) string { return filepath.Join(c.Dir, filepath.FromSlash(f.Path)) }

// Verify reads all files of the model and compares their checksums, and what
// the networks take weights from and give with what the card says. Errors:
// [*FileError], [*Error], ctx's.
func (c *Card) Verify(ctx context.Context) error {
	for _, f := range c.Files {
		if err := c.verified(ctx, f, io.Discard); err != nil {
			return err
		}
	}
	for i := range c.Networks {
		n := &c.Networks[i]
		var outputs []string
		if n.Outputs.Depth != nil {
			outputs = append(outputs, n.Outputs.Depth.Name)
		}
		if n.Outputs.Normal != nil {
			outputs = append(outputs, n.Outputs.Normal.Name)
		}
		if err := c.verifyGraph(n.File, outputs...); err != nil {
			return err
		}
	}
	if g := c.GeoWizard; g != nil {
		for _, file := range []string{g.Encoder, g.UNet, g.Decoder, g.ImageEncoder} {
			if err := c.verifyGraph(file); err != nil {
				return err
			}
		}
	}
	return nil
}

// verified copies a file of the card, and compares its checksum. Errors are of
// the file, but for ctx's and to's.
func (c *Card) verified(ctx context.Context, f File, to io.Writer) error {
	name := c.FilePath(f)
	bad := func(problem string) error { return &FileError{c.Name, name, problem} }
	in, err := openRegular(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return bad("is missing: get it again, or export the model anew")
	case errors.Is(err, errNotRegular):
		return bad("is no regular file: put the file itself there")
	case err != nil:
		return bad("can't be read: " + cause(err))
	}
	defer in.Close()
	begin := make([]byte, 64)
	n, err := in.ReadAt(begin, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return bad("can't be read: " + cause(err))
	}
	if problem := disguise(string(begin[:n])); problem != "" {
		return bad(problem)
	}
	h := sha256.New()
	chunk := make([]byte, 1<<20)
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := in.Read(chunk)
		h.Write(chunk[:n]) // a hash never fails to write
		if _, err := to.Write(chunk[:n]); err != nil {
			return err
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return bad("can't be read: " + cause(err))
		}
	}
	if got := hex.EncodeToString(h.Sum(nil)); got != f.SHA256 {
		return bad(fmt.Sprintf("has sha256 %s, the card is for %s: get that file again, or a card for this one", got, f.SHA256))
	}
	return nil
}

// cause is an error of the operating system without the path, which is told.
func cause(err error) string {
	var of *fs.PathError
	if errors.As(err, &of) {
		err = of.Err
	}
	return err.Error()
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
