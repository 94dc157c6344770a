package verify

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"micodata/dataset"
	"micodata/internal/testmedia"
	"micodata/shards"
	"micodata/shards/testset"
	"micodata/storage"
)

// lieOf is a tuple that agrees with itself and not with its source.
type lieOf struct {
	name     string
	promises []string // that are broken, and no others
	// change makes the lie of t; later is the clip cut a frame later.
	change func(later, t *shards.Tuple)
}

// frame25 is how long a frame of these sources lasts.
const frame25 = 1. / 25

// frameLater makes t the tuple of the clip that was cut a frame later.
func frameLater(later, t *shards.Tuple) {
	own := *t
	*t = *later
	t.Key, t.ClipID, t.Start, t.End, t.Duration = own.Key, own.ClipID, own.Start, own.End, own.Duration
	t.FPS, t.Subtitles, t.Captions, t.Text = own.FPS, own.Subtitles, own.Captions, own.Text
}

var lies = []lieOf{
	{"nothing", nil, func(*shards.Tuple, *shards.Tuple) {}},
	{"cut a frame late", []string{"audio", "frames", "image", "video"}, frameLater},
	{"start a frame late", []string{"audio", "frames", "image", "video"}, func(_, t *shards.Tuple) {
		t.Start, t.End = t.Start+frame25, t.End+frame25
		t.Duration = t.End - t.Start
		t.Subtitles = slices.Clone(t.Subtitles)
		for i := range t.Subtitles {
			t.Subtitles[i].Start, t.Subtitles[i].End = max(0, t.Subtitles[i].Start-frame25), t.Subtitles[i].End-frame25
		}
	}},
	{"picture a frame late", []string{"audio sync", "frames", "image", "video"}, func(later, t *shards.Tuple) {
		audio := t.Audio
		frameLater(later, t)
		t.Audio = audio
	}},
	{"cues 0.3 s late", []string{"subtitles"}, func(_, t *shards.Tuple) {
		t.Subtitles = slices.Clone(t.Subtitles)
		t.Subtitles[0].Start, t.Subtitles[0].End = t.Subtitles[0].Start+0.3, t.Subtitles[0].End+0.3
	}},
	{"a cue lost", []string{"subtitles"}, func(_, t *shards.Tuple) { t.Subtitles = t.Subtitles[1:] }},
	{"a cue too many", []string{"subtitles"}, func(_, t *shards.Tuple) {
		t.Subtitles = append(slices.Clone(t.Subtitles), dataset.Cue{Start: 0.1, End: 0.2, Text: "x", Lang: t.Subtitles[0].Lang})
	}},
	{"another text", []string{"subtitles"}, func(_, t *shards.Tuple) {
		t.Subtitles = slices.Clone(t.Subtitles)
		t.Subtitles[0].Text = "other"
	}},
}

// Each lie is found in the tuple that has it, by its promise, and nothing in the
// others, also where there is no video that could tell. One source has a sidecar;
// the other has its subtitles inside, and its spans are reached by a seek.
func TestVerifyFindsTuplesThatAreNotTheirSources(t *testing.T) {
	t.Run("with video", func(t *testing.T) { findLies(t) })
	t.Run("without video", func(t *testing.T) { findLies(t, "video", "audio sync") })
}

