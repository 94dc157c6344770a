package geowizard

import (
	"fmt"
	"slices"

	"go.yaml.in/yaml/v3"
)

// UnmarshalYAML wants every key: diffusers has a default for each, and a schedule
// with another than the network's own gives maps that look like maps.
func (s *Scheduler) UnmarshalYAML(n *yaml.Node) error {
	const section = "geowizard.scheduler"
	if n.Kind != yaml.MappingNode {
		return fmt.Errorf("line %d: %s has no keys", n.Line, section)
	}
	keys := []struct {
		name string
		into any
	}{
		{"train_timesteps", &s.TrainTimesteps},
		{"beta_start", &s.BetaStart},
		{"beta_end", &s.BetaEnd},
		{"beta_schedule", &s.BetaSchedule},
		{"prediction", &s.Prediction},
		{"set_alpha_to_one", &s.SetAlphaToOne},
		{"steps_offset", &s.StepsOffset},
		{"timestep_spacing", &s.TimestepSpacing},
		{"clip_sample", &s.ClipSample},
	}
	values := map[string]*yaml.Node{}
	for i := 0; i < len(n.Content); i += 2 {
		key := n.Content[i]
		if values[key.Value] != nil {
			return fmt.Errorf("line %d: %s.%s is there twice", key.Line, section, key.Value)
		}
		values[key.Value] = n.Content[i+1]
	}
	for _, k := range keys {
		value, ok := values[k.name]
		if !ok {
			return fmt.Errorf("%s.%s is missing", section, k.name)
		}
		if err := decode(value, k.into); err != nil {
			return fmt.Errorf("%s.%s: %w", section, k.name, err)
		}
		delete(values, k.name)
	}
	for i := 0; i < len(n.Content); i += 2 {
		if key := n.Content[i]; values[key.Value] != nil {
			return fmt.Errorf("line %d: field %s not found in %s", key.Line, key.Value, section)
		}
	}
	return nil
}

// UnmarshalYAML reads [height, width].
func (b *Bucket) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind != yaml.SequenceNode || len(n.Content) != len(b) {
		return fmt.Errorf("line %d: geowizard.buckets wants [height, width]", n.Line)
	}
	for i, side := range n.Content {
		if err := decode(side, &b[i]); err != nil {
			return fmt.Errorf("geowizard.buckets: %w", err)
		}
	}
	return nil
}

// decode reads a value of just the wanted kind. YAML's own decoder cuts the
// fraction off what should be a whole number, and takes nothing for 0.
func decode(n *yaml.Node, into any) error {
	wanted, tags := "a whole number", []string{"!!int"}
	switch into.(type) {
	case *float64:
		wanted, tags = "a number", []string{"!!int", "!!float"}
	case *bool:
		wanted, tags = "true or false", []string{"!!bool"}
	case *string:
		wanted, tags = "text", []string{"!!str"}
	}
	if !slices.Contains(tags, n.ShortTag()) {
		return fmt.Errorf("line %d: %q is not %s", n.Line, n.Value, wanted)
	}
	return n.Decode(into)
}
