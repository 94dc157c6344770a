package storage_test

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"micodata/storage"
	"micodata/storage/storagetest"
)

func open(t *testing.T) storage.Store {
	t.Helper()
	s, err := storage.NewLocal(filepath.Join(t.TempDir(), "new", "folder"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestLocal(t *testing.T) { storagetest.Run(t, open) }

// A top folder may lie on another disk.
func TestTopFolderMayBeALink(t *testing.T) {
	s, ctx := open(t), context.Background()
	if err := os.Symlink(t.TempDir(), s.Path("label")); err != nil {
		t.Fatal(err)
	}
	if err := storage.WriteAll(ctx, s, "label/depth/x", storage.Exclusive, []byte("x")); err != nil {
		t.Fatal(err)
	}
	for _, prefix := range []string{"label/", "label/depth/"} {
		if got, err := s.List(ctx, prefix); err != nil || len(got) != 1 || got[0].Name != "label/depth/x" {
			t.Errorf("List(%q) = %v, %v", prefix, got, err)
		}
	}
}

func TestCommittedFilesHaveThePermissionsOfTheUmask(t *testing.T) {
	old := syscall.Umask(0o027)
	defer syscall.Umask(old)
	s := open(t)
	if err := storage.WriteAll(context.Background(), s, "x", storage.Exclusive, nil); err != nil {
		t.Fatal(err)
	}
	fi, err := os.Stat(s.Path("x"))
	if err != nil {
		t.Fatal(err)
	}
	if fi.Mode().Perm() != 0o640 {
		t.Errorf("mode %v, want 0640", fi.Mode().Perm())
	}
}

// What is in the way of a file or a folder is named, and what to do.
func TestSomethingElseIsThere(t *testing.T) {
	s := open(t)
	if err := os.MkdirAll(s.Path("manifest.json"), 0o777); err != nil {
		t.Fatal(err)
	}
	_, err := storage.ReadAll(t.Context(), s, "manifest.json", 10)
	if want := "open " + s.Path("manifest.json") + ": it is a folder or a device where a file is wanted: move it away"; err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink("nowhere", link); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{link, filepath.Join(link, "below")} {
		if _, err := storage.NewLocal(dir); err == nil || !strings.Contains(err.Error(), "leads nowhere") {
			t.Errorf("%s: %v", dir, err)
		}
	}
}

func TestErrorsSayWhatToDo(t *testing.T) {
	e := &storage.Error{Op: "write", Path: "/d/x", Err: &fs.PathError{Op: "write", Path: "/d/x", Err: syscall.ENOSPC}}
	if got := e.Error(); got != "write /d/x: no space left on device (free space there, then run the same command again: what is committed stays)" {
		t.Error(got)
	}
	if _, err := storage.NewLocal("/proc/nowhere/x"); err == nil || !strings.Contains(err.Error(), "/proc/nowhere/x") {
		t.Errorf("got %v", err)
	}
}

// What is written loosely is there whole, in place of another, with nothing beside
// it; it can be synced.
func TestLooseObjects(t *testing.T) {
	s, ctx := open(t).(*storage.Local), context.Background()
	for _, text := range []string{"first", "second"} {
		if err := s.WriteLoose(ctx, "videos/x", []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := storage.ReadAll(ctx, s, "videos/x", 100); err != nil || string(got) != "second" {
		t.Errorf("%q, %v", got, err)
	}
	if err := s.Sync(); err != nil {
		t.Error(err)
	}
	if left, err := os.ReadDir(s.Path("videos")); err != nil || len(left) != 1 {
		t.Errorf("%v, %v", left, err)
	}
	if err := s.WriteLoose(ctx, "../x", nil); err == nil {
		t.Error("a name outside the store is taken")
	}
}
