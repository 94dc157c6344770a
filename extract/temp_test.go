package extract

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"micodata/dataset"
	"micodata/internal/ffmpeg"
	"micodata/internal/soundfile"
	"micodata/storage"
)

// fullDisk is a device that every write finds full.
const fullDisk = "/dev/full"

func checkFull(t *testing.T, err error) {
	t.Helper()
	var failed *storage.Error
	if !errors.As(err, &failed) || failed.Path != fullDisk || !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "free space") {
		t.Errorf("a full disk is %T: %v", err, err)
	}
}

func openFull(t *testing.T) *os.File {
	t.Helper()
	f, err := os.OpenFile(fullDisk, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

func TestFullDiskIsTheStoragesError(t *testing.T) {
	f := openFull(t)
	rows := newRows(&recorder{}, t.TempDir(), 1)
	rows.sources[0].file, rows.sources[0].waiting = f, map[int]place{}
	checkFull(t, rows.add(0, 1, &dataset.Clip{}))
	_, err := tempWriter{f, f.Name()}.Write([]byte("media"))
	checkFull(t, err)
}

func TestMissingTempFolderIsTheStoragesError(t *testing.T) {
	gone := filepath.Join(t.TempDir(), "gone")
	tools, err := ffmpeg.Find(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	_, mp3 := encodeSound(t.Context(), tools, gone, "mp3", make([]byte, 3200), 16000, 1)
	_, media := copyToTemp(gone, strings.NewReader("media"))
	for name, err := range map[string]error{
		"waiting rows": newRows(&recorder{}, gone, 1).add(0, 1, &dataset.Clip{}), "mp3": mp3, "media": media,
	} {
		var failed *storage.Error
		if !errors.As(err, &failed) || failed.Path != gone {
			t.Errorf("%s: %T %v", name, err, err)
		}
	}
}

func TestFullDiskUnderMP3IsTheStoragesError(t *testing.T) {
	tools, err := ffmpeg.Find(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	p, err := tools.Start(t.Context(), soundfile.MP3Job("file:"+fullDisk, make([]byte, 3200), 16000, 1))
	if err != nil {
		t.Fatal(err)
	}
	checkFull(t, mp3Error(fullDisk, p.Wait()))
}
