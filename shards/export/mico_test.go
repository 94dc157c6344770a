package export

import (
	"maps"
	"path"
	"slices"
	"strings"
	"testing"

	"micodata/shards"
	"micodata/shards/testset"
	"micodata/storage"
)

// micoVideo is where MiCo's VisionMapper.read ends for video_rawvideo: the path as
// it is, then endings that it puts in place of each other anywhere in the path.
func micoVideo(t testing.TB, s *storage.Local, dir, id string) string {
	t.Helper()
	p := path.Join(dir, id)
	if !exists(t, s, p) {
		p += ".mp4"
	}
	for _, swap := range [][2]string{{".mp4", ".avi"}, {".avi", ".webm"}, {".webm", ".mkv"}} {
		if !exists(t, s, p) {
			p = strings.ReplaceAll(p, swap[0], swap[1])
		}
	}
	return p
}

// micoAudio is where its AudioMapper.read ends; "" is silence.
func micoAudio(t testing.TB, s *storage.Local, dir, id string) string {
	t.Helper()
	p := path.Join(dir, id)
	if !exists(t, s, p) {
		p = path.Join(dir, id+".wav")
	}
	for _, swap := range [][2]string{{"wav", "mp3"}, {"mp3", "mkv"}} {
		if !exists(t, s, p) {
			p = strings.ReplaceAll(p, swap[0], swap[1])
		}
	}
	if !exists(t, s, p) {
		return ""
	}
	return p
}

// annotations reads a list as MiCo's AnnoIndexedDataset does, and returns the
// captions by id.
func annotations(t testing.TB, text string) map[string][]string {
	t.Helper()
	out := map[string][]string{}
	for _, row := range decodeJSON[[]map[string]any](t, text) {
		id, ok := row["video_id"].(string)
		desc, okDesc := row["desc"].(string)
		_, okSub := row["subtitle"].(string)
		if !ok || id == "" || strings.ContainsAny(id, "./ ") || !okDesc || desc == "" || !okSub || len(row) != 3 {
			t.Errorf("row %v", row)
		}
		out[id] = append(out[id], desc)
	}
	return out
}

func TestMiCo(t *testing.T) {
	p := onePart(t)
	m, out := export(t, newSet(t, allTrain, p), "mico")
	got := files(t, out)

	vision, audio, omni := annotations(t, got["annotations/vision.train.json"]), annotations(t, got["annotations/audio.train.json"]), annotations(t, got["annotations/omni.train.json"])
	for name, c := range map[string]struct {
		list    map[string][]string
		without []string
	}{
		"vision": {vision, []string{blind, tiny, wordless, talk}},
		"audio":  {audio, []string{mute, brief, wordless, talk}},
		"omni":   {omni, []string{blind, tiny, mute, brief, wordless, talk}},
	} {
		for _, row := range p.Rows {
			key := row.Clip.Key
			if has := c.list[id(t, key)] != nil; has == slices.Contains(c.without, key) {
				t.Errorf("%s is in %s: %v", key, name, has)
			}
		}
	}
	if got := omni[id(t, dotted)]; !slices.Equal(got, []string{`an omni "caption" of a.b`, "another one"}) {
		t.Errorf("omni captions %q", got)
	}
	if got := vision[id(t, mute)]; !slices.Equal(got, []string{"seen in mute"}) {
		t.Errorf("vision captions %q", got)
	}
	if got := audio[id(t, blind)]; !slices.Equal(got, []string{"heard in blind"}) {
		t.Errorf("audio captions %q", got)
	}
	if want := (map[string]int64{noCaption: 2}); m.Skipped[noCaption] != want[noCaption] || len(m.Skipped) != 1 {
		t.Errorf("skipped %v", m.Skipped)
	}
	if m.LeftOut["audio: "+noSound] != 1 || m.LeftOut["omni: "+shortSound] != 1 || m.LeftOut["vision: "+fewFrames] != 1 {
		t.Errorf("left out %v", m.LeftOut)
	}
	for _, row := range decodeJSON[[]micoRow](t, got["annotations/omni.train.json"]) {
		want := "hello " + strings.ReplaceAll(strings.ReplaceAll(row.VideoID, "=2E", "."), "~", ".")
		if row.VideoID == id(t, underscore) {
			want = ""
		}
		if !strings.Contains(row.VideoID, "=61") && !strings.Contains(row.VideoID, "=73") && row.Subtitle != want {
			t.Errorf("the subtitle of %s is %q, want %q", row.VideoID, row.Subtitle, want)
		}
	}

	// What the loader finds of each row is that row's.
	for _, row := range p.Rows {
		id := id(t, row.Clip.Key)
		if vision[id] != nil {
			if at := micoVideo(t, out, "videos", id); got[at] != string(row.Clip.Video.Bytes) {
				t.Errorf("the video of %s is found at %s, or another's is", id, at)
			}
		}
		if audio[id] != nil || omni[id] != nil {
			at := micoAudio(t, out, "audios", id)
			if at == "" {
				t.Errorf("%s is silent", id)
				continue
			}
			sameSound(t, "a.wav", got[at], row.Clip.Audio.Bytes)
		}
	}

	// Maps: whole size, 8 bits for loaders, 16 beside them.
	plainID := id(t, plain)
	if got["depth16/"+plainID+".png"] != string(testset.Make(t, 0, 0).Depth) {
		t.Error("the lossless depth is another")
	}
	checkTwin(t, got["depth/"+plainID+".png"], testset.DepthPNG(testset.Width, testset.Height, 0))
	rgb(t, got["normal/"+plainID+".png"])
	if _, ok := got["depth/"+id(t, flat)+".png"]; ok || got["images/"+id(t, flat)+".jpg"] == "" {
		t.Error("a clip without maps has one, or has no image")
	}
	geometry := strings.Split(strings.TrimSpace(got["geometry.jsonl"]), "\n")
	if len(geometry) != int(m.Clips)-1 || !strings.Contains(geometry[0], `"depth":{"model":"ramp","weights_sha256":"00","kind":"affine_invariant_depth","min":0,"max":1},"normal":{"model":"waves","weights_sha256":"11"}}`) {
		t.Errorf("%d lines, the first %s", len(geometry), geometry[0])
	}
}

