package extract_test

import (
	"compress/gzip"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"testing"

	"micodata/internal/testmedia"
)

// TestCutsEqualReference compares the clips of the sample media with the cuts
// that PySceneDetect found (see scenecut).
func TestCutsEqualReference(t *testing.T) {
	file, err := os.Open("scenecut/testdata/golden.json.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	unzipped, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	var golden map[string]struct{ Cuts map[string][]int }
	if err := json.NewDecoder(unzipped).Decode(&golden); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"sintel_a", "bbb_b"} {
		t.Run(name, func(t *testing.T) {
			path, err := filepath.Abs(filepath.Join("..", "testdata", "media", name+".mp4"))
			if err != nil {
				t.Fatal(err)
			}
			w := newWorkplace(t, source(t, path))
			w.env.Settings.ClipHeight, w.env.Settings.Frames = 32, 1 // cheap
			rows := w.run(t)
			starts := append([]int{0}, golden[name].Cuts["11.5"]...)
			if len(rows) != len(starts) {
				t.Fatalf("%d clips, the reference has %d", len(rows), len(starts))
			}
			_, _, _, pts := testmedia.DecodeGray(t, path, "-noautorotate")
			for i, row := range rows {
				if math.Abs(row.Start-pts[starts[i]]) > 1e-4 {
					t.Errorf("clip %d starts at %.4f s, the reference at frame %d, %.4f s", i, row.Start, starts[i], pts[starts[i]])
				}
				if i > 0 && row.Start != rows[i-1].End {
					t.Errorf("clip %d starts at %v, the one before ends at %v", i, row.Start, rows[i-1].End)
				}
			}
		})
	}
}
