package card

import (
	"fmt"
	"reflect"
	"strings"

	"go.yaml.in/yaml/v3"
)

// maxValues bounds what is looked at in a card, where aliases may multiply it.
const maxValues = 100_000

// shape compares a card's YAML with the types that it is read into, for words
// that lead to the line at fault. The decoder's own speak of Go's types, and it
// cuts fractions off where a whole number is wanted.
type shape struct{ values int }

// check looks at a value that the path `at` leads to.
func (s *shape) check(n *yaml.Node, t reflect.Type, at string) error {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if s.values++; s.values > maxValues {
		return fmt.Errorf("more than %d values", maxValues)
	}
	if n.ShortTag() == "!!null" {
		return nil // as if it were not there
	}
	if reflect.PointerTo(t).Implements(reflect.TypeFor[yaml.Unmarshaler]()) {
		return nil // it reads itself, and says what is wrong
	}
	wrong := func(want string) error { return fmt.Errorf("line %d: %s is not %s", n.Line, at, want) }
	switch t.Kind() {
	case reflect.Pointer:
		return s.check(n, t.Elem(), at)
	case reflect.Struct:
		if n.Kind != yaml.MappingNode {
			return wrong("a section of keys and values")
		}
		return s.section(n, t, at)
	case reflect.Map:
		if n.Kind != yaml.MappingNode {
			return wrong("a section of keys and values")
		}
		return s.free(n, at)
	case reflect.Slice, reflect.Array:
		if n.Kind != yaml.SequenceNode {
			return wrong("a list")
		}
		if t.Kind() == reflect.Array && len(n.Content) != t.Len() {
			return wrong(fmt.Sprintf("a list of %d", t.Len()))
		}
		for _, v := range n.Content {
			if err := s.check(v, t.Elem(), at); err != nil {
				return err
			}
		}
		return nil
	}
	return scalar(n, t, wrong)
}

// scalar checks a text, a number or a bool.
func scalar(n *yaml.Node, t reflect.Type, wrong func(want string) error) error {
	fits := n.Kind == yaml.ScalarNode && n.Decode(reflect.New(t).Interface()) == nil
	switch t.Kind() {
	case reflect.Int:
		if !fits || n.ShortTag() != "!!int" {
			return wrong("a whole number")
		}
	case reflect.Float64:
		if !fits {
			return wrong("a number")
		}
	case reflect.Bool:
		if !fits {
			return wrong("true or false")
		}
	default:
		if !fits {
			return wrong("a text")
		}
	}
	return nil
}

// section checks the keys of a struct, each there at most once.
func (s *shape) section(n *yaml.Node, t reflect.Type, at string) error {
	keys, names := map[string]reflect.Type{}, []string{}
	for i := range t.NumField() {
		if key, _, _ := strings.Cut(t.Field(i).Tag.Get("yaml"), ","); key != "-" {
			keys[key], names = t.Field(i).Type, append(names, key)
		}
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		if key.Kind == yaml.AliasNode {
			key = key.Alias
		}
		typ, ok := keys[key.Value]
		if key.Kind != yaml.ScalarNode || !ok {
			return fmt.Errorf("line %d: %q is not a key of %s, which has %s", n.Content[i].Line, key.Value, at, strings.Join(names, ", "))
		}
		if seen[key.Value] {
			return fmt.Errorf("line %d: %s has %s twice", n.Content[i].Line, at, key.Value)
		}
		seen[key.Value] = true
		path := key.Value
		if at != root {
			path = at + "." + key.Value
		}
		if err := s.check(n.Content[i+1], typ, path); err != nil {
			return err
		}
	}
	return nil
}

// free checks a section of any keys: they must be texts.
func (s *shape) free(n *yaml.Node, at string) error {
	if s.values++; s.values > maxValues {
		return fmt.Errorf("more than %d values", maxValues)
	}
	for i, v := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 0 && v.Kind != yaml.ScalarNode {
			return fmt.Errorf("line %d: %s has a key that is not a text", v.Line, at)
		}
		if err := s.free(v, at); err != nil {
			return err
		}
	}
	return nil
}

// root is the path of the whole card.
const root = "the card"
