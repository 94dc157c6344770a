package export

import (
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
	if m.LeftOut["normal: no map"] != 1 || m.Skipped["no depth or normal map"] != 1 || m.Skipped[noCaption] != 2 {
		t.Errorf("left out %v, skipped %v", m.LeftOut, m.Skipped)
	}
	for name := range got {
		if strings.HasPrefix(name, "depth16/") {
			t.Errorf("%s is for no loader", name)
		}
	}
}
