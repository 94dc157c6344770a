package export

import (
	"archive/tar"
	"io"
	"slices"
	"strings"
	"testing"

	"micodata/internal/table"
	"micodata/shards"
	"micodata/shards/testset"
)

// samples reads tar files as webdataset does: what follows the first dot of a
// member's name is its extension, and members that follow each other with one name
// before it are a sample.
func samples(t testing.TB, data string) (keys []string, out map[string]map[string]string) {
	t.Helper()
	out = map[string]map[string]string{}
	r := tar.NewReader(strings.NewReader(data))
	for {
		h, err := r.Next()
		if err == io.EOF {
			return keys, out
		}
		if err != nil {
			t.Fatal(err)
		}
		key, extension, _ := strings.Cut(h.Name, ".")
		if len(keys) == 0 || keys[len(keys)-1] != key {
			if out[key] != nil {
				t.Fatalf("the members of %s are apart", key)
			}
			keys = append(keys, key)
			out[key] = map[string]string{}
		}
		if _, ok := out[key][extension]; ok {
			t.Fatalf("%s has two %s", key, extension)
		}
		b, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		out[key][extension] = string(b)
		if !h.ModTime.IsZero() && h.ModTime.Unix() != 0 || h.Uid != 0 || h.Uname != "" {
			t.Errorf("%s has a time or an owner: %v", h.Name, h)
		}
	}
}

func TestWebDataset(t *testing.T) {
	p := onePart(t)
	last := p.Rows[11].Clip // now with neither video nor image
	last.Video, last.Image = table.Blob{}, table.Blob{}
	m, out := export(t, newSet(t, allTrain, p), "webdataset")
	got := files(t, out)
	keys, clips := samples(t, got["train-00000-of-00001.tar"])
	var want []string
	for _, row := range p.Rows[:11] {
		want = append(want, id(t, row.Clip.Key))
	}
	if !slices.Equal(keys, want) || m.Skipped["no video and no image"] != 1 {
		t.Fatalf("keys %q, skipped %v", keys, m.Skipped)
	}
	for i, row := range p.Rows[:11] {
		c := clips[id(t, row.Clip.Key)]
		if c["mp4"] != string(row.Clip.Video.Bytes) || c["jpg"] != string(row.Clip.Image.Bytes) || c["flac"] != string(row.Clip.Audio.Bytes) {
			t.Errorf("%s: the media are others", row.Clip.Key)
		}
		checkTwin(t, c["depth.png"], testset.DepthPNG(testset.Width, testset.Height, i%2))
		if c["depth16"] != string(testset.Make(t, i%2, 0).Depth) {
			t.Errorf("%s: the lossless depth is another", row.Clip.Key)
		}
		rgb(t, c["normal.png"])
		s := decodeJSON[sample](t, c["json"])
		if s.Key != row.Clip.Key || s.ID != id(t, row.Clip.Key) || s.Text != c["txt"] || s.Depth.Model != "ramp" {
			t.Errorf("json %+v, txt %q", s, c["txt"])
		}
	}
	captions := decodeJSON[map[string]string](t, got[captionsName])
	if captions[id(t, plain)] != `an omni "caption" of plain` || captions[id(t, wordless)]+captions[id(t, talk)] != "" || len(captions) != 9 {
		t.Errorf("captions %v", captions)
	}
	if tars := decodeJSON[[]string](t, got["tars.train.json"]); !slices.Equal(tars, []string{"datasets/micodata/train-00000-of-00001.tar"}) {
		t.Errorf("tars %v", tars)
	}
	if cfg := decodeJSON[runConfig](t, got["configs/srcindexed.json"]); cfg.Data.Train[0].Vision != "datasets/micodata/tars.train.json" {
		t.Errorf("%+v", cfg)
	} else if d := cfg.Data.Train[0]; d.Type != "srcindexed" || d.TxtFormat != "json" || d.Txt != linked+captionsName || d.Steps < 1 || d.Epoch != 0 ||
		d.Audio != "" || d.Name == "laion400m" || len(cfg.Data.Val) > 0 {
		t.Errorf("no epochs, no sound, no tests, captions from a table: %+v", d)
	}
}

// Splits do not mix, and a shard of which nothing is taken has no tar file.
func TestWebDatasetSplits(t *testing.T) {
	m, out := export(t, newSet(t, shards.Splits{Train: 0.4, Validation: 0.3, Test: 0.3}, onePart(t)), "webdataset")
	got := files(t, out)
	n := 0
	for _, split := range []string{"train", "validation", "test"} {
		for _, name := range decodeJSON[[]string](t, got[inSplit(tarsName, split)]) {
			keys, _ := samples(t, got[strings.TrimPrefix(name, linked)])
			n += len(keys)
			if !strings.HasPrefix(name, linked+split) {
				t.Errorf("%s is of %s", name, split)
			}
		}
	}
	if n != int(m.Clips) {
		t.Errorf("%d samples, %d clips", n, m.Clips)
	}
}
