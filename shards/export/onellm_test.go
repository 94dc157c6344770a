package export

import (
	"slices"
	"strings"
	"testing"

	"micodata/dataset"
	"micodata/shards/testset"
)

func TestOneLLM(t *testing.T) {
	p := onePart(t)
	p.Rows[0].Normal = &dataset.Normal{Key: plain, Outcome: dataset.Outcome{Status: dataset.Failed, Class: dataset.Labeler}}
	m, out := export(t, newSet(t, allTrain, p), "onellm")
	got := files(t, out)
	for name, want := range map[string]struct {
		rows   int
		folder string
		of     func(testset.Row) string
	}{
		"image": {10, "images/", func(r testset.Row) string { return string(r.Clip.Image.Bytes) }},
		"video": {8, "videos/", func(r testset.Row) string { return string(r.Clip.Video.Bytes) }},
		"audio": {8, "audios/", nil},
	} {
		rows := decodeJSON[[]oneLLMRow](t, got["annotations/"+name+".train.json"])
		if len(rows) != want.rows {
			t.Errorf("%d rows of %s, want %d", len(rows), name, want.rows)
		}
		for _, r := range rows {
			data, ok := strings.CutPrefix(r.Image, linked+want.folder+r.ID)
			clip := p.Rows[slices.IndexFunc(p.Rows, func(row testset.Row) bool { return id(t, row.Clip.Key) == r.ID })]
			if text := got[strings.TrimPrefix(r.Image, linked)]; !ok || text == "" || want.of != nil && text != want.of(clip) {
				t.Errorf("%s: %s is missing, or another's (%s)", name, r.Image, data)
			} else if want.of == nil {
				sameSound(t, "a.wav", text, clip.Clip.Audio.Bytes)
			}
			said := map[string]string{"image": "seen in ", "video": "seen in ", "audio": "heard in "}[name]
			if c := r.Conversations; r.DepthImage+r.NormalImage != "" || len(c) != 2 || c[0].From != "human" || !strings.HasSuffix(c[0].Value, " "+name+".") || c[1].From != "gpt" || !strings.HasPrefix(c[1].Value, said) {
				t.Errorf("%s: %+v", name, r)
			}
		}
	}
	for name, want := range map[string]int{"depth": 9, "normal": 8} {
		rows := decodeJSON[[]oneLLMRow](t, got["annotations/"+name+".train.json"])
		if len(rows) != want {
			t.Errorf("%d rows of %s", len(rows), name)
		}
		for _, r := range rows {
			at := r.DepthImage
			if name == "normal" {
				at = r.NormalImage
			}
			if (r.DepthImage == "") == (r.NormalImage == "") {
				t.Errorf("%+v: the loader takes one map", r)
			}
			rgb(t, got[strings.TrimPrefix(at, linked)])
			if got[strings.TrimPrefix(r.Image, linked)] == "" || r.Image != linked+"images/"+r.ID+".jpg" || at != linked+name+"/"+r.ID+".png" {
				t.Errorf("%+v", r)
			}
			if c := r.Conversations; len(c) != 2 || c[0].From != "human" || c[1].From != "gpt" || !strings.HasPrefix(c[1].Value, "seen in ") {
				t.Errorf("%+v", r)
			}
		}
	}
	checkTwin(t, got["depth/"+id(t, dotted)+".png"], testset.DepthPNG(testset.Width, testset.Height, 1))
	if m.LeftOut["normal: no map"] != 2 || m.LeftOut["audio: "+shortSound] != 1 || m.Skipped[noCaptioned] != 2 {
		t.Errorf("left out %v, skipped %v", m.LeftOut, m.Skipped)
	}
	for name := range got {
		if strings.HasPrefix(name, "depth16/") {
			t.Errorf("%s is for no loader", name)
		}
	}
}
