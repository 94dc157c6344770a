package card

import (
	"fmt"
	"math"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"micodata/dataset"
	"micodata/internal/choice"
)

// maxSide bounds what a card may ask a picture to be scaled to, in pixels; the
// largest published model of the kind takes 1536.
const maxSide = 4096

var (
	namePattern = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,63}$`)
	hashPattern = regexp.MustCompile(`^[0-9a-f]{64}$`)
)

func (c *Card) validate() error {
	if !namePattern.MatchString(c.Name) {
		return fmt.Errorf("name is %q: %s", c.Name, nameRule)
	}
	if err := c.validateTexts(); err != nil {
		return err
	}
	if err := choice.OneOf("runner", c.Runner, Small, DPT, GeoWizardRunner); err != nil {
		return err
	}
	if len(c.Tasks) == 0 {
		return fmt.Errorf("task is missing")
	}
	for i, task := range c.Tasks {
		if err := choice.OneOf("task", task, Depth, Normal); err != nil {
			return err
		}
		if slices.Contains(c.Tasks[:i], task) {
			return fmt.Errorf("task names %s twice", task)
		}
	}
	if err := c.validateFiles(); err != nil {
		return err
	}
	return c.validateNetworks()
}

// Bounds of a card's texts, in bytes: data sets repeat its lines, listings show
// all.
const (
	maxLine = 500
	maxText = 2000
)

// validateTexts checks what people read of a card, on a terminal among others.
func (c *Card) validateTexts() error {
	if c.Licence == "" {
		return fmt.Errorf("licence is missing: data sets made with the model repeat it")
	}
	for _, t := range []struct {
		key, text string
		most      int
		lines     bool
	}{
		{"licence", c.Licence, maxLine, false},
		{"source", c.Source, maxLine, false},
		{"note", c.Note, maxText, true},
		{"get", c.Get, maxText, true},
	} {
		if len(t.text) > t.most {
			return fmt.Errorf("%s has %d bytes, more than %d", t.key, len(t.text), t.most)
		}
		if !t.lines && strings.Contains(t.text, "\n") {
			return fmt.Errorf("%s has more than one line", t.key)
		}
		if !printable(strings.ReplaceAll(t.text, "\n", "")) {
			return fmt.Errorf("%s has control characters: %q", t.key, t.text)
		}
	}
	return nil
}

// printable tells a text that leaves a terminal, and the order of what is read,
// alone.
func printable(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) })
}

func (c *Card) validateFiles() error {
	if len(c.Files) == 0 && c.Get == "" {
		return fmt.Errorf("files is missing")
	}
	if len(c.Files) > 0 && c.Get != "" {
		return fmt.Errorf("get is for a card without files")
	}
	for i, f := range c.Files {
		// A card may come from anywhere: it must not reach out of its folder.
		if !filepath.IsLocal(f.Path) || f.Path != path.Clean(f.Path) || f.Path == "." || !printable(f.Path) {
			return fmt.Errorf("file %q is not a plain path inside the model's folder, such as depth.onnx", f.Path)
		}
		if f.Path == FileName {
			return fmt.Errorf("files names the card itself, %s", FileName)
		}
		if !hashPattern.MatchString(f.SHA256) {
			return fmt.Errorf("file %s: sha256 %q is not 64 lower-case hex digits", f.Path, f.SHA256)
		}
		if slices.ContainsFunc(c.Files[:i], func(g File) bool { return g.Path == f.Path }) {
			return fmt.Errorf("file %s is named twice", f.Path)
		}
	}
	return nil
}

func (in *Input) validate() error {
	if in.Name == "" {
		return fmt.Errorf("input.name is missing")
	}
	if err := choice.OneOf("input.layout", in.Layout, "NCHW"); err != nil {
		return err
	}
	if err := choice.OneOf("input.color", in.Color, "RGB"); err != nil {
		return err
	}
	// They are of v/255. Numbers of 0 to 255 are a mistake that gives maps all the same.
	if len(in.Mean) != 3 || !within(in.Mean, -maxMean, maxMean) {
		return fmt.Errorf("input.mean is %v, not three numbers from -%d to %d, which v/255 is lowered by", in.Mean, maxMean, maxMean)
	}
	if len(in.Std) != 3 || !within(in.Std, minStd, maxStd) {
		return fmt.Errorf("input.std is %v, not three numbers from %v to %v, which v/255 less the mean is divided by", in.Std, minStd, maxStd)
	}
	return in.Resize.validate()
}

func (r *Resize) validate() error {
	if err := choice.OneOf("input.resize.mode", r.Mode, SquashToMultiple, Squash); err != nil {
		return err
	}
	if err := choice.OneOf("input.resize.filter", r.Filter, Bilinear, CubicOpenCV); err != nil {
		return err
	}
	multiple := r.ShortSide != 0 || r.MultipleOf != 0
	if r.Mode == Squash {
		if multiple {
			return fmt.Errorf("input.resize: short_side and multiple_of are not for mode %s", r.Mode)
		}
		if len(r.Size) != 2 || slices.Min(r.Size) < 1 || slices.Max(r.Size) > maxSide {
			return fmt.Errorf("input.resize.size is %v, not a height and a width of 1 to %d", r.Size, maxSide)
		}
		return nil
	}
	if r.Size != nil {
		return fmt.Errorf("input.resize: size is not for mode %s", r.Mode)
	}
	if r.MultipleOf < 1 || r.ShortSide < r.MultipleOf || r.ShortSide > maxSide {
		return fmt.Errorf("input.resize: short_side %d and multiple_of %d: 1 <= multiple_of <= short_side <= %d is wanted", r.ShortSide, r.MultipleOf, maxSide)
	}
	return nil
}

// validateNetworks checks that the networks are files of the card and give each
// task of depth and normals once.
func (c *Card) validateNetworks() error {
	if c.Get != "" {
		if len(c.Networks) > 0 || c.GeoWizard != nil {
			return fmt.Errorf("networks and geowizard are for a card with files")
		}
		return nil
	}
	if c.Runner == GeoWizardRunner {
		return c.validateGeoWizard()
	}
	if c.GeoWizard != nil {
		return fmt.Errorf("geowizard is for runner %s, not %s", GeoWizardRunner, c.Runner)
	}
	if len(c.Networks) == 0 {
		return fmt.Errorf("networks is missing: runner %s needs it", c.Runner)
	}
	gives := map[string]int{}
	for i := range c.Networks {
		n := &c.Networks[i]
		if _, ok := c.File(n.File); !ok {
			return fmt.Errorf("networks: file %q is not among files", n.File)
		}
		if err := n.validate(); err != nil {
			return fmt.Errorf("networks: %s: %w", n.File, err)
		}
		if n.Outputs.Depth != nil {
			gives[Depth]++
		}
		if n.Outputs.Normal != nil {
			gives[Normal]++
		}
	}
	for _, task := range []string{Depth, Normal} {
		has, n := slices.Contains(c.Tasks, task), gives[task]
		switch {
		case n > 1:
			return fmt.Errorf("%d networks have outputs.%s: one is wanted", n, task)
		case has && n == 0:
			return fmt.Errorf("task names %s, and no network has outputs.%s", task, task)
		case !has && n == 1:
			return fmt.Errorf("a network has outputs.%s, and task does not name %s", task, task)
		}
	}
	return nil
}

func (c *Card) validateGeoWizard() error {
	if c.GeoWizard == nil || len(c.Networks) > 0 {
		return fmt.Errorf("runner %s wants the section geowizard, and no networks", c.Runner)
	}
	if err := c.GeoWizard.Validate(); err != nil {
		return err
	}
	g := c.GeoWizard
	for _, file := range []string{g.Encoder, g.UNet, g.Decoder, g.ImageEncoder} {
		if _, ok := c.File(file); !ok && file != "" {
			return fmt.Errorf("geowizard: file %q is not among files", file)
		}
	}
	return nil
}

func (n *Network) validate() error {
	if err := n.Input.validate(); err != nil {
		return err
	}
	if n.Outputs.Depth == nil && n.Outputs.Normal == nil {
		return fmt.Errorf("outputs is missing")
	}
	if n.Outputs.Depth != nil {
		if err := n.Outputs.Depth.validate(); err != nil {
			return err
		}
	}
	if n.Outputs.Normal != nil {
		return n.Outputs.Normal.validate()
	}
	return nil
}

// Bounds of a card's numbers, far beyond what any model has: those of its input,
// and of the values that its normals are stretched from.
const (
	maxMean        = 10
	minStd, maxStd = 1e-4, 1e4
	maxRange       = 1e6
	minSpan        = 1e-3
)

// within tells numbers between two; NaN is between none.
func within(numbers []float64, lo, hi float64) bool {
	return !slices.ContainsFunc(numbers, func(v float64) bool { return !(v >= lo && v <= hi) })
}

// rising tells two numbers, the first the smaller, that are so as float32 too.
func rising(v []float64) bool {
	return len(v) == 2 && within(v, -math.MaxFloat32, math.MaxFloat32) && float32(v[0]) < float32(v[1])
}

func (c Clamp) validate(output string) error {
	if c != nil && !rising(c) {
		return fmt.Errorf("outputs.%s.clamp is %v, not two rising numbers that fit 32 bits", output, []float64(c))
	}
	return nil
}

func (d *DepthOutput) validate() error {
	if d.Name == "" {
		return fmt.Errorf("outputs.depth.name is missing")
	}
	if err := choice.OneOf("outputs.depth.convention", d.Convention, NearSmall, NearLarge); err != nil {
		return err
	}
	if err := choice.OneOf("outputs.depth.kind", d.Kind, dataset.AffineInvariantDepth, dataset.InverseDepth, dataset.MetricDepth); err != nil {
		return err
	}
	if (d.Kind == dataset.InverseDepth) != (d.Convention == NearLarge) {
		return fmt.Errorf("outputs.depth: kind %s contradicts convention %s", d.Kind, d.Convention)
	}
	return d.Clamp.validate("depth")
}

func (n *NormalOutput) validate() error {
	if n.Name == "" {
		return fmt.Errorf("outputs.normal.name is missing")
	}
	if err := choice.OneOf("outputs.normal.axes", n.Axes, OpenCV, OpenGL, GeoWizard); err != nil {
		return err
	}
	if !rising(n.Range) || !within(n.Range, -maxRange, maxRange) || n.Range[1]-n.Range[0] < minSpan {
		return fmt.Errorf("outputs.normal.range is %v, not two rising numbers, such as -1 and 1", n.Range)
	}
	return n.Clamp.validate("normal")
}
