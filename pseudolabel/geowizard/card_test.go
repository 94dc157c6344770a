package geowizard

import (
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"micodata/internal/npy"
)

const cardText = `
version: v1
encoder: vae_encoder.onnx
unet: unet.onnx
decoder: vae_decoder.onnx
image_encoder: image_encoder.onnx
buckets: [[576, 768], [448, 768]]
scheduler: {train_timesteps: 1000, beta_start: 0.00085, beta_end: 0.012, beta_schedule: scaled_linear,
            prediction: v_prediction, set_alpha_to_one: false, steps_offset: 1, timestep_spacing: leading, clip_sample: false}
`

func parse(t *testing.T, text string) (Card, error) {
	t.Helper()
	var c Card
	d := yaml.NewDecoder(strings.NewReader(text))
	d.KnownFields(true)
	if err := d.Decode(&c); err != nil {
		return c, err
	}
	return c, c.Validate()
}

func TestCard(t *testing.T) {
	c, err := parse(t, cardText)
	if err != nil {
		t.Fatal(err)
	}
	if c.Scheduler != sd2() || c.Buckets[1].height() != 448 || c.Buckets[1].width() != 768 || c.ImageEncoder != "image_encoder.onnx" {
		t.Errorf("read as %+v", c)
	}
	other, err := parse(t, strings.NewReplacer("scaled_linear", "linear", "clip_sample: false", "clip_sample: true", "to_one: false", "to_one: true").Replace(cardText))
	if want := (Scheduler{1000, .00085, .012, Linear, VPrediction, true, 1, "leading", true}); err != nil || other.Scheduler != want {
		t.Errorf("read as %+v, want %+v (%v)", other.Scheduler, want, err)
	}
	without := cardText[:strings.Index(cardText, "scheduler")]
	if _, err := parse(t, without); err == nil || !strings.Contains(err.Error(), "geowizard.scheduler.beta_schedule is missing") {
		t.Errorf("no schedule: %v", err)
	}
	if _, err := parse(t, without+"scheduler: ddim"); err == nil || !strings.Contains(err.Error(), "has no keys") {
		t.Errorf("a word for a schedule: %v", err)
	}
	for _, change := range []struct{ from, to, says string }{
		{"version: v1", "version: v3", `not one of v1, v2`},
		{"version: v1", "version: v2", "v2 has none"},
		{"image_encoder: image_encoder.onnx", "", "image_encoder is missing"},
		{"encoder: vae_encoder.onnx", "", "encoder is missing"},
		{"unet: unet.onnx", "", "unet is missing"},
		{"decoder: vae_decoder.onnx", "", "decoder is missing"},
		{"buckets: [[576, 768], [448, 768]]", "", "buckets is missing"},
		{"[448, 768]", "[576, 768]", "twice"},
		{"[448, 768]", "[432, 768]", "multiples of 64"},
		{"[448, 768]", "[0, 768]", "multiples of 64"},
		{"[448, 768]", "[448, -64]", "multiples of 64"},
		{"[448, 768]", "[448, 65536]", "up to 4096"},
		{"[448, 768]", "[2048, 2048]", "32 bits"},
		{"[448, 768]", "[448]", "[height, width]"},
		{"[448, 768]", "[448, 768, 3]", "[height, width]"},
		{"[448, 768]", "448", "[height, width]"},
		{"[448, 768]", "[448.7, 768]", `"448.7" is not a whole number`},
		{"[448, 768]", "[448, wide]", `"wide" is not a whole number`},
		{"scaled_linear", "squaredcos_cap_v2", `not one of scaled_linear, linear`},
		{"v_prediction", "sample", `not one of v_prediction, epsilon`},
		{"leading", "trailing", `not one of leading`},
		{"train_timesteps: 1000, ", "", "geowizard.scheduler.train_timesteps is missing"},
		{"beta_start: 0.00085, ", "", "beta_start is missing"},
		{"beta_end: 0.012, ", "", "beta_end is missing"},
		{"beta_schedule: scaled_linear,", "", "beta_schedule is missing"},
		{"prediction: v_prediction,", "", "prediction is missing"},
		{"set_alpha_to_one: false, ", "", "set_alpha_to_one is missing"},
		{"steps_offset: 1, ", "", "steps_offset is missing"},
		{"timestep_spacing: leading, ", "", "timestep_spacing is missing"},
		{", clip_sample: false", "", "clip_sample is missing"},
		{"timesteps: 1000", "timesteps: 1000.9", `train_timesteps: line 8: "1000.9" is not a whole number`},
		{"offset: 1", "offset: 1.5", "steps_offset"},
		{"offset: 1", "offset:", "steps_offset"},
		{"offset: 1", "offset: 1, steps_offset: 2", "twice"},
		{"clip_sample: false", "clip_sample: 0", `"0" is not true or false`},
		{"clip_sample: false", "clip_sample: null", `"null" is not true or false`},
		{"0.012", "much", `"much" is not a number`},
		{"leading", "1", `"1" is not text`},
		{"timesteps: 1000", "timesteps: 1", "from 2"},
		{"0.00085", "0", "0 < start"},
		{"0.012", "1.5", "end < 1"},
		{"0.012", ".nan", "end < 1"},
		{"offset: 1", "offset: 1000", "steps_offset"},
		{"offset: 1", "offset: -1", "steps_offset"},
		{"offset: 1", "offset: 1, eta: 1", "eta not found"},
	} {
		if !strings.Contains(cardText, change.from) {
			t.Fatalf("%q is not in the card", change.from)
		}
		_, err := parse(t, strings.Replace(cardText, change.from, change.to, 1))
		if err == nil || !strings.Contains(err.Error(), change.says) {
			t.Errorf("%q for %q: %v, want an error with %q", change.to, change.from, err, change.says)
		}
	}
}

