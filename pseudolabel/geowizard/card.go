package geowizard

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"micodata/internal/choice"
)

// Card is what a model card says under "geowizard": which files are the
// networks, and how they were trained.
type Card struct {
	Version      string    `yaml:"version"` // V1 or V2
	Encoder      string    `yaml:"encoder"` // this and the other networks: files of the card
	UNet         string    `yaml:"unet"`
	Decoder      string    `yaml:"decoder"`
	ImageEncoder string    `yaml:"image_encoder"` // V1 only
	Buckets      []Bucket  `yaml:"buckets"`
	Scheduler    Scheduler `yaml:"scheduler"`
}

// Versions of GeoWizard, by what its UNet is conditioned on.
const (
	V1 = "v1" // the picture itself, through CLIP's image encoder
	V2 = "v2" // the domain's name, as text inside the UNet's file
)

// Bucket is a size that pictures are squashed to: height and width in pixels.
type Bucket [2]int

func (b Bucket) height() int { return b[0] }
func (b Bucket) width() int  { return b[1] }

// shrink is how much smaller a latent is than its picture.
const shrink = 8

// A side must be a multiple of sideMultiple: the latent is an eighth of it, and
// the UNet halves that three times. No published model takes sides beyond maxSide.
const (
	sideMultiple = 64
	maxSide      = 4096
)

// The decoder's widest tensor has 256 channels at full size, of a picture's depth
// and of its normals. Kernels count a tensor's values in 32 bits, and of one that
// is larger they make garbage without an error.
const (
	decoderValues = 2 * 256 // a pixel
	maxValues     = math.MaxInt32
)

// Scheduler is the diffusion's schedule, by the names of diffusers' DDIMScheduler.
type Scheduler struct {
	TrainTimesteps  int
	BetaStart       float64
	BetaEnd         float64
	BetaSchedule    string // ScaledLinear or Linear
	Prediction      string // VPrediction or Epsilon
	SetAlphaToOne   bool
	StepsOffset     int
	TimestepSpacing string // leading
	ClipSample      bool   // what a step takes for the picture is cut to [-1,1]
}

// What the UNet predicts.
const (
	VPrediction = "v_prediction"
	Epsilon     = "epsilon" // the noise
)

// Betas, from the first timestep to the last.
const (
	ScaledLinear = "scaled_linear" // squares of a line
	Linear       = "linear"
)

const (
	leading      = "leading"
	maxTimesteps = 100_000
)

// Faces are the inputs of each network, by its file: their shapes at the size of
// the first bucket, without the batch and -1 where any size fits. Those of no
// dimensions are int64.
func (c *Card) Faces() map[string]map[string][]int64 {
	height, width := int64(c.Buckets[0].height()), int64(c.Buckets[0].width())
	latent, geo := []int64{channels, height / shrink, width / shrink}, []int64{2, channels, height / shrink, width / shrink}
	unet := map[string][]int64{"latent": latent, "geo": geo, "timestep": {}, "domain": {}}
	faces := map[string]map[string][]int64{
		c.Encoder: {"image": {3, height, width}},
		c.UNet:    unet,
		c.Decoder: {"geo": geo},
	}
	if c.Version == V1 {
		faces[c.ImageEncoder] = map[string][]int64{"image": {3, clipSide, clipSide}}
		unet["context"] = []int64{1, -1}
	}
	return faces
}

// MaxBatch is how many pictures one run of a network may have.
func (c *Card) MaxBatch() int {
	most := maxValues
	for _, b := range c.Buckets {
		most = min(most, maxValues/(decoderValues*b.height()*b.width()))
	}
	return most
}

// Validate tells the first thing in the card that can't be run, and what can.
func (c *Card) Validate() error {
	if err := choice.OneOf("geowizard.version", c.Version, V1, V2); err != nil {
		return err
	}
	for _, network := range [][2]string{{"encoder", c.Encoder}, {"unet", c.UNet}, {"decoder", c.Decoder}} {
		if network[1] == "" {
			return fmt.Errorf("geowizard.%s is missing: a file of the card", network[0])
		}
	}
	switch {
	case c.Version == V1 && c.ImageEncoder == "":
		return errors.New("geowizard.image_encoder is missing: v1 is conditioned on the picture")
	case c.Version == V2 && c.ImageEncoder != "":
		return fmt.Errorf("geowizard.image_encoder is %q: v2 has none", c.ImageEncoder)
	case len(c.Buckets) == 0:
		return errors.New("geowizard.buckets is missing: at least one [height, width]")
	}
	for i, b := range c.Buckets {
		for _, side := range b {
			if side <= 0 || side > maxSide || side%sideMultiple != 0 {
				return fmt.Errorf("geowizard.buckets has %v: sides are multiples of %d up to %d", [2]int(b), sideMultiple, maxSide)
			}
		}
		if b.height()*b.width() > maxValues/decoderValues {
			return fmt.Errorf("geowizard.buckets has %v: at most %d pixels, or the decoder would count beyond 32 bits", [2]int(b), maxValues/decoderValues)
		}
		if slices.Contains(c.Buckets[:i], b) {
			return fmt.Errorf("geowizard.buckets has %v twice", [2]int(b))
		}
	}
	return c.Scheduler.validate()
}

func (s *Scheduler) validate() error {
	const at = "geowizard.scheduler."
	if err := choice.OneOf(at+"beta_schedule", s.BetaSchedule, ScaledLinear, Linear); err != nil {
		return err
	}
	if err := choice.OneOf(at+"prediction", s.Prediction, VPrediction, Epsilon); err != nil {
		return err
	}
	if err := choice.OneOf(at+"timestep_spacing", s.TimestepSpacing, leading); err != nil {
		return err
	}
	switch {
	case s.TrainTimesteps < 2 || s.TrainTimesteps > maxTimesteps:
		return fmt.Errorf(at+"train_timesteps is %d: from 2 to %d", s.TrainTimesteps, maxTimesteps)
	case !(0 < s.BetaStart && s.BetaStart <= s.BetaEnd && s.BetaEnd < 1):
		return fmt.Errorf(at+"beta_start and beta_end are %v and %v: 0 < start <= end < 1", s.BetaStart, s.BetaEnd)
	case s.StepsOffset < 0 || s.StepsOffset >= s.TrainTimesteps:
		return fmt.Errorf(at+"steps_offset is %d: from 0 to train_timesteps - 1", s.StepsOffset)
	}
	return nil
}
