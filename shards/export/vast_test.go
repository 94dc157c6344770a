package export

import (
	"testing"
)

func TestVAST(t *testing.T) {
	p := onePart(t)
	p.Sources[2].Texts = p.Sources[2].Texts[:4] // all but what is heard
	p.Rows[1].Clip.Start, p.Rows[1].Clip.End = 3723.4996, 3725.4996
	m, out := export(t, newSet(t, allTrain, p), "vast")
	got := files(t, out)
	vision, audio := map[string]bool{}, map[string]bool{}
	for list, seen := range map[string]map[string]bool{metaVision: vision, metaAudio: audio} {
		for _, row := range decodeJSON[[]map[string]any](t, got[list]) {
			desc, ok := row["desc"].(string)
			if _, sub := row["subtitle"].(string); !ok || desc != "" || !sub || seen[row["video_id"].(string)] {
				t.Errorf("%s: %v", list, row)
			}
			seen[row["video_id"].(string)] = true
		}
	}
	for _, row := range p.Rows {
		id := id(t, row.Clip.Key)
		hasVideo := row.Clip.Video.Bytes != nil && row.Clip.FrameCount >= 8
		hasSound := row.Clip.Audio.Bytes != nil && row.Clip.Key != brief
		if vision[id] != hasVideo || exists(t, out, micoVideo(t, out, "videos", id)) != hasVideo {
			t.Errorf("%s is listed for pictures: %v", id, vision[id])
		}
		if audio[id] != hasSound || (micoAudio(t, out, "audios", id) != "") != hasSound {
			t.Errorf("%s is listed for sound: %v", id, audio[id])
		}
	}
	rows := decodeJSON[[]vastRow](t, got["annotations/vast27m.train.json"])
	if len(rows) != 5 || m.LeftOut[notCaptionedThrice] != 3 {
		t.Fatalf("%d rows; left out %v", len(rows), m.LeftOut)
	}
	r := rows[1]
	if r.ClipID != id(t, dotted) || r.Span != [2]string{"01:02:03.500", "01:02:05.500"} || r.URL != "/videos/a.b.mp4" || r.Subtitle != "hello "+dotted ||
		len(r.Vision) != 1 || len(r.Audio) != 1 || r.Omni != `an omni "caption" of a.b` {
		t.Errorf("%+v", r)
	}
	for _, name := range []string{"vision", "audio"} {
		cfg := decodeJSON[runConfig](t, got["configs/caption-"+name+".json"])
		if cfg.Run["mode"] != "testing" || len(cfg.Data.Val) != 1 || len(cfg.Data.Train) != 0 || cfg.Data.Val[0].Training {
			t.Errorf("%s: %+v", name, cfg)
		}
		checkDefaults(t, decodeJSON[map[string]map[string]any](t, got["configs/caption-"+name+".json"]))
	}
}