// The decoder's 256 channels, of two rows a picture, must have fewer than 2^31 values.
func TestMaxBatch(t *testing.T) {
	for _, c := range []struct {
		buckets []Bucket
		want    int
	}{
		{[]Bucket{{576, 768}}, 9}, {[]Bucket{{576, 768}, {768, 768}, {64, 64}}, 7}, {[]Bucket{{64, 64}}, 1023}, {[]Bucket{{2048, 1984}}, 1},
	} {
		card := testCard()
		card.Buckets = c.buckets
		if err := card.Validate(); err != nil {
			t.Error(err)
		}
		if got := card.MaxBatch(); got != c.want {
			t.Errorf("%v: batches of %d, want %d", c.buckets, got, c.want)
		}
	}
}

func TestSettings(t *testing.T) {
	array := func(shape ...int) *npy.Array {
		n := 1
		for _, d := range shape {
			n *= d
		}
		return &npy.Array{Shape: shape, Data: make([]float32, n)}
	}
	broken := array(4, 8, 16)
	broken.Data = broken.Data[1:]
	for name, c := range map[string]struct {
		settings Settings
		says     string
	}{
		"negative steps":    {Settings{Steps: -1}, "-1 steps"},
		"too many steps":    {Settings{Steps: 1000}, "timestep 1000"},
		"negative ensemble": {Settings{Ensemble: -1}, "ensemble of -1"},
		"large ensemble":    {Settings{Ensemble: 101}, "1 to 100"},
		"domain":            {Settings{Domain: "Indoor"}, `indoor, outdoor, object`},
		"noise of one":      {Settings{Ensemble: 2, Noise: array(4, 8, 16)}, "[2,4,height/8,width/8]"},
		"channels":          {Settings{Noise: array(3, 8, 16)}, "[1,4,height/8,width/8]"},
		"flat noise":        {Settings{Noise: array(512)}, "[1,4,height/8,width/8]"},
		"noise cut":         {Settings{Noise: broken}, "511 values"},
	} {
		_, err := New(testCard(), fakeNetworks(sd2()), c.settings)
		if err == nil || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, want one line with %q", name, err, c.says)
		}
	}
	e, err := New(testCard(), fakeNetworks(sd2()), Settings{Noise: array(1, 4, 8, 16)})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := e.Fingerprint(), "geowizard=1 steps=10 ensemble=1 domain=indoor seed=0 noise="; !strings.HasPrefix(got, want) {
		t.Errorf("fingerprint %q, want it to begin with %q", got, want)
	}
	n := fakeNetworks(sd2())
	for name, lacks := range map[string]Networks{
		"no encoder": {UNet: n.UNet, Decoder: n.Decoder}, "no unet": {Encoder: n.Encoder, Decoder: n.Decoder},
		"no decoder": {Encoder: n.Encoder, UNet: n.UNet}, "v2 with CLIP": {n.Encoder, n.Encoder, n.UNet, n.Decoder},
	} {
		if _, err := New(testCard(), lacks, Settings{}); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	v1 := testCard()
	v1.Version, v1.ImageEncoder = V1, "i.onnx"
	if _, err := New(v1, n, Settings{}); err == nil {
		t.Error("v1 without CLIP: accepted")
	}
}
