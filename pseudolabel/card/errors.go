package card

import (
	"fmt"
	"strings"
)

// Error says that a card is wrong, in itself or for the networks beside it.
type Error struct {
	Path string // the card's file
	Err  error
}

func (e *Error) Error() string {
	return fmt.Sprintf("model card %s: %v; mend it, or move its folder away", e.Path, e.Err)
}

func (e *Error) Unwrap() error { return e.Err }

// FileError says that a model's file is missing, or is not what the card says.
type FileError struct {
	Model, Path string
	Problem     string // what is wrong with it and what to do
}

func (e *FileError) Error() string {
	return fmt.Sprintf("model %s: %s %s", e.Model, e.Path, e.Problem)
}

// NameError says that no model can be called so.
type NameError struct{ Name string }

func (e *NameError) Error() string {
	return fmt.Sprintf("%q can't be a model's name: %s; micodata models lists those that are there", e.Name, nameRule)
}

const nameRule = "lower-case letters, digits and ._- are wanted"

// NoModelError says that no folder holds a model of a name, and what to do.
type NoModelError struct {
	Name   string
	Looked []string // folders, in the order they were tried
	Have   []string // names of the models that are there
}

func (e *NoModelError) Error() string {
	have := "none is there"
	if len(e.Have) > 0 {
		have = "there are " + strings.Join(e.Have, ", ")
	}
	return fmt.Sprintf("no model %q in %s (%s): put its folder into one of these, or name its parent with --model-dir",
		e.Name, strings.Join(e.Looked, ", "), have)
}

// NoWeightsError says that a model is known but not here: how to get it, and
// under which licence.
type NoWeightsError struct{ Card *Card }

func (e *NoWeightsError) Error() string {
	return fmt.Sprintf("model %s is not here: its weights come from its owners (licence: %s). %s", e.Card.Name, e.Card.Licence, e.Card.Get)
}
