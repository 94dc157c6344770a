package ffmpeg

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func tools(t *testing.T) Tools {
	t.Helper()
	found, err := Find(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// run makes a file with ffmpeg, args ending in its path.
func run(t *testing.T, args ...string) {
	t.Helper()
	p, err := tools(t).Start(context.Background(), Job{Args: args})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Wait(); err != nil {
		t.Fatal(err)
	}
}

// sample is one second of picture and sound in an MP4 file of that name.
func sample(t *testing.T, name string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	url, err := FileURL(path)
	if err != nil {
		t.Fatal(err)
	}
	run(t, "-f", "lavfi", "-i", "testsrc2=s=64x48:r=10:d=1", "-f", "lavfi", "-i", "sine=d=1:r=16000",
		"-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac", "-metadata", "title=a title",
		"-metadata:s:a", "language=deu", "-f", "mp4", url)
	if _, err := os.Stat(path); err != nil {
		t.Fatal(err)
	}
	return path
}
