package export

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"image"
	"image/color"
	"image/png"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"micodata/dataset"
	"micodata/internal/ffmpeg"
	"micodata/internal/table"
	"micodata/internal/testmedia"
	"micodata/shards"
	"micodata/shards/testset"
	"micodata/storage"
)

// Keys of the clips of the set of tests, all of them good but those that say not.
const (
	plain      = "plain.00000"
	dotted     = "a.b.00000"
	underscore = "a_b.00000"
	wavy       = "wave.00000"   // a name with "wav" in it
	videos     = "videos.00000" // a name with "videos" in it
	mute       = "mute.00000"   // no sound
	blind      = "blind.00000"  // no video
	brief      = "brief.00000"  // 24 ms
	tiny       = "tiny.00000"   // 7 frames
	wordless   = "wordless.00000"
	talk       = "talk.00000" // subtitles, and no text that describes it
	flat       = "flat.00000" // no maps
)

// local is a folder whose name has all the words that loaders replace in paths.
func local(t testing.TB) *storage.Local {
	t.Helper()
	s, err := storage.NewLocal(filepath.Join(t.TempDir(), "my.mp4 wav videos"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// onePart is a set in which each way of a tuple to be of no use to a loader occurs.
func onePart(t testing.TB) testset.Part {
	t.Helper()
	var p testset.Part
	for i, key := range []string{plain, dotted, underscore, wavy, videos, mute, blind, brief, tiny, wordless, talk, flat} {
		id, _, err := dataset.SplitKey(key)
		if err != nil {
			t.Fatal(err)
		}
		source := testset.NewSource(id)
		source.Title = ""
		source.Texts = []dataset.Text{
			{Text: "an omni  \"caption\" of\n" + id, Kind: "omni"}, {Text: "another one", Kind: "omni"}, {Text: "another one", Kind: "omni"},
			{Text: "seen in " + id, Kind: "vision"}, {Text: "heard in " + id, Kind: "audio"},
		}
		row := testset.WithFrames(testset.NewRow(testset.Make(t, i%2, 0), key, 0))
		clip := row.Clip
		switch key {
		case underscore:
			clip.Subtitles = nil
		case mute:
			clip.Audio, clip.AudioRate, clip.AudioChannels = table.Blob{}, 0, 0
		case blind:
			clip.Video, clip.FrameCount = table.Blob{}, 0
		case brief:
			clip.End = clip.Start + 0.024
		case tiny:
			clip.FrameCount = 7
		case wordless:
			source.Texts, clip.Subtitles = nil, nil
		case talk:
			source.Texts = nil
		case flat:
			row.Depth = &dataset.Depth{Key: key, Outcome: dataset.Outcome{Status: dataset.Failed, Class: dataset.Labeler}}
			row.Normal = &dataset.Normal{Key: key, Outcome: dataset.Outcome{Status: dataset.Failed, Class: dataset.Labeler}}
		}
		p.Sources = append(p.Sources, source)
		p.Rows = append(p.Rows, row)
	}
	return p
}

// newSet writes a set; split shares out its sources.
func newSet(t testing.TB, splits shards.Splits, parts ...testset.Part) *storage.Local {
	t.Helper()
	data, out := local(t), local(t)
	s := shards.DefaultSettings()
	s.Splits = splits
	_, err := shards.Write(t.Context(), shards.Env{Dataset: data, Out: out, Settings: s, Version: "test",
		Frozen: testset.Dataset(t, data, parts), Labels: []string{dataset.StageDepth, dataset.StageNormal}})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

var allTrain = shards.Splits{Train: 1}

// export runs an export into a new folder.
func export(t testing.TB, set storage.Store, format string) (*Manifest, *storage.Local) {
	t.Helper()
	out := local(t)
	m, err := Run(t.Context(), newEnv(set, out, format))
	if err != nil {
		t.Fatal(err)
	}
	return m, out
}

func newEnv(set storage.Store, out *storage.Local, format string) Env {
	return Env{Set: set, Out: out, Format: format, Workers: 3,
		Tools: func(ctx context.Context) (ffmpeg.Tools, error) { return ffmpeg.Find(ctx, "") }}
}

// files reads all files of a folder.
func files(t testing.TB, s storage.Store) map[string]string {
	t.Helper()
	out := map[string]string{}
	for name, data := range testset.Files(t, s) {
		out[name] = string(data)
	}
	return out
}

func decodeJSON[T any](t testing.TB, text string) (v T) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%v: %.200s", err, text)
	}
	return v
}

// id is that of a key.
func id(t testing.TB, key string) string {
	t.Helper()
	id, err := ID(key)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func TestIDs(t *testing.T) {
	ids := map[string]string{}
	for _, source := range []string{"plain", "a.b", "a_b", "a~b", "a%2Eb", "a=2Eb", "wave", "w=61v", "w%61v", "videos", "video=73", ".", "%2E", "x", "x.00000", "x~00000", "x~~",
		strings.Repeat("a.", 99) + "b", strings.Repeat("a.", 99) + "c", strings.Repeat("%", 300)} {
		key := dataset.Key(dataset.SafeID(source), 0)
		got := id(t, key)
		if other, taken := ids[got]; taken {
			t.Errorf("%s and %s are both %s", key, other, got)
		}
		ids[got] = key
		for _, bad := range []string{".", "%", "/", " ", "wav", "videos"} {
			if strings.Contains(got, bad) {
				t.Errorf("the id of %s is %s, with %q in it", key, got, bad)
			}
		}
		if len(got)+len("_depth.npy") > 255 {
			t.Errorf("the id of %s has %d bytes", key, len(got))
		}
	}
	for a := range ids {
		for b := range ids {
			if a != b && strings.HasPrefix(b, a) {
				t.Errorf("%s begins %s: GRAM would take the one for the other", a, b)
			}
		}
	}
	if _, err := ID("plain"); err == nil {
		t.Error("a key without a number has an id")
	}
}

// Every format: the same bytes, with any number of workers and after any
// interruption; nothing where it is whole; no other folder is touched.
func TestRun(t *testing.T) {
	set := newSet(t, allTrain, onePart(t))
	for _, name := range Formats() {
		t.Run(name, func(t *testing.T) {
			m, out := export(t, set, name)
			want := files(t, out)
			if m.Tuples != 12 || m.Clips == 0 || m.Clips > m.Tuples {
				t.Errorf("%d clips of %d", m.Clips, m.Tuples)
			}
			skipped := int64(0)
			for _, n := range m.Skipped {
				skipped += n
			}
			if m.Clips+skipped != m.Tuples {
				t.Errorf("%d clips, skipped %v, of %d tuples", m.Clips, m.Skipped, m.Tuples)
			}
			if m.Lists["clips.jsonl"] != m.Clips || strings.Count(want["clips.jsonl"], "\n") != int(m.Clips) {
				t.Errorf("clips.jsonl has %d lines, %d clips", m.Lists["clips.jsonl"], m.Clips)
			}
			var bytes int64
			for file, data := range want {
				if strings.Contains(file, "/") && !strings.HasSuffix(file, "json") && !strings.HasSuffix(file, ".csv") || strings.HasSuffix(file, ".tar") {
					bytes += int64(len(data))
				}
			}
			if m.Bytes != bytes {
				t.Errorf("%d bytes of media, the manifest says %d", bytes, m.Bytes)
			}

			// An interrupted export: some files are there, and no manifest.
			if err := out.Delete(t.Context(), ManifestName); err != nil {
				t.Fatal(err)
			}
			n := 0
			for _, file := range slices.Sorted(maps.Keys(want)) {
				if n++; n%2 == 0 && file != BeganName {
					if err := out.Delete(t.Context(), file); err != nil {
						t.Fatal(err)
					}
				}
			}
			env := newEnv(set, out, name)
			env.Workers = 1
			if _, err := Run(t.Context(), env); err != nil {
				t.Fatal(err)
			}
			same(t, files(t, out), want)
			if again, err := Run(t.Context(), env); err != nil || again.Clips != m.Clips {
				t.Errorf("an export that is whole: %v, %v", again, err)
			}
		})
	}
}

func same(t *testing.T, got, want map[string]string) {
	t.Helper()
	for name, data := range want {
		if got[name] != data {
			t.Errorf("%s: %d bytes, want %d, or others", name, len(got[name]), len(data))
		}
	}
	for name := range got {
		if _, ok := want[name]; !ok {
			t.Errorf("%s is new", name)
		}
	}
}

func TestOtherFoldersAreRefused(t *testing.T) {
	set := newSet(t, allTrain, onePart(t))
	_, out := export(t, set, "mico")
	var other *OtherFolderError
	if _, err := Run(t.Context(), newEnv(set, out, "webdataset")); !errors.As(err, &other) || !strings.Contains(err.Error(), "format mico") {
		t.Errorf("an export of another format: %v", err)
	}
	smaller := onePart(t)
	smaller.Sources, smaller.Rows = smaller.Sources[:1], smaller.Rows[:1]
	if _, err := Run(t.Context(), newEnv(newSet(t, allTrain, smaller), out, "mico")); !errors.As(err, &other) || !strings.Contains(err.Error(), "another set") {
		t.Errorf("an export of another set: %v", err)
	}
	if _, err := Run(t.Context(), newEnv(set, set, "mico")); !errors.As(err, &other) {
		t.Errorf("the set's own folder: %v", err)
	}
	if _, err := Run(t.Context(), newEnv(set, local(t), "coco")); err == nil || !strings.Contains(err.Error(), "coco") {
		t.Errorf("no format: %v", err)
	}
}

// rgb decodes a picture and makes sure that it is of 8 bits and three channels, of
// the clips' size.
func rgb(t testing.TB, data string) image.Image {
	t.Helper()
	img, err := png.Decode(strings.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	if img.ColorModel() != color.RGBAModel || img.Bounds() != image.Rect(0, 0, testset.Width, testset.Height) {
		t.Fatalf("a map of %T, %v", img, img.Bounds())
	}
	return img
}

// checkTwin makes sure that a depth map's twin has its levels in 8 bits.
func checkTwin(t testing.TB, twin string, depth []byte) {
	t.Helper()
	img := rgb(t, twin).(*image.RGBA)
	full, err := png.Decode(bytes.NewReader(depth))
	if err != nil {
		t.Fatal(err)
	}
	for y := range testset.Height {
		for x := range testset.Width {
			want := uint8((int(full.(*image.Gray16).Gray16At(x, y).Y) + 128) / 257)
			if got := img.RGBAAt(x, y); got != (color.RGBA{want, want, want, 255}) {
				t.Fatalf("at %d, %d the twin is %v, want %d", x, y, got, want)
			}
		}
	}
}

// sameSound makes sure that a sound file has the samples of another.
func sameSound(t testing.TB, name, got string, want []byte) {
	t.Helper()
	a := testmedia.DecodePCM(t, testmedia.Blob(t, name, []byte(got)), testset.AudioRate, 1)
	b := testmedia.DecodePCM(t, testmedia.Blob(t, "a.flac", want), testset.AudioRate, 1)
	if len(a) == 0 || !slices.Equal(a, b) {
		t.Errorf("%s: %d samples, want %d, or others", name, len(a), len(b))
	}
}

// exists is os.path.exists, from the export's folder.
func exists(t testing.TB, s *storage.Local, path string) bool {
	t.Helper()
	_, err := os.Stat(s.Path(path))
	return err == nil
}
