package storage

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func local(t *testing.T) *Local {
	t.Helper()
	l, err := NewLocal(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// leave makes a file that nobody has open, as a killed process does.
func leave(t *testing.T, l *Local, name string, age time.Duration) string {
	t.Helper()
	path := l.Path(name)
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	fi, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	then := fi.ModTime().Add(-age)
	if err := os.Chtimes(path, then, then); err != nil {
		t.Fatal(err)
	}
	return path
}

// swept sweeps and tells which of the files are gone.
func swept(t *testing.T, l *Local, files []string, folders ...string) (gone []string) {
	t.Helper()
	if err := l.Sweep(context.Background(), folders...); err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if _, err := os.Stat(f); errors.Is(err, fs.ErrNotExist) {
			gone = append(gone, f)
		}
	}
	return gone
}

// What is synced are the folders that were written to, by descriptors that were open
// before: another's would not be told of what failed until then. It is so once.
func TestSyncIsOfWhatWasWritten(t *testing.T) {
	if !canSyncAll {
		t.Skip("each file is synced")
	}
	l := local(t)
	var synced []string
	broken := errors.New("broken")
	l.temp.syncAll = func(d *os.File) error {
		synced = append(synced, filepath.Base(d.Name()))
		return broken
	}
	for _, name := range []string{"videos/x", "videos/y", "audio/a/b", "top"} {
		if err := l.WriteLoose(t.Context(), name, []byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	// The folder that was open is meant, not what has its name now.
	if err := os.Rename(l.Path("videos"), l.Path("moved")); err != nil {
		t.Fatal(err)
	}
	err := l.Sync()
	slices.Sort(synced)
	want := []string{"audio", filepath.Base(l.Path("")), "videos"}
	slices.Sort(want)
	if !errors.Is(err, broken) || !slices.Equal(synced, want) {
		t.Errorf("%v, synced %q", err, synced)
	}
	if err := l.Sync(); err != nil || len(synced) != 3 {
		t.Errorf("again: %v, synced %q", err, synced)
	}
}

func dead(stem string) string { return "." + stem + "." + kernelTag() + "ABC234.tmp" }

func TestSweepRemovesOnlyOurOwn(t *testing.T) {
	l := local(t)
	ours := []string{dead("dataset.json"), "media/" + dead("x.mp4"), "micodata-fetch-17.tmp"}
	others := []string{
		"notes.tmp", ".notes.tmp", ".a.short.tmp", "media/model.tmp", "." + kernelTag() + "ABC234.tmp", // others' names
		".a." + kernelTag() + "ABC2340.tmp", ".a." + kernelTag() + "abc234.tmp", "a." + kernelTag() + "ABC234.tmp",
		"photos/" + dead("x"), "media/ab/" + dead("x"), // places where nothing of ours can be
	}
	var files []string
	for _, name := range append(slices.Clone(ours), others...) {
		files = append(files, leave(t, l, name, 48*time.Hour))
	}
	if got := swept(t, l, files, "media", "missing"); !slices.Equal(got, files[:len(ours)]) {
		t.Errorf("swept %v\nwant  %v", got, files[:len(ours)])
	}
}

// Unfinished objects lie where a sweep finds them without a walk.
func TestUnfinishedFilesAreInTheTopFolder(t *testing.T) {
	l := local(t)
	for name, folder := range map[string]string{"x": ".", "media/ab/x.mp4": "media", "cost/label/depth/x": "cost"} {
		w, err := l.Create(context.Background(), name, Exclusive)
		if err != nil {
			t.Fatal(err)
		}
		left, err := filepath.Glob(l.Path(folder) + "/.*.tmp")
		if err != nil || len(left) != 1 || !isTemp(filepath.Base(left[0])) || !writtenHere(filepath.Base(left[0])) {
			t.Fatalf("%s: %v, %v", name, left, err)
		}
		if got := swept(t, l, left, "media", "cost"); len(got) > 0 {
			t.Errorf("%s was swept while it was being written", name)
		}
		if err := w.Commit(context.Background()); err != nil {
			t.Error(err)
		}
	}
}

// NFS makes exclusive locks of byte ranges, for which a file must be open for
// writing.
func TestSweepLocksAsNFSWantsIt(t *testing.T) {
	l := local(t)
	l.temp.flock = func(fd, how int) error {
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0); err != nil || flags&unix.O_ACCMODE == unix.O_RDONLY {
			return unix.EBADF
		}
		return unix.Flock(fd, how)
	}
	if files := []string{leave(t, l, dead("x"), 0)}; len(swept(t, l, files)) != 1 {
		t.Error("a dead file stayed")
	}
}

func TestWithoutLocksOnlyOldFilesGo(t *testing.T) {
	for _, errno := range []syscall.Errno{syscall.ENOSYS, syscall.ENOTSUP, syscall.ENOLCK} {
		l := local(t)
		l.temp.flock = func(int, int) error { return errno }
		files := []string{leave(t, l, dead("old"), 25*time.Hour), leave(t, l, dead("new"), 23*time.Hour)}
		if got := swept(t, l, files); !slices.Equal(got, files[:1]) {
			t.Errorf("%v: swept %v", errno, got)
		}
		if err := WriteAll(context.Background(), l, "a/x", Exclusive, nil); err != nil {
			t.Errorf("%v: %v", errno, err)
		}
	}
}

// Another machine's lock may not be seen here.
func TestFilesOfOtherMachinesGoWhenTheyAreOld(t *testing.T) {
	l := local(t)
	files := []string{leave(t, l, ".x.2222ABC234.tmp", 25*time.Hour), leave(t, l, ".y.2222ABC234.tmp", 0)}
	if got := swept(t, l, files); !slices.Equal(got, files[:1]) {
		t.Errorf("swept %v", got)
	}
	if left, err := filepath.Glob(l.Path(".clock.*")); err != nil || len(left) > 0 {
		t.Errorf("left %v, %v", left, err)
	}
}

// A process that starts can sweep a file between its creation and its lock.
func TestFileSweptBeforeItWasLocked(t *testing.T) {
	l, ctx := local(t), context.Background()
	sweeps := 0
	l.temp.flock = func(fd, how int) error {
		if sweeps++; sweeps <= 3 {
			if err := (&Local{dir: l.dir, temp: temps{flock: unix.Flock, syncDir: syncDir}}).Sweep(ctx); err != nil {
				t.Error(err)
			}
		}
		return unix.Flock(fd, how)
	}
	if err := WriteAll(ctx, l, "x", Exclusive, []byte("x")); err != nil {
		t.Fatal(err)
	}
	if data, err := os.ReadFile(l.Path("x")); string(data) != "x" || err != nil || sweeps != 4 {
		t.Errorf("%q, %v, %d locks", data, err, sweeps)
	}
}

// /proc refuses to sync folders, as some CIFS and FUSE mounts do.
func TestFoldersThatCannotBeSynced(t *testing.T) {
	if err := syncDir("/proc"); err != nil {
		t.Error(err)
	}
	if err := syncDir("/nowhere"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

func TestNewFoldersAreDurable(t *testing.T) {
	l := local(t)
	var synced []string
	l.temp.syncDir = func(dir string) error {
		synced = append(synced, dir)
		return syncDir(dir)
	}
	for range 2 { // the second time the folders are there
		if err := WriteAll(context.Background(), l, "a/b/x", Replace, nil); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{l.Path("a"), l.dir, l.Path("a/b"), l.Path("a/b")}
	if !slices.Equal(synced, want) {
		t.Errorf("synced %v, want %v", synced, want)
	}
}
