// Package choice checks settings that are one of a few words.
package choice

import (
	"fmt"
	"slices"
	"strings"
)

// OneOf names the key and the choices when a value isn't one of them.
func OneOf(key, value string, choices ...string) error {
	switch {
	case slices.Contains(choices, value):
		return nil
	case value == "":
		return fmt.Errorf("%s is missing: want one of %s", key, strings.Join(choices, ", "))
	default:
		return fmt.Errorf("%s is %q, not one of %s", key, value, strings.Join(choices, ", "))
	}
}
