package ingest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// mediaExtensions are the names by which a walk knows video: the containers in
// ffmpeg's whitelist that commonly hold pictures. A file named by itself is
// taken whatever its extension.
var mediaExtensions = []string{
	".3g2", ".3gp", ".asf", ".avi", ".divx", ".dv", ".f4v", ".flv", ".gif", ".gxf", ".ivf", ".m2ts", ".m2v",
	".m4v", ".mkv", ".mov", ".mp4", ".mpe", ".mpeg", ".mpg", ".mts", ".mxf", ".nut", ".ogm", ".ogv", ".qt",
	".rm", ".rmvb", ".ts", ".vob", ".webm", ".wmv", ".wtv", ".y4m",
}

func isMedia(name string) bool {
	_, ok := slices.BinarySearch(mediaExtensions, strings.ToLower(filepath.Ext(name)))
	return ok
}

// walker lists folders. It follows links and visits no folder twice, so that
// loops end and what is reachable by two ways is listed once.
type walker struct {
	emit    emitter
	visited map[string]bool // real paths of folders; those to skip are there from the start
	items   int
}

func newWalker(o ListOptions, emit emitter) *walker {
	w := &walker{emit: emit, visited: map[string]bool{}}
	for _, dir := range o.Skip {
		if abs, err := filepath.Abs(dir); err == nil {
			dir = abs
		}
		if real, err := filepath.EvalSymlinks(dir); err == nil {
			dir = real
		}
		w.visited[dir] = true
	}
	return w
}

// listFolder lists the media below a folder that was named.
func listFolder(ctx context.Context, dir string, o ListOptions, emit emitter) error {
	w := newWalker(o, emit)
	real, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return sendUnread(emit, "folder", dir, err)
	}
	if w.visited[real] {
		return &UsageError{Source: dir, Err: fmt.Errorf("%w: it is the folder that is written to", ErrNoSources), Hint: "write to another folder, or to one inside it"}
	}
	if err := w.folder(ctx, dir, real); err != nil {
		return err
	}
	if w.items == 0 {
		return &UsageError{Source: dir, Err: fmt.Errorf("%w: no media files in this folder or below", ErrNoSources),
			Hint: "known extensions: " + strings.Join(mediaExtensions, " ") + "; other files must be named one by one or in a list"}
	}
	return nil
}

// folder lists one folder, whose path without links is real, in order of names.
func (w *walker) folder(ctx context.Context, dir, real string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if w.visited[real] {
		return nil
	}
	w.visited[real] = true
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") {
			continue
		}
		if err := w.entry(ctx, filepath.Join(dir, e.Name()), filepath.Join(real, e.Name()), e.Type()); err != nil {
			return err
		}
	}
	if err != nil {
		return sendUnread(w.send, "folder", dir, err)
	}
	return nil
}

func (w *walker) entry(ctx context.Context, path, real string, mode fs.FileMode) error {
	if mode&fs.ModeSymlink != 0 {
		// A link that leads nowhere is an item if its name is a medium's.
		if fi, err := os.Stat(path); err == nil && fi.IsDir() {
			target, err := filepath.EvalSymlinks(path)
			if err != nil {
				return sendUnread(w.send, "folder", path, err)
			}
			return w.folder(ctx, path, target)
		}
	}
	if mode.IsDir() {
		return w.folder(ctx, path, real)
	}
	if isMedia(path) {
		return w.send(Item{URI: path, Trusted: true})
	}
	return nil
}

func (w *walker) send(it Item) error {
	w.items++
	return w.emit(it)
}

// planGlob expands a pattern that no file is named by.
func planGlob(ctx context.Context, pattern string, o ListOptions, emit emitter) (func() error, error) {
	if strings.Contains(pattern, "**") {
		return nil, &UsageError{Source: pattern, Err: errors.New("** is not supported"),
			Hint: "name the folder: folders are walked to any depth"}
	}
	matches, err := filepath.Glob(pattern)
	if err != nil {
		return nil, &UsageError{Source: pattern, Err: fmt.Errorf("bad pattern: %w", err), Hint: "quote [ and * with a backslash"}
	}
	slices.Sort(matches)
	// "*.csv" and "*.bin" say what they want; "videos/*" would take subtitles
	// for videos and captions for lists.
	ext := filepath.Ext(pattern)
	named := len(ext) > 1 && !strings.ContainsAny(ext, `*?[]\`)
	var steps []func() error
	for _, m := range matches {
		fi, err := os.Stat(m)
		abs, errAbs := filepath.Abs(m)
		switch {
		case errAbs != nil:
			return nil, &UsageError{Source: m, Err: errAbs, Hint: "name it by its absolute path"}
		case err == nil && fi.IsDir():
			if !strings.HasPrefix(filepath.Base(abs), ".") {
				steps = append(steps, func() error { return listMatchedFolder(ctx, abs, o, emit) })
			}
		case named:
			steps = append(steps, func() error { return listFile(abs, o, emit) })
		case isMedia(abs):
			steps = append(steps, func() error { return emit(Item{URI: abs, Trusted: true}) })
		}
	}
	return func() error {
		if len(steps) == 0 {
			return &UsageError{Source: pattern, Err: fmt.Errorf("%w: no media file matches", ErrNoSources),
				Hint: "check the pattern, or name the folder: folders are walked"}
		}
		for _, step := range steps {
			if err := step(); err != nil {
				return err
			}
		}
		return nil
	}, nil
}

// listMatchedFolder lists a folder that a glob found, which may well be empty.
func listMatchedFolder(ctx context.Context, dir string, o ListOptions, emit emitter) error {
	real, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return sendUnread(emit, "folder", dir, err)
	}
	return newWalker(o, emit).folder(ctx, dir, real)
}
