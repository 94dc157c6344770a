package scenecut

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// goldenCase is one video of testdata/cases.json: a sample file, or one that ffmpeg makes.
type goldenCase struct {
	Name, Media, Ext, Size, Fmt string
	Args                        []string
}

// golden is what tools/golden/make.py recorded of one case.
type golden struct {
	Width, Height int
	PixFmt        string           `json:"pix_fmt"`
	DecodedMD5    string           `json:"decoded_md5"`
	Scores        []float64        `json:"scores"`
	Cuts          map[string][]int `json:"cuts"` // by threshold
}

var mediaDir = filepath.Join("..", "..", "testdata", "media")

func TestScoresEqualReference(t *testing.T) {
	var list struct {
		Scenes string
		Cases  []goldenCase
	}
	text, err := os.ReadFile("testdata/cases.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &list); err != nil {
		t.Fatal(err)
	}
	want := readGolden(t)
	if len(want) != len(list.Cases) {
		t.Fatalf("golden file has %d cases, the list %d: run tools/golden/make.py", len(want), len(list.Cases))
	}
	for _, c := range list.Cases {
		t.Run(c.Name, func(t *testing.T) {
			path := c.makeInput(t, list.Scenes)
			g := want[c.Name]
			if got := decodedMD5(t, path); got != g.DecodedMD5 {
				t.Fatalf("input differs: this ffmpeg makes or decodes the video with other pixels (md5 %s, golden %s); "+
					"run tools/golden/make.py with it", got, g.DecodedMD5)
			}
			checkScores(t, path, g)
		})
	}
}

func readGolden(t *testing.T) map[string]golden {
	t.Helper()
	file, err := os.Open("testdata/golden.json.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	unzipped, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	var want map[string]golden
	if err := json.NewDecoder(unzipped).Decode(&want); err != nil {
		t.Fatal(err)
	}
	return want
}

// checkScores runs the plan on path and compares every score, and the cuts of every threshold.
func checkScores(t *testing.T, path string, g golden) {
	t.Helper()
	plan, err := NewPlan(Source{Width: g.Width, Height: g.Height, PixFmt: g.PixFmt})
	if err != nil {
		t.Fatal(err)
	}
	got := scoreFile(t, plan, path)
	if len(got) != len(g.Scores) {
		t.Fatalf("%d frames, want %d", len(got), len(g.Scores))
	}
	different, worst := 0, 0.0
	for i, want := range g.Scores {
		if got[i] != want {
			different++
			worst = max(worst, got[i]-want, want-got[i])
		}
	}
	if different > 0 {
		t.Errorf("%d of %d scores differ, by up to %g", different, len(got), worst)
	}
	for _, threshold := range []float64{11.5, 27} {
		want, ok := g.Cuts[fmt.Sprintf("%.1f", threshold)]
		if !ok {
			t.Fatalf("golden file has no cuts at %g", threshold)
		}
		if cuts := cutsOf(got, threshold, 15); !slices.Equal(cuts, want) {
			t.Errorf("cuts at %g: %v, want %v", threshold, cuts, want)
		}
	}
}

func cutsOf(scores []float64, threshold float64, minSceneFrames int) []int {
	d := NewDetector(threshold, minSceneFrames)
	var cuts []int
	for i, score := range scores {
		if d.Push(score) {
			cuts = append(cuts, i)
		}
	}
	return cuts
}

// makeInput returns the path of the case's video. The command is the same as make.py's.
func (c goldenCase) makeInput(t *testing.T, scenes string) string {
	t.Helper()
	if c.Media != "" {
		return filepath.Join(mediaDir, c.Media)
	}
	var args []string
	for _, arg := range c.Args {
		arg = strings.ReplaceAll(arg, "{scenes}", scenes)
		arg = strings.NewReplacer("{size}", c.Size, "{fmt}", c.Fmt, "{media}", mediaDir).Replace(arg)
		args = append(args, arg)
	}
	afterInputs := 0
	for i, arg := range args {
		if arg == "-i" {
			afterInputs = i + 2
		}
	}
	path := filepath.Join(t.TempDir(), c.Name+"."+c.Ext)
	args = slices.Insert(args, afterInputs, "-an", "-sn", "-map_metadata", "-1", "-threads", "1",
		"-fflags", "+bitexact", "-flags:v", "+bitexact")
	runFFmpeg(t, append(append([]string{"-filter_threads", "1", "-filter_complex_threads", "1"}, args...), path), nil)
	return path
}

// decodedMD5 identifies the decoded pixels of a video, so that a changed input is not taken for a wrong score.
func decodedMD5(t *testing.T, path string) string {
	t.Helper()
	var out bytes.Buffer
	runFFmpeg(t, []string{"-threads", "1", "-noautorotate", "-i", path, "-map", "0:v:0", "-fps_mode", "passthrough",
		"-c:v", "rawvideo", "-f", "hash", "-hash", "md5", "-"}, func(stdout io.Reader) error {
		_, err := io.Copy(&out, stdout)
		return err
	})
	return strings.TrimPrefix(strings.TrimSpace(out.String()), "MD5=")
}

// scoreFile decodes a file through the plan's filter and scores every frame.
func scoreFile(t *testing.T, plan Plan, path string, inputArgs ...string) []float64 {
	t.Helper()
	args := append([]string{"-filter_threads", "1", "-filter_complex_threads", "1", "-threads", "1", "-noautorotate"}, inputArgs...)
	args = append(args, "-i", path)
	var pads []string
	for i, frame := range plan.Maps() {
		name := filepath.Join(t.TempDir(), fmt.Sprintf("map%d", i))
		if err := os.WriteFile(name, frame, 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, plan.MapArgs(name)...)
		pads = append(pads, fmt.Sprintf("%d:v", i+1))
	}
	args = append(args, "-filter_complex", plan.Filter("0:v:0", pads, "taps"), "-map", "[taps]")
	args = append(append(args, plan.OutputArgs()...), "-")
	var scores []float64
	runFFmpeg(t, args, func(stdout io.Reader) error {
		scorer, frame := NewScorer(plan), make([]byte, plan.FrameBytes())
		for in := bufio.NewReaderSize(stdout, 1<<16); ; {
			if _, err := io.ReadFull(in, frame); err == io.EOF {
				return nil
			} else if err != nil {
				return err
			}
			scores = append(scores, scorer.Score(frame))
		}
	})
	return scores
}

// runFFmpeg runs ffmpeg, hands its standard output to read, and fails the test unless both end well.
func runFFmpeg(t *testing.T, args []string, read func(io.Reader) error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "ffmpeg", append([]string{"-nostdin", "-v", "error", "-y"}, args...)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var readErr error
	if read != nil {
		readErr = read(stdout)
	}
	if err := cmd.Wait(); err != nil || readErr != nil {
		t.Fatalf("ffmpeg %s: %v, reading: %v\n%s", strings.Join(args, " "), err, readErr, &stderr)
	}
}
