package storage_test

import (
	"context"
	"errors"
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

// What a killed process leaves is a temporary file without a lock.
func TestSweepRemovesWhatACrashLeft(t *testing.T) {
	s := open(t)
	if err := storage.WriteAll(context.Background(), s, "a/part", storage.Exclusive, []byte("x")); err != nil {
		t.Fatal(err)
	}
	dead := filepath.Join(filepath.Dir(s.Path("a/part")), ".part.XYZ.tmp")
	if err := os.WriteFile(dead, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.Sweep(context.Background()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dead); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the dead writer's file is still there: %v", err)
	}
	if _, err := s.Stat(context.Background(), "a/part"); err != nil {
		t.Errorf("the committed object is gone: %v", err)
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

func TestErrorsSayWhatToDo(t *testing.T) {
	e := &storage.Error{Op: "write", Path: "/d/x", Err: &fs.PathError{Op: "write", Path: "/d/x", Err: syscall.ENOSPC}}
	if got := e.Error(); got != "write /d/x: no space left on device (free space there, then run the same command again: it goes on from what is committed)" {
		t.Error(got)
	}
	if _, err := storage.NewLocal("/proc/nowhere/x"); err == nil || !strings.Contains(err.Error(), "/proc/nowhere/x") {
		t.Errorf("got %v", err)
	}
}
