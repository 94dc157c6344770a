package export

import (
	"strings"
	"testing"

	"micodata/shards"
)

func TestMetaTransformer(t *testing.T) {
	p := onePart(t)
	p.Rows[4].Clip.AudioRate = 22050 // of a rate of its own
	m, out := export(t, newSet(t, shards.Splits{Train: 0.4, Validation: 0.3, Test: 0.3}, p), "meta-transformer")
	got := files(t, out)
	if m.Clips != 12 {
		t.Errorf("%d clips; %v", m.Clips, m.Skipped)
	}
	videos := 0
	for name, fields := range map[string]int{"train": 2, "val": 2, "test": 2, "pretrain": 3} {
		for _, line := range strings.Split(strings.TrimSuffix(got["video/"+name+".csv"], "\n"), "\n") {
			f := strings.Split(line, " ")
			if len(f) != fields || f[1] != "0" || fields == 3 && f[2] != "-1" || got[strings.TrimPrefix(f[0], linked)] == "" {
				t.Errorf("%s: %q", name, line)
			}
			if name != "pretrain" {
				videos++
			}
		}
	}
	if videos != 10 {
		t.Errorf("%d videos", videos)
	}
	sounds := 0
	for _, name := range []string{"train", "val", "eval"} {
		for _, r := range decodeJSON[struct {
			Data []astRow `json:"data"`
		}](t, got["audio/"+name+".json"]).Data {
			sounds++
			if got[strings.TrimPrefix(r.WAV, linked)] == "" || !strings.Contains(got["audio/class_labels_indices.csv"], ","+r.Labels+",") {
				t.Errorf("%s: %+v", name, r)
			}
		}
	}
	if sounds != 9 || m.LeftOut["audio: another rate than the set's, or not mono"] != 1 {
		t.Errorf("%d sounds; left out %v", sounds, m.LeftOut)
	}
	images := 0
	for name := range got {
		if strings.HasPrefix(name, "images/") && strings.Count(name, "/") == 3 {
			images++
		}
	}
	if images != 12 {
		t.Errorf("%d images", images)
	}
}
