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
}

const defaultMaxRowBytes = 16 << 20

func (o ListOptions) withDefaults() ListOptions {
	if o.MaxRowBytes <= 0 {
		o.MaxRowBytes = defaultMaxRowBytes
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
// at before the first item, so that a mistyped one costs no work. An error,
// mostly a [*UsageError], ends the listing; whatever concerns one item only is
// in [Item.Err].
//
// A file that is named is taken whatever its extension, unless it is a table
// (.txt .csv .tsv .jsonl .ndjson .json .parquet, all but the last also with .gz
// or .zst). Folders yield files with extensions of media. A name that exists is
// that file, whatever its characters; else it may be a glob, whose matches
// count as named where the pattern itself ends in a plain extension, and as
// found in a folder otherwise.
func List(ctx context.Context, sources []string, o ListOptions) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		items := 0
		err := list(ctx, sources, o.withDefaults(), func(it Item) error {
			if err := ctx.Err(); err != nil {
				return err
			}
			items++
			if !yield(it, nil) {
				return errStop
			}
			return nil
		})
		if err == nil && items == 0 {
			err = &UsageError{Source: strings.Join(sources, " "), Err: ErrNoSources,
				Hint: "name media files, folders, globs, http(s) URLs, lists, or - for a list on standard input"}
		}
		if err != nil && err != errStop {
			yield(Item{}, err)
		}
	}
}

func list(ctx context.Context, sources []string, o ListOptions, emit emitter) error {
	var steps []func() error
	stdin := false
	for _, arg := range sources {
		if arg == "-" && stdin {
			return &UsageError{Source: arg, Err: errors.New("standard input is named twice"), Hint: "name it once"}
		}
		stdin = stdin || arg == "-"
		step, err := plan(ctx, arg, o, emit)
		if err != nil {
			return err
		}
		steps = append(steps, step)
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// plan looks at one argument and returns what lists it.
func plan(ctx context.Context, arg string, o ListOptions, emit emitter) (func() error, error) {
	if arg == "-" {
		return func() error { return listStdin(o, emit) }, nil
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
	fi, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) && strings.ContainsAny(arg, `*?[`) && path == arg {
		return planGlob(ctx, arg, o, emit)
	}
	if err != nil {
		return nil, pathError(arg, err)
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, pathError(arg, err)
	}
	switch {
	case fi.IsDir():
		return func() error { return listFolder(ctx, abs, o, emit) }, nil
	case !fi.Mode().IsRegular():
		return nil, &UsageError{Source: arg, Err: errors.New("neither a regular file nor a folder"),
			Hint: "name a media file, a folder, a list or a URL"}
	}
	return func() error { return listFile(abs, o, emit) }, nil
}

// listFile lists a file that was named: a table's rows, or the file itself.
func listFile(abs string, o ListOptions, emit emitter) error {
	if f, ok := tableFormat(abs); ok {
		return listTable(abs, f, o, emit)
	}
	return emit(Item{URI: abs, Trusted: true})
}

// pathError drops the path that the operating system's own errors repeat.
func pathError(arg string, err error) error {
	if exhausted(err) {
		return ownError(err)
	}
	var pe *fs.PathError
	if errors.As(err, &pe) {
		err = pe.Err
	}
	hint := "check the name"
	if errors.Is(err, fs.ErrPermission) {
		hint = "make it readable for this user"
	}
	return &UsageError{Source: arg, Err: fmt.Errorf("cannot be read: %w", err), Hint: hint}
}
