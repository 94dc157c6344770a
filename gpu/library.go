package gpu

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// libraryVersion is the ONNX Runtime that tools/setup/onnxruntime.sh installs, and
// with CUDA gpu.sh beside it.
const libraryVersion = "1.27.0"

// Options say where ONNX Runtime's library is.
type Options struct {
	// LibraryPath names the library. Empty: the environment's ORT_LIB, then the
	// user's cache folder (the one with CUDA first), then the folder of the executable. What is named by
	// the option or by ORT_LIB is used or is an error; nothing else is tried.
	LibraryPath string
}

// MissingError says that ONNX Runtime is not there or can't be loaded, where it
// was looked for, and what installs it.
type MissingError struct {
	Looked []string // paths, in the order they were tried; empty in a build without cgo
	Err    error    // why the one that was found can't be used; nil if none was
}

func (e *MissingError) Error() string {
	const hint = "run `make setup`, or set ORT_LIB to libonnxruntime.so of version 1.24 or later"
	if len(e.Looked) == 0 {
		return fmt.Sprintf("ONNX Runtime can't be used: %v", e.Err)
	}
	if e.Err != nil {
		return fmt.Sprintf("ONNX Runtime can't be used: %v (%s)", e.Err, hint)
	}
	return fmt.Sprintf("ONNX Runtime not found: looked for %s (%s)", strings.Join(e.Looked, ", "), hint)
}

func (e *MissingError) Unwrap() error { return e.Err }

// findLibrary returns the absolute path of the library to load, or a
// [*MissingError].
func findLibrary(o Options) (string, error) {
	var candidates []string
	switch env := os.Getenv("ORT_LIB"); {
	case o.LibraryPath != "":
		candidates = []string{o.LibraryPath}
	case env != "":
		candidates = []string{env}
	default:
		candidates = defaultLibraries()
	}
	for i, c := range candidates {
		if abs, err := filepath.Abs(c); err == nil {
			c, candidates[i] = abs, abs
		}
		if info, err := os.Stat(c); err == nil && info.Mode().IsRegular() {
			return c, nil
		}
	}
	return "", &MissingError{Looked: candidates}
}

func defaultLibraries() []string {
	const file = "libonnxruntime.so." + libraryVersion
	var paths []string
	if cache, err := os.UserCacheDir(); err == nil {
		all := filepath.Join(cache, "micodata", "onnxruntime")
		paths = append(paths, filepath.Join(all, libraryVersion+"-gpu", file), filepath.Join(all, libraryVersion, file))
	}
	if exe, err := os.Executable(); err == nil {
		dir := filepath.Dir(exe)
		paths = append(paths, filepath.Join(dir, file), filepath.Join(dir, "libonnxruntime.so"))
	}
	return paths
}
