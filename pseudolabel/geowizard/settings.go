package geowizard

import (
	"fmt"
	"slices"

	"micodata/internal/choice"
	"micodata/internal/npy"
)

// Domains of pictures. GeoWizard learned what depth looks like in each.
const (
	Indoor  = "indoor"
	Outdoor = "outdoor"
	Object  = "object" // one object before nothing
)

// domains are in the order of the UNet's input.
var domains = []string{Indoor, Outdoor, Object}

// maxEnsemble bounds the members; the paper's own evaluation has 10.
const maxEnsemble = 100

// Settings choose between time and quality. All of them shape the result.
type Settings struct {
	// Steps of denoising. Default 10, as GeoWizard's programs have it; its paper
	// evaluates with 50.
	Steps int
	// Ensemble is how many times a picture is estimated, each from other noise, to
	// give the middle of them. Default 1: each costs as much as the first, and
	// a set for training gains more from other pictures. GeoWizard's programs
	// have 10, its README 3.
	Ensemble int
	// Domain is one of [Indoor], [Outdoor] and [Object]. Default indoor, the default
	// of GeoWizard's first program: of mixed video most shots show people and
	// things at a few metres, whatever the place, and the outdoor scenes that
	// GeoWizard learned from spend the range of depth on what is far.
	Domain string
	// Seed gives other noise to the same pictures.
	Seed uint64
	// Noise is used for every picture instead of noise from the seed, to compare a
	// run with another program's. Its shape is [Ensemble,4,H/8,W/8], or without the
	// first dimension for an ensemble of 1; pictures whose bucket is not HxW are
	// errors. Not changed by this package.
	Noise *npy.Array
}

// Defaults of [Settings].
const (
	DefaultSteps    = 10
	DefaultEnsemble = 1
	DefaultDomain   = Indoor
)

func (s Settings) withDefaults() Settings {
	if s.Steps == 0 {
		s.Steps = DefaultSteps
	}
	if s.Ensemble == 0 {
		s.Ensemble = DefaultEnsemble
	}
	if s.Domain == "" {
		s.Domain = DefaultDomain
	}
	return s
}

// Fits tells whether a model takes the steps.
func (s Settings) Fits(c *Card) error {
	_, err := newPlan(c.Scheduler, s.withDefaults().Steps)
	return err
}

// Validate says which setting makes no sense. How many steps there may be is the
// model's to say: see [Settings.Fits].
func (s Settings) Validate() error {
	s = s.withDefaults()
	if s.Steps < 1 {
		return fmt.Errorf("%d steps: at least 1", s.Steps)
	}
	if s.Ensemble < 1 || s.Ensemble > maxEnsemble {
		return fmt.Errorf("an ensemble of %d: from 1 to %d members", s.Ensemble, maxEnsemble)
	}
	if err := choice.OneOf("the domain", s.Domain, domains...); err != nil {
		return err
	}
	if s.Noise == nil {
		return nil
	}
	shape := s.Noise.Shape
	if len(shape) == 3 {
		shape = slices.Concat([]int{1}, shape)
	}
	if len(shape) != 4 || shape[0] != s.Ensemble || shape[1] != channels {
		return fmt.Errorf("the given noise is %v, not [%d,%d,height/%d,width/%d]", s.Noise.Shape, s.Ensemble, channels, shrink, shrink)
	}
	values := 1
	for _, d := range shape {
		values *= d
	}
	if len(s.Noise.Data) != values {
		return fmt.Errorf("the given noise has %d values for the shape %v", len(s.Noise.Data), s.Noise.Shape)
	}
	return nil
}
