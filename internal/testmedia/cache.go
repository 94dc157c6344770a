package testmedia

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// ffmpegVersion is what `ffmpeg -version` prints: version, build and library
// numbers, all of which may change the bytes of an encoded file.
var ffmpegVersion = sync.OnceValues(func() ([]byte, error) {
	return exec.Command("ffmpeg", "-version").Output()
})

// encoded returns the path of the file called name that ffmpeg makes with args
// (everything between the program and the output path) from stdin, making it if
// this machine has none yet.
func encoded(t testing.TB, name string, args []string, stdin []byte) string {
	t.Helper()
	version, err := ffmpegVersion()
	if err != nil {
		t.Fatalf("testmedia: ffmpeg -version: %v", err)
	}
	key := sha256.New()
	for _, part := range args {
		fmt.Fprintf(key, "%d:%s", len(part), part)
	}
	key.Write(version)
	key.Write(stdin)
	return cached(t, key.Sum(nil), name, func(path string) error {
		return ffmpeg(t.Context(), append(args, path), bytes.NewReader(stdin))
	})
}

// written returns the path of a file called name that holds content.
func written(t testing.TB, name string, content []byte) string {
	t.Helper()
	key := sha256.Sum256(content)
	return cached(t, key[:], name, func(path string) error {
		return os.WriteFile(path, content, 0o644)
	})
}

// cached returns <cache>/<key>/<name>. If it is not there, build makes it under
// another name first; of several processes that do so at once the last rename
// wins, and all of them leave the same content.
func cached(t testing.TB, key []byte, name string, build func(path string) error) string {
	t.Helper()
	root, err := os.UserCacheDir()
	if err != nil {
		t.Fatalf("testmedia: %v", err)
	}
	root = filepath.Join(root, "micodata", "testmedia")
	path := filepath.Join(root, hex.EncodeToString(key[:8]), name)
	if _, err := os.Stat(path); err == nil {
		return path
	} else if !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("testmedia: %v", err)
	}
	if err := create(root, path, build); err != nil {
		t.Fatalf("testmedia: make %s: %v", name, err)
	}
	return path
}

func create(root, path string, build func(path string) error) (err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	making, err := os.MkdirTemp(root, ".making-*")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(making)) }()
	// The final name, so that ffmpeg picks the container by its extension.
	draft := filepath.Join(making, filepath.Base(path))
	if err := build(draft); err != nil {
		return err
	}
	return os.Rename(draft, path)
}

// ffmpeg runs ffmpeg with args, one thread for each codec and filter: it keeps
// the bytes the same on every machine, and small clips gain nothing by more.
func ffmpeg(ctx context.Context, args []string, stdin io.Reader) error {
	common := []string{"-nostdin", "-hide_banner", "-v", "error", "-y", "-filter_threads", "1", "-filter_complex_threads", "1"}
	cmd := exec.CommandContext(ctx, "ffmpeg", append(common, args...)...)
	cmd.Stdin = stdin
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("ffmpeg %q: %w: %s", args, err, stderr.Bytes())
	}
	return nil
}
