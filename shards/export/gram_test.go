package export

import (
	"bytes"
	"image"
	"image/png"
	"math"
	"strings"
	"testing"

	"micodata/internal/npy"
	"micodata/internal/testmedia"
	"micodata/shards"
	"micodata/shards/testset"
	"micodata/storage"
)

// gramAudio is where the sound is looked for: the row is kept if the MP3 is there,
// and it is read from what MiCo's rule finds.
func gramAudio(t testing.TB, s *storage.Local, id string) string {
	t.Helper()
	if !exists(t, s, "audios/"+id+".mp3") {
		return ""
	}
	return micoAudio(t, s, "audios", id)
}

func TestGRAM(t *testing.T) {
	p := onePart(t)
	few := p.Rows[2] // of fewer pictures than the others
	few.Clip.Frames, few.Depth.Frames, few.Normal.Frames = few.Clip.Frames[:7], few.Depth.Frames[:7], few.Normal.Frames[:7]
	m, out := export(t, newSet(t, allTrain, p), "gram")
	got := files(t, out)
	listed := map[string]bool{}
	for _, row := range decodeJSON[[]map[string]any](t, got["annotations/train.json"]) {
		_, desc := row["desc"].(string)
		if _, sub := row["subtitle"].(string); !desc || !sub || len(row) != 3 {
			t.Errorf("row %v", row)
		}
		listed[row["clip_id"].(string)] = true
	}
	without := map[string]bool{underscore: true, mute: true, blind: true, brief: true, tiny: true, wordless: true, talk: true, flat: true}
	for n, row := range p.Rows {
		id := id(t, row.Clip.Key)
		if listed[id] == without[row.Clip.Key] {
			t.Errorf("%s is listed: %v", id, listed[id])
		}
		if !listed[id] {
			continue
		}
		video := "videos/" + id + ".mp4"
		// The loader's words are replaced in the whole path as the configuration has it.
		depth := strings.TrimPrefix(strings.ReplaceAll(strings.TrimSuffix(gramWithDepth+video, ".mp4"), "videos", "depth")+"_depth.npy", gramWithDepth)
		if got[video] != string(row.Clip.Video.Bytes) || gramAudio(t, out, id) == "" {
			t.Errorf("%s: no video or no sound", id)
		}
		checkArray(t, got[depth], row.Depth.Frames[3].Map.Bytes, 8, 3)
		if n > 1 {
			continue
		}
		heard := testmedia.DecodePCM(t, testmedia.Blob(t, "a.mp3", []byte(got["audios/"+id+".mp3"])), testset.AudioRate, 1)
		want := testmedia.DecodePCM(t, testmedia.Blob(t, "a.flac", row.Clip.Audio.Bytes), testset.AudioRate, 1)
		if len(heard) != len(want) || correlation(heard, want) < 0.9 {
			t.Errorf("%s: %d samples, want %d, correlation %.2f", id, len(heard), len(want), correlation(heard, want))
		}
	}
	captioned := decodeJSON[[]vastRow](t, got["annotations/vast27m.train.json"])
	if len(captioned) != len(listed) {
		t.Errorf("%d rows with three captions, %d clips", len(captioned), len(listed))
	}
	for _, r := range captioned {
		if !listed[r.ClipID] || len(r.Vision) == 0 || len(r.Audio) == 0 || r.Omni == "" {
			t.Errorf("%+v", r)
		}
	}
	if m.Skipped["no depth map of each picture"] != 2 || m.Skipped[noSound] != 1 || m.Skipped[shortSound] != 1 {
		t.Errorf("skipped %v", m.Skipped)
	}
	d := decodeJSON[runConfig](t, got["configs/gram.json"]).Data.Train[0]
	if d.Name != "finetune_area" || !strings.Contains(d.Vision, "vast") || strings.Count(d.Vision, "videos") != 1 || strings.Contains(d.Audio, "wav") {
		t.Errorf("%+v", d)
	}
}

// Of sets with maps of the key frame alone there is one map a clip, and where a set
// has no depth no clip needs it, and no path asks for it.
func TestGRAMDepth(t *testing.T) {
	p := onePart(t)
	for i := range p.Rows {
		p.Rows[i].Depth.Frames, p.Rows[i].Normal.Frames = nil, nil
	}
	_, out := export(t, newSet(t, allTrain, p), "gram")
	checkArray(t, files(t, out)["depth/"+id(t, plain)+"_depth.npy"], p.Rows[0].Depth.Depth.Bytes, 1, 0)

	data, set := local(t), local(t)
	s := shards.DefaultSettings()
	s.Splits, s.Columns = allTrain, []string{"video", "audio"}
	if _, err := shards.Write(t.Context(), shards.Env{Dataset: data, Out: set, Settings: s, Version: "test", Frozen: testset.Dataset(t, data, []testset.Part{p})}); err != nil {
		t.Fatal(err)
	}
	m, out := export(t, set, "gram")
	got := files(t, out)
	if d := decodeJSON[runConfig](t, got["configs/gram.json"]).Data.Train[0]; strings.Contains(d.Vision, "vast") || m.Clips != 6 {
		t.Errorf("%d clips, %+v", m.Clips, d)
	}
}

// checkArray makes sure that a .npy file is uint8 [n,H,W,3], and that its map at
// index i is a depth map in 8 bits.
func checkArray(t testing.TB, data string, depth []byte, n, i int) {
	t.Helper()
	header := npy.AppendUint8Header(nil, n, testset.Height, testset.Width, 3)
	size := testset.Height * testset.Width * 3
	values, ok := strings.CutPrefix(data, string(header))
	if !ok || len(values) != n*size {
		t.Fatalf("an array of %d bytes", len(data))
	}
	img, err := png.Decode(bytes.NewReader(depth))
	if err != nil {
		t.Fatal(err)
	}
	gray := img.(*image.Gray16)
	for at := range size / 3 {
		want := byte((int(gray.Gray16At(at%testset.Width, at/testset.Width).Y) + 128) / 257)
		if v := values[i*size+3*at:][:3]; v != string([]byte{want, want, want}) {
			t.Fatalf("pixel %d is %v, want %d", at, []byte(v), want)
		}
	}
}

func correlation(a, b []float32) float64 {
	var ab, aa, bb float64
	for i := range min(len(a), len(b)) {
		x, y := float64(a[i]), float64(b[i])
		ab, aa, bb = ab+x*y, aa+x*x, bb+y*y
	}
	return ab / math.Sqrt(aa*bb)
}