// findLies makes a set and lies about it. Without are promises that it does not
// make, as it has no video.
func findLies(t *testing.T, without ...string) {
	dir := t.TempDir()
	mode := "encode"
	if len(without) > 0 {
		mode = "none"
	}
	const apart = 1.2 // seconds from a lie to the next
	var cues []testmedia.Cue
	var near, far [][2]float64
	for i := range 20 {
		at := apart * float64(i)
		cues = append(cues, testmedia.Cue{Start: at + 0.4, End: at + 0.9, Text: fmt.Sprint("cue ", i)})
	}
	for i := range lies { // off the frame grid; and the same a frame later
		at := 0.251 + apart*float64(i)
		near = append(near, [2]float64{at, at + 1.1}, [2]float64{at + frame25, at + 1.1 + frame25})
		at += 11
		far = append(far, [2]float64{at, at + 1.1}, [2]float64{at + frame25, at + 1.1 + frame25})
	}
	srt := filepath.Join(dir, "beside.en.srt")
	if err := os.WriteFile(srt, []byte(testmedia.FormatSRT(cues)), 0o600); err != nil {
		t.Fatal(err)
	}
	made := testmedia.MakeFlashBeep(t, testmedia.FlashBeepOptions{Duration: 24, Encoder: []string{"-g", "250", "-bf", "2"}}).Path
	beside, inside := place(t, made, filepath.Join(dir, "beside.mp4")), filepath.Join(dir, "inside.mkv")
	if said, err := exec.Command("ffmpeg", "-nostdin", "-v", "error", "-i", made, "-i", srt, "-map", "0", "-map", "1", "-c", "copy", "-c:s", "subrip",
		"-metadata:s:s:0", "language=deu", inside).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	list(t, filepath.Join(dir, "list.jsonl"), map[string][][2]float64{beside: near, inside: far})
	micodata(t, dir, "run", "list.jsonl", "-o", "set", "--labels", "", "--frames", "2", "--clip-mode", mode)
	set := folder(t, filepath.Join(dir, "set"))
	told := map[int][]string{} // promises by the row that breaks them
	rewrite(t, set, func(rows []*shards.Tuple) []*shards.Tuple {
		changed := make([]*shards.Tuple, len(rows))
		for i, r := range rows {
			row := *r
			changed[i] = &row
		}
		for i := 0; i < len(rows); i += 2 {
			lie := lies[i/2%len(lies)]
			lie.change(rows[i+1], changed[i])
			told[i] = slices.DeleteFunc(slices.Clone(lie.promises), func(p string) bool { return slices.Contains(without, p) })
		}
		return changed
	})
	r := verify(t, set)
	if r.Sources.Compared != int64(4*len(lies)) {
		t.Errorf("%+v", r.Sources)
	}
	found := map[int]map[string]bool{}
	for _, p := range r.Problems {
		row := int(p.Row)
		if !slices.Contains(told[row], p.Promise) {
			t.Errorf("not told: %s", p)
		}
		if found[row] == nil {
			found[row] = map[string]bool{}
		}
		found[row][p.Promise] = true
	}
	for row, promises := range told {
		for _, promise := range promises {
			if !found[row][promise] {
				t.Errorf("%s in row %d: %s not found", lies[row/2%len(lies)].name, row, promise)
			}
		}
	}
}

// What of a source is at hand, and what verify says where it is not.
func TestVerifyFindsSources(t *testing.T) {
	dir := t.TempDir()
	path := place(t, testmedia.File(t, "vfr"), filepath.Join(dir, "vfr.mp4"))
	micodata(t, dir, "run", path, "-o", "set", "--labels", "", "--copy", "--min-clip", "0.5s")
	set := folder(t, filepath.Join(dir, "set"))
	held := folder(t, filepath.Join(dir, "set", ".dataset"))
	good, _ := tuples(t, set)
	all := int64(len(good))
	for _, c := range []struct {
		name    string
		change  func(t *testing.T)
		dataset storage.Store
		want    SourceReport
	}{
		{"there", func(*testing.T) {}, nil, SourceReport{Compared: all}},
		{"remote", func(t *testing.T) {
			rewrite(t, set, func(rows []*shards.Tuple) []*shards.Tuple {
				for _, r := range rows {
					r.SourceURI = "https://example.org/vfr.mp4"
				}
				return rows
			})
		}, nil, SourceReport{NotCompared: map[string]int64{SourceRemote: all}}},
		{"remote, held by the dataset", func(*testing.T) {}, held, SourceReport{Compared: all}},
		{"changed", func(t *testing.T) {
			rewrite(t, set, func([]*shards.Tuple) []*shards.Tuple { return good })
			f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
			if err == nil {
				_, err = f.WriteString("x")
				f.Close()
			}
			if err != nil {
				t.Fatal(err)
			}
		}, nil, SourceReport{NotCompared: map[string]int64{SourceChanged: all}}},
		{"changed, held by the dataset", func(*testing.T) {}, held, SourceReport{Compared: all}},
		{"gone", func(t *testing.T) {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		}, nil, SourceReport{NotCompared: map[string]int64{SourceMissing: all}}},
		{"a folder", func(t *testing.T) {
			if err := os.Mkdir(path, 0o700); err != nil {
				t.Fatal(err)
			}
		}, nil, SourceReport{NotCompared: map[string]int64{SourceMissing: all}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.change(t)
			r, err := Set(t.Context(), Env{Out: set, Tools: tools(t), Sample: 1, Dataset: c.dataset})
			if err != nil || len(r.Problems) > 0 || fmt.Sprint(r.Sources) != fmt.Sprint(c.want) {
				t.Errorf("%+v, %v; want %+v", r, err, c.want)
			}
			r, err = Set(t.Context(), Env{Out: set, Tools: tools(t), Sample: 1, Dataset: c.dataset, WithoutSources: true})
			if err != nil || len(r.Problems) > 0 || fmt.Sprint(r.Sources) != fmt.Sprint(SourceReport{}) {
				t.Errorf("without sources: %+v, %v", r, err)
			}
		})
	}
}

