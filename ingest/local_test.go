package ingest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"micodata/dataset"
	"micodata/internal/testmedia"
	"micodata/storage"
)

// hookContext calls do once, when it is asked for its error after it is armed.
type hookContext struct {
	context.Context
	do func()
}

func (h *hookContext) Err() error {
	if do := h.do; do != nil {
		h.do = nil
		do()
	}
	return h.Context.Err()
}

// What is written to while its hash is taken is no whole file, even if what was
// read was as long as it should be.
func TestChangedWhileRead(t *testing.T) {
	for name, change := range map[string]func(path string) error{
		"grows": func(path string) error {
			f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
			if err != nil {
				return err
			}
			_, err = f.WriteString("more")
			return errors.Join(err, f.Close())
		},
		"same size": func(path string) error { return os.Chtimes(path, time.Time{}, time.Unix(1, 0)) },
		"shrinks":   func(path string) error { return os.Truncate(path, 1) },
	} {
		t.Run(name, func(t *testing.T) {
			path := copyFile(t, testmedia.File(t, "plain"), filepath.Join(t.TempDir(), "a.mp4"))
			r := &runner{env: testEnv(t)}
			ctx := &hookContext{t.Context(), func() {
				if err := change(path); err != nil {
					t.Error(err)
				}
			}}
			_, err := r.readLocal(ctx, path)
			if e, ok := dataset.AsItem(err); !ok || e.Class != dataset.Corrupt || !strings.Contains(e.Error(), "changed while it was read") {
				t.Errorf("error %v", err)
			}
			if _, err := r.readLocal(t.Context(), path); err != nil {
				t.Errorf("at rest: %v", err)
			}
		})
	}
}

// What this machine is out of is no source's fault.
func TestShortageEndsTheRun(t *testing.T) {
	for _, errno := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM} {
		err := &fs.PathError{Op: "open", Path: "/d/a.mp4", Err: errno}
		var se *storage.Error
		if got := fileFail(err); !errors.As(got, &se) || !errors.Is(got, errno) {
			t.Errorf("%v: a file's %v", errno, got)
		}
		if got := requestError(err); !errors.Is(got, errno) || errors.As(got, new(*retryError)) {
			t.Errorf("%v: a request's %v", errno, got)
		} else if _, ok := dataset.AsItem(got); ok {
			t.Errorf("%v: a request's %v is an item's", errno, got)
		}
		sent := func(Item) error { t.Errorf("%v: a folder became an item", errno); return nil }
		if got := sendUnread(sent, "folder", "/d", err); !errors.Is(got, errno) {
			t.Errorf("%v: a folder's %v", errno, got)
		}
	}
}

// noFiles leaves this process no file to open until the test calls done.
func noFiles(t *testing.T) (done func()) {
	t.Helper()
	var old syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	low := old
	low.Cur = 0
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &low); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &old); err != nil {
			t.Fatal(err)
		}
	}
}

func TestNoMoreOpenFiles(t *testing.T) {
	env, path := testEnv(t), testmedia.File(t, "plain")
	dir := filepath.Dir(path)
	for _, sidecars := range []bool{false, true} {
		env.Settings.Sidecars = sidecars
		done := noFiles(t)
		_, err := Run(t.Context(), env, 0, []Item{local(path)}, true)
		_, errList := listed(t, ListOptions{}, dir)
		done()
		for _, err := range []error{err, errList} {
			var se *storage.Error
			if !errors.As(err, &se) || !errors.Is(err, syscall.EMFILE) {
				t.Errorf("sidecars %v: error %v", sidecars, err)
			}
		}
		if left, err := env.Store.List(t.Context(), ""); err != nil || len(left) > 0 {
			t.Errorf("left %v, %v", left, err)
		}
	}
}

func TestRetryLocal(t *testing.T) {
	for _, c := range []struct {
		errno error
		fails int
		tries int
	}{
		{syscall.ESTALE, 2, 3}, {syscall.EIO, 1, 2}, {syscall.EIO, 100, localAttempts}, {syscall.EACCES, 1, 1}, {syscall.EMFILE, 1, 1},
	} {
		tries := 0
		v, err := retryLocal(t.Context(), time.Millisecond, func() (string, error) {
			if tries++; tries <= c.fails {
				return "", fileFail(&fs.PathError{Op: "read", Path: "x", Err: c.errno})
			}
			return "v", nil
		})
		if tries != c.tries || (err == nil) != (c.tries > c.fails) || err == nil && v != "v" || err != nil && !errors.Is(err, c.errno) {
			t.Errorf("%v %d times: %d tries, %q, %v", c.errno, c.fails, tries, v, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := retryLocal(ctx, time.Hour, func() (int, error) { return 0, fileFail(syscall.EIO) }); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// Half a medium, as a disk that filled up may have left it, is replaced.
func TestBrokenMediaIsReplaced(t *testing.T) {
	env := testEnv(t)
	env.Settings.Copy = true
	path := testmedia.File(t, "plain")
	data := readAll(t, path)
	name := dataset.MediaName(hashOf(data), ".mp4")
	if err := storage.WriteAll(t.Context(), env.Store, name, storage.Exclusive, data[:100]); err != nil {
		t.Fatal(err)
	}
	if s := ingestOne(t, env, local(path)); s.Media != name {
		t.Fatalf("media %q", s.Media)
	}
	if got := readObject(t, env, name); !bytes.Equal(got, data) {
		t.Errorf("%d bytes where the source has %d", len(got), len(data))
	}
}

// Our own disk's failures end the run as the storage's.
func TestOwnDiskFails(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	var se *storage.Error
	d := &download{file: full, hash: sha256.New(), limit: 100, total: -1}
	if err := d.read(strings.NewReader("bytes"), func() bool { return true }); !errors.As(err, &se) || !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "free space") {
		t.Errorf("full disk: %v", err)
	}
	closed, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	if err := closed.Close(); err != nil {
		t.Fatal(err)
	}
	if err := (&download{file: closed, hash: sha256.New()}).restart(); !errors.As(err, &se) {
		t.Errorf("truncate: %v", err)
	}
	env := testEnv(t)
	env.TempDir = filepath.Join(t.TempDir(), "gone")
	if _, err := Run(t.Context(), env, 0, []Item{{URI: "http://h.invalid/"}}, true); !errors.As(err, &se) || !strings.Contains(err.Error(), env.TempDir) {
		t.Errorf("no folder for downloads: %v", err)
	}
	// A download that cannot be read back, or reads otherwise, is no source's fault.
	r := &runner{env: testEnv(t)}
	m := media{path: writeFile(t, filepath.Join(t.TempDir(), "f.tmp"), "other"), sha256: hashOf([]byte("bytes")), bytes: 5, temp: closed}
	for _, path := range []string{m.path, m.path + "gone"} {
		m.path = path
		if _, err := r.keep(t.Context(), m, ".mp4"); !errors.As(err, &se) || !strings.Contains(fmt.Sprint(err), path) {
			t.Errorf("read back: %v", err)
		}
	}
}