// checkDefaults makes sure that a configuration names its defaults as they are found
// from the trainer's folder, and sets nothing that belongs to a checkpoint.
func checkDefaults(t testing.TB, cfg map[string]map[string]any) {
	t.Helper()
	if cfg["run_cfg"]["default"] != "caption_config/default_run_cfg.json" ||
		!maps.Equal(cfg["model_cfg"], map[string]any{"default": "caption_config/default_model_cfg.json"}) {
		t.Errorf("run %v, model %v", cfg["run_cfg"], cfg["model_cfg"])
	}
}

func TestMiCoConfigs(t *testing.T) {
	_, out := export(t, newSet(t, shards.Splits{Train: 0.4, Validation: 0.3, Test: 0.3}, onePart(t)), "mico")
	got := files(t, out)
	for _, task := range []string{"tv", "ta", "tva", "tvas"} {
		cfg := decodeJSON[map[string]map[string]any](t, got["configs/"+task+".json"])
		train := cfg["data_cfg"]["train"].([]any)
		val := cfg["data_cfg"]["val"].([]any)
		if len(train) != 1 || len(val) != 2 {
			t.Fatalf("%s: %v", task, cfg)
		}
		checkDefaults(t, cfg)
		for i, one := range append(train, val...) {
			d := one.(map[string]any)
			list := strings.TrimPrefix(d["txt"].(string), linked)
			rows := decodeJSON[[]micoRow](t, got[list])
			if len(rows) == 0 || d["training"] != (i == 0) || d["batch_size"].(float64) > float64(len(rows)) {
				t.Errorf("%s: %v of %d rows", task, d, len(rows))
			}
			// The loader replaces these anywhere in a path, and reads a name as a key of its own.
			for _, name := range []string{"vision", "audio"} {
				if path, _ := d[name].(string); strings.Contains(path, "wav") || strings.Contains(path, ".") {
					t.Errorf("%s: %s", task, path)
				}
			}
			if _, ok := d["vision"]; ok && d["vision_format"] != "video_rawvideo" || d["type"] != "annoindexed" {
				t.Errorf("%s: %v", task, d)
			}
			seen := map[string]bool{}
			for _, r := range rows {
				if i > 0 && seen[r.VideoID] {
					t.Errorf("%s: %s twice in %s", task, r.VideoID, list)
				}
				seen[r.VideoID] = true
			}
			if _, ok := d["vision"]; ok != (task != "ta") {
				t.Errorf("%s: vision %v", task, d)
			}
			if _, ok := d["audio"]; ok != (task != "tv") {
				t.Errorf("%s: audio %v", task, d)
			}
		}
	}
}