// A source is hashed once, however many tuples it has.
func TestSourcesAreHashedOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a")
	var s sources
	var sums []string
	for _, content := range []string{"before", "after"} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		sum, err := s.sum(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		sums = append(sums, sum)
	}
	if sums[0] != sums[1] {
		t.Error("read again")
	}
}

// Nothing is wrong with sets that are as they should be, whatever the source.
func TestVerifyAgainstOddSources(t *testing.T) {
	dir := t.TempDir()
	put := func(to, from string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Join(dir, to), 0o700); err != nil {
			t.Fatal(err)
		}
		place(t, from, filepath.Join(dir, to, filepath.Base(from)))
	}
	for _, c := range testmedia.All() {
		if c.WantClass == "" && c.Name != "8k" {
			put("odd", testmedia.File(t, c.Name))
		}
	}
	for _, name := range []string{"vfr", "rotation_90", "interlaced_h264", "start_5s", "edit_list", "video_late"} {
		put("few", testmedia.File(t, name))
	}
	// One of each kind of picture and of sound: without video only stills and sound are compared.
	for _, name := range []string{"vfr", "rotation_270", "interlaced_h264", "start_5s", "edit_list", "video_late", "hdr10_pq", "hevc_10bit", "odd_size_444", "sar_16_11",
		"two_frames", "no_audio", "black_silent", "audio_8khz", "surround_5_1", "vp9_opus", "wide_4096x64"} {
		put("kinds", testmedia.File(t, name))
	}
	samples, err := filepath.Glob("../../testdata/media/*.mp4")
	if err != nil || len(samples) == 0 {
		t.Fatal(err)
	}
	for _, s := range samples {
		put("film", s)
	}
	spans := map[string][][2]float64{}
	for _, o := range []testmedia.FlashBeepOptions{
		{Duration: 15, VFR: true}, {Duration: 15, VFR: true, Ext: ".mkv"}, {Duration: 6, Ext: ".ts"}, {Duration: 15, VideoDelay: 1.533},
		{Duration: 6, AudioDelay: 0.71, Ext: ".mkv"}, {Duration: 6, FPS: testmedia.Rational{Num: 30000, Den: 1001}, Ext: ".mov"},
		{Duration: 15, FPS: testmedia.Rational{Num: 60, Den: 1}, Encoder: []string{"-bf", "3", "-g", "250", "-x264-params", "open-gop=1"}},
	} {
		// Off the frame grid and over each other, and one that is reached by a seek.
		path := testmedia.MakeFlashBeep(t, o).Path
		spans[path] = [][2]float64{{1.8031, 4.0117}, {3.337, 3.8}}
		if o.Duration > 6 {
			spans[path] = append(spans[path], [2]float64{12.0004, 13.48})
		}
	}
	list(t, filepath.Join(dir, "list.jsonl"), spans)
	for _, c := range []struct {
		name  string
		args  []string
		least int64 // tuples
	}{
		{"whole", []string{"odd", "--clip", "none", "--min-clip", "0.1s"}, 45},
		{"whole, without video", []string{"kinds", "--clip", "none", "--min-clip", "0.1s", "--clip-mode", "none"}, 16},
		{"spans", []string{"list.jsonl"}, 18},
		{"spans, without video", []string{"list.jsonl", "--clip-mode", "none"}, 18},
		{"spans, copied", []string{"list.jsonl", "--clip-mode", "copy", "--clip-height", "source"}, 18},
		{"cut", []string{"film"}, 11},
		{"split", []string{"few", "--clip", "none", "--max-clip", "1700ms", "--min-clip", "0s", "--audio-rate", "0", "--audio-channels", "0"}, 12},
		{"low quality", []string{"film/bbb_b.mp4", "film/tc_nasa.mp4", "--clip-height", "144", "--crf", "32"}, 5},
	} {
		t.Run(c.name, func(t *testing.T) {
			out := "set of " + c.name
			micodata(t, dir, append([]string{"run", "--labels", "", "-o", out}, c.args...)...)
			r := verifyByCommand(t, dir, out)
			for _, p := range r.Problems {
				t.Error(p)
			}
			if r.Sampled < c.least || r.Sources.Compared != r.Sampled {
				t.Errorf("%d sampled, want %d and more; sources %+v", r.Sampled, c.least, r.Sources)
			}
		})
	}
}

