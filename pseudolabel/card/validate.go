package card

import (
	"fmt"
	"math"
	"path/filepath"
	"regexp"
	"slices"

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
		return fmt.Errorf("name %q: lower-case letters, digits and ._- are wanted", c.Name)
	}
	if c.Runner == "" {
		return fmt.Errorf("runner is missing")
	}
	if c.Licence == "" {
		return fmt.Errorf("licence is missing: data sets made with the model repeat it")
	}
	if len(c.Tasks) == 0 {
		return fmt.Errorf("task is missing")
	}
	for i, task := range c.Tasks {
		if err := choice.OneOf("task", task, Depth, Normal, Caption, AudioCaption, ASR); err != nil {
			return err
		}
		if slices.Contains(c.Tasks[:i], task) {
			return fmt.Errorf("task %s is named twice", task)
		}
	}
	if err := c.validateFiles(); err != nil {
		return err
	}
	return c.validateNetworks()
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
		if !filepath.IsLocal(f.Path) {
			return fmt.Errorf("file %q is not a path inside the model's folder", f.Path)
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
	if len(in.Mean) != 3 || !finite(in.Mean) {
		return fmt.Errorf("input.mean is %v, not three numbers", in.Mean)
	}
	if len(in.Std) != 3 || !finite(in.Std) || slices.Min(in.Std) <= 0 {
		return fmt.Errorf("input.std is %v, not three positive numbers", in.Std)
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
	if (c.Runner == Small || c.Runner == DPT) && len(c.Networks) == 0 {
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
		has := slices.Contains(c.Tasks, task)
		if n := gives[task]; len(c.Networks) > 0 && (n > 1 || has != (n == 1)) {
			return fmt.Errorf("task %s and outputs.%s go together: task names it: %v, networks that have it: %d", task, task, has, n)
		}
	}
	return nil
}

func (c *Card) validateGeoWizard() error {
	if c.GeoWizard == nil || len(c.Networks) > 0 {
		return fmt.Errorf("runner %s wants the section geowizard, and no networks", c.Runner)
	}
	if slices.ContainsFunc(c.Tasks, func(t string) bool { return t != Depth && t != Normal }) {
		return fmt.Errorf("runner %s estimates depth and normal, task has %q", c.Runner, c.Tasks)
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

// rising tells two finite numbers, the first the smaller.
func rising(v []float64) bool { return len(v) == 2 && finite(v) && v[0] < v[1] }

func (c Clamp) validate(output string) error {
	if c != nil && !rising(c) {
		return fmt.Errorf("outputs.%s.clamp is %v, not two rising numbers", output, []float64(c))
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
	if !rising(n.Range) {
		return fmt.Errorf("outputs.normal.range is %v, not two rising numbers", n.Range)
	}
	return n.Clamp.validate("normal")
}

func finite(numbers []float64) bool {
	return !slices.ContainsFunc(numbers, func(v float64) bool { return math.IsNaN(v) || math.IsInf(v, 0) })
}
