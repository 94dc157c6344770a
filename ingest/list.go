package ingest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"strings"

	"micodata/dataset"
)

// ListOptions say how to read lists. The zero value will do.
type ListOptions struct {
	// Names of table columns. Empty takes the first that a table has of
	//   URL      url, video, path, uri, file, contenturl
	//   ID       id, video_id, videoid, key
	//   Text     text, caption
	//   Title    title
	//   License  license
	//   Clips    clips, spans, clip, timestamp
	// in any case. A name given here that a table lacks is an error.
	URLCol, IDCol, TextCol, TitleCol, LicenseCol, ClipsCol string
	// Stdin is what the source "-" reads.
	Stdin io.Reader
	// Skip are folders that walks leave out: the dataset and the output may lie
	// inside the folder that is read.
	Skip []string
	// MaxRowBytes bounds a row of a table. In plain lists and JSON Lines a
	// longer one is a failed row, as the next line begins the next row. In CSV,
	// TSV, JSON and Parquet it ends the listing with an error, after the rows
	// before it: in text nothing tells where the next row begins (the likely
	// cause is a quote that is missing), and Parquet has no such rows unless it
	// is broken. The default is 16 MiB: the longest row of HD-VILA-100M is
	// below 1 MiB.
	MaxRowBytes int
	// Warn is told, where several sources are named, which of them is not there or
	// holds nothing: at once, since the work on the others may take days. nil tells
	// nobody.
	Warn func(err error)
}

const defaultMaxRowBytes = 16 << 20

func (o ListOptions) withDefaults() ListOptions {
	if o.MaxRowBytes <= 0 {
		o.MaxRowBytes = defaultMaxRowBytes
	}
	if o.Warn == nil {
		o.Warn = func(error) {}
	}
	return o
}

// UsageError says that sources cannot be listed as they were asked for, and
// what to do about it.
type UsageError struct {
	Source string // as the user gave it, or the path of a table
	Err    error
	Hint   string // what to do
}

func (e *UsageError) Error() string {
	msg := e.Err.Error()
	if e.Source != "" {
		msg = e.Source + ": " + msg
	}
	if e.Hint != "" {
		msg += " (" + e.Hint + ")"
	}
	return msg
}

func (e *UsageError) Unwrap() error { return e.Err }

// ErrNoSources is in the chain of a [*UsageError] for sources that hold nothing
// to ingest.
var ErrNoSources = errors.New("nothing to ingest")

// errStop ends a listing whose consumer wants no more.
var errStop = errors.New("stop")

// emitter takes the next item. Its error ends the listing.
type emitter func(Item) error

// List yields the items that sources name, in order: each source in turn,
// folders and globs sorted by name, tables row by row. All sources are looked
// at before the first item, so that one that makes no sense costs no work. An
// error, mostly a [*UsageError], ends the listing; whatever concerns one item
// only is in [Item.Err].
//
// A name that is not there or cannot be read is an item, whose row says so. A
// folder, a glob or a list that holds nothing is none: it is told to
// [ListOptions.Warn] if there are other sources, and if no source holds anything
// the listing ends with [ErrNoSources].
//
// A file that is named is taken whatever its extension, unless it is a table
// (.txt .csv .tsv .jsonl .ndjson .json .parquet, all but the last also with .gz
// or .zst). Folders yield files with extensions of media. A name that exists is
// that file, whatever its characters; else it may be a glob, whose matches
// count as named where the pattern itself ends in a plain extension, and as
// found in a folder otherwise.
func List(ctx context.Context, sources []string, o ListOptions) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		err := list(ctx, sources, o.withDefaults(), func(it Item) error {
			if err := ctx.Err(); err != nil {
				return err
			}
			if !yield(it, nil) {
				return errStop
			}
			return nil
		})
		if err != nil && err != errStop {
			yield(Item{}, err)
		}
	}
}

func list(ctx context.Context, sources []string, o ListOptions, emit emitter) error {
	if len(sources) == 1 {
		o.Warn = func(error) {} // it is all there is to say at the end
	}
	items := 0
	counted := func(it Item) error {
		items++
		return emit(it)
	}
	var steps []func() error
	stdin := false
	for _, arg := range sources {
		if arg == "-" && stdin {
			return &UsageError{Source: arg, Err: errors.New("standard input is named twice"), Hint: "name it once"}
		}
		stdin = stdin || arg == "-"
		step, err := plan(ctx, arg, o, counted)
		if err != nil {
			return err
		}
		steps = append(steps, step)
	}
	for i, step := range steps {
		before := items
		err := step()
		if err == nil && items == before {
			err = &UsageError{Source: sources[i], Err: ErrNoSources, Hint: "there is no media file and no row of a list in it"}
		}
		if errors.Is(err, ErrNoSources) && len(sources) > 1 {
			o.Warn(err)
			continue
		}
		if err != nil {
			return err
		}
	}
	if items == 0 {
		return &UsageError{Source: strings.Join(sources, " "), Err: ErrNoSources,
			Hint: "name media files, folders, globs, http(s) URLs, lists, or - for a list on standard input"}
	}
	return nil
}

// plan looks at one argument and returns what lists it.
func plan(ctx context.Context, arg string, o ListOptions, emit emitter) (func() error, error) {
	if arg == "-" {
		return func() error { return listStdin(o, emit) }, nil
	}
	if arg == "" {
		return nil, &UsageError{Err: errors.New("a source has an empty name"), Hint: "is a variable unset?"}
	}
	path := arg
	if scheme, ok := urlScheme(arg); ok {
		uri, err := locate(arg, ".")
		if err != nil {
			return nil, &UsageError{Source: arg, Err: err}
		}
		if scheme != "file" {
			return func() error { return emit(Item{URI: uri, Trusted: true}) }, nil
		}
		path = uri
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, &UsageError{Source: arg, Err: err, Hint: "name it by its absolute path"}
	}
	fi, err := os.Stat(path)
	switch {
	case exhausted(err):
		return nil, ownError(err)
	case errors.Is(err, fs.ErrNotExist) && path == arg && strings.ContainsAny(arg, `*?[`):
		return planGlob(ctx, arg, o, emit)
	case err != nil:
		var pe *fs.PathError
		if errors.As(err, &pe) {
			err = pe.Err // without the path again
		}
		o.Warn(fmt.Errorf("%s: cannot be read: %w; its row will say so", arg, err))
	case fi.IsDir():
		return func() error { return listFolder(ctx, abs, o, emit) }, nil
	case fi.Mode().IsRegular():
		return func() error { return listFile(abs, o, emit) }, nil
	}
	return func() error { return emit(Item{URI: abs, Trusted: true}) }, nil // its row will say what it is
}

// listFile lists a file that was named: a table's rows, or the file itself.
func listFile(abs string, o ListOptions, emit emitter) error {
	if f, ok := tableFormat(abs); ok {
		return listTable(abs, f, o, emit)
	}
	return emit(Item{URI: abs, Trusted: true})
}

// sendUnread makes an item of a folder or a list that cannot be read; an error
// that ends the run ends the listing.
func sendUnread(emit emitter, what, path string, err error) error {
	if exhausted(err) {
		return ownError(err)
	}
	return emit(Item{URI: path, Trusted: true, Err: dataset.Fail(fileClass(err), "%s cannot be read: %w", what, fileCause(err))})
}
