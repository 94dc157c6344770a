package card

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

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

// Dirs lists the folders that models are looked for in: those given, then
// models/, then that of the user's cache folder, then models/ beside the folder
// of the executable.
func Dirs(given []string) []string {
	dirs := append(slices.Clone(given), "models")
	if cache, err := os.UserCacheDir(); err == nil {
		dirs = append(dirs, filepath.Join(cache, "micodata", "models"))
	}
	if exe, err := os.Executable(); err == nil {
		dirs = append(dirs, filepath.Join(filepath.Dir(filepath.Dir(exe)), "models"))
	}
	return dirs
}

// Find loads the card of a name from the first of the folders that has one with
// files. Errors: [*NoModelError], [*NoWeightsError]; a card that can't be read
// ends the search.
func Find(name string, dirs []string) (*Card, error) {
	var known *Card
	if namePattern.MatchString(name) {
		for _, dir := range dirs {
			c, err := Load(filepath.Join(dir, name))
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				return nil, err
			}
			if c.Name != name {
				return nil, fmt.Errorf("model card %s is of %q: a model's folder has its name", filepath.Join(c.Dir, FileName), c.Name)
			}
			if len(c.Files) > 0 {
				return c, nil
			}
			known = c
		}
	}
	if known != nil {
		return nil, &NoWeightsError{known}
	}
	none := &NoModelError{Name: name, Looked: dirs}
	for _, l := range List(dirs) {
		none.Have = append(none.Have, l.Name)
	}
	return nil, none
}

// Listed is a model that [List] found.
type Listed struct {
	Name string // of its folder
	Card *Card  // nil if Err is set
	Err  error
}

// List reads the cards of all models in the folders, sorted by name. Of several
// with one name it gives that which [Find] would. Folders that aren't there are
// empty.
func List(dirs []string) []Listed {
	found := map[string]Listed{}
	for _, dir := range dirs {
		entries, err := os.ReadDir(dir)
		if err != nil {
			continue // most of the places that are looked in don't exist
		}
		for _, e := range entries {
			folder := filepath.Join(dir, e.Name())
			if was, ok := found[e.Name()]; !isDir(folder) || ok && (was.Err != nil || len(was.Card.Files) > 0) {
				continue
			}
			if c, err := Load(folder); !errors.Is(err, fs.ErrNotExist) {
				found[e.Name()] = Listed{Name: e.Name(), Card: c, Err: err}
			}
		}
	}
	return slices.SortedFunc(maps.Values(found), func(a, b Listed) int { return strings.Compare(a.Name, b.Name) })
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}