// Clips that follow each other in one scene look alike, and each agrees with
// itself. One's picture, frames or all in the place of the other's are found.
func TestVerifyFindsNeighboursOfAScene(t *testing.T) {
	swap := map[string]struct {
		promises []string
		change   func(other, t *shards.Tuple)
	}{
		"image": {[]string{"image"}, func(other, t *shards.Tuple) {
			t.Image.Bytes, t.ImageTime, t.Sharpness, t.Brightness = other.Image.Bytes, other.ImageTime, other.Sharpness, other.Brightness
		}},
		"frames": {[]string{"frames"}, func(other, t *shards.Tuple) {
			t.Frames = slices.Clone(t.Frames)
			for i := range t.Frames {
				t.Frames[i].Time, t.Frames[i].Image.Bytes = other.Frames[i].Time, other.Frames[i].Image.Bytes
			}
		}},
		"video": {[]string{"video"}, func(other, t *shards.Tuple) { t.Video.Bytes = other.Video.Bytes }},
		"all": {[]string{"image", "frames", "video"}, func(other, t *shards.Tuple) {
			own := *t
			*t = *other
			t.Key, t.ClipID, t.Start, t.End, t.Duration = own.Key, own.ClipID, own.Start, own.End, own.Duration
			t.Image.Path, t.Video.Path, t.Audio.Path = own.Image.Path, own.Video.Path, own.Audio.Path
			t.Frames = slices.Clone(own.Frames)
			for i := range t.Frames {
				t.Frames[i].Time, t.Frames[i].Image.Bytes = other.Frames[i].Time, other.Frames[i].Image.Bytes
			}
		}},
	}
	for _, mode := range []string{"encode", "none"} {
		dir := t.TempDir()
		film, err := filepath.Abs("../../testdata/media/sintel_a.mp4")
		if err != nil {
			t.Fatal(err)
		}
		list(t, filepath.Join(dir, "list.jsonl"), map[string][][2]float64{place(t, film, filepath.Join(dir, "film.mp4")): {{14, 15}, {15, 16}}})
		micodata(t, dir, "run", "list.jsonl", "-o", "set", "--labels", "", "--clip-mode", mode)
		set := folder(t, filepath.Join(dir, "set"))
		var good []*shards.Tuple
		rewrite(t, set, func(rows []*shards.Tuple) []*shards.Tuple { good = rows; return rows })
		for name, c := range swap {
			if mode == "none" && name == "video" {
				continue
			}
			rewrite(t, set, func([]*shards.Tuple) []*shards.Tuple {
				changed := *good[0]
				c.change(good[1], &changed)
				return []*shards.Tuple{&changed, good[1]}
			})
			found := map[string]bool{}
			for _, p := range verify(t, set).Problems {
				if p.Row != 0 {
					t.Errorf("%s, %s: %s", mode, name, p)
				}
				found[p.Promise] = true
			}
			for _, promise := range c.promises {
				if !found[promise] && (mode != "none" || promise != "video") {
					t.Errorf("%s, %s: %s not found among %v", mode, name, promise, found)
				}
			}
		}
	}
}

// What a source cannot be fetched for is told once, and says where.
func TestFetchThatFails(t *testing.T) {
	data := testset.Local(t)
	if err := storage.WriteAll(t.Context(), data, "media/x.mp4", storage.Replace, []byte("x")); err != nil {
		t.Fatal(err)
	}
	nowhere := filepath.Join(t.TempDir(), "nowhere")
	for want, s := range map[string]*sources{
		"SlowDown": {dataset: testset.Unreadable{Store: data, Prefix: "media"}, tempDir: t.TempDir()},
		nowhere:    {dataset: data, tempDir: nowhere},
	} {
		path, reason, err := s.fetch(t.Context(), "media/x.mp4", "")
		var fault *storage.Error
		if !errors.As(err, &fault) || strings.Count(err.Error(), "\n") > 0 || !strings.Contains(err.Error(), want) || path != "" || reason != "" {
			t.Errorf("%s: %q, %q, %v", want, path, reason, err)
		}
	}
}
