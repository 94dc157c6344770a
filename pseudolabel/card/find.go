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
	"syscall"
)

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
// files. Errors: [*NameError], [*NoModelError], [*NoWeightsError]; a card that
// can't be read ends the search, with an error of [Load].
func Find(name string, dirs []string) (*Card, error) {
	if !namePattern.MatchString(name) {
		return nil, &NameError{name}
	}
	var known *Card
	for _, dir := range dirs {
		c, err := load(dir, name)
		if absent(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if len(c.Files) > 0 {
			return c, nil
		}
		known = c
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

// load reads the card in a model's folder below dir, whose name must be the
// model's.
func load(dir, name string) (*Card, error) {
	c, err := Load(filepath.Join(dir, name))
	if err == nil && c.Name != name {
		return nil, c.Wrong(fmt.Errorf("it is of %q: a model's folder has its name", c.Name))
	}
	return c, err
}

// absent tells that there is no card, nor a folder for one.
func absent(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
}

// Listed is a model that [List] found.
type Listed struct {
	Name string // of its folder
	Card *Card  // nil if Err is set
	Err  error  // of [Load]
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
			if was, ok := found[e.Name()]; ok && (was.Err != nil || len(was.Card.Files) > 0) {
				continue
			}
			if c, err := load(dir, e.Name()); !absent(err) {
				found[e.Name()] = Listed{Name: e.Name(), Card: c, Err: err}
			}
		}
	}
	return slices.SortedFunc(maps.Values(found), func(a, b Listed) int { return strings.Compare(a.Name, b.Name) })
}
