package verify

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"micodata/dataset"
	"micodata/internal/origin"
	"micodata/internal/table"
	"micodata/shards"
	"micodata/shards/testset"
)

// corruption is what verify must find in a tuple.
type corruption struct {
	name, promise string // none if it is in order
	change        func(t *testing.T, r *shards.Tuple)
}

// setImage puts another key frame into a tuple, with its measures.
func setImage(r *shards.Tuple, data []byte) {
	r.Image.Bytes, r.PHash = data, testset.PHash(data)
	r.Sharpness, r.Brightness = testset.Measure(data)
}

// corruptions are of tuples with maps of their key frames. The tuple i shows media
// i%2.
var corruptions = []corruption{
	{"none", "", func(*testing.T, *shards.Tuple) {}},
	{"none", "", func(*testing.T, *shards.Tuple) {}},
	{"audio of another row", "audio sync", func(t *testing.T, r *shards.Tuple) { r.Audio.Bytes = testset.Make(t, 1, 0).Audio }},
	{"audio of another row", "audio sync", func(t *testing.T, r *shards.Tuple) { r.Audio.Bytes = testset.Make(t, 0, 0).Audio }},
	{"video a frame late", "image", func(t *testing.T, r *shards.Tuple) { r.Video.Bytes = testset.Make(t, 0, 1).Video }},
	{"video a frame early", "frames", func(t *testing.T, r *shards.Tuple) { r.Video.Bytes = testset.Make(t, 1, -1).Video }},
	{"key frame's neighbour", "image", func(t *testing.T, r *shards.Tuple) {
		setImage(r, testset.Make(t, 0, 1).Neighbour)
	}},
	{"key frame of another clip", "image", func(t *testing.T, r *shards.Tuple) {
		setImage(r, testset.Make(t, 0, 0).Image)
	}},
	{"key frame at another time", "image", func(_ *testing.T, r *shards.Tuple) { r.ImageTime += 0.04 }},
	{"time of no frame", "image", func(_ *testing.T, r *shards.Tuple) { r.ImageTime += 0.02 }},
	{"frames in disorder", "frames", func(_ *testing.T, r *shards.Tuple) { r.Frames[3], r.Frames[4] = r.Frames[4], r.Frames[3] }},
	{"a frame fewer", "frames", func(_ *testing.T, r *shards.Tuple) { r.Frames = r.Frames[:7] }},
	{"truncated JPEG", "image", func(_ *testing.T, r *shards.Tuple) { r.Image.Bytes = r.Image.Bytes[:len(r.Image.Bytes)*2/3] }},
	{"truncated video", "video", func(_ *testing.T, r *shards.Tuple) { r.Video.Bytes = r.Video.Bytes[:len(r.Video.Bytes)*2/3] }},
	{"truncated audio", "video or audio", func(_ *testing.T, r *shards.Tuple) { r.Audio.Bytes = r.Audio.Bytes[:len(r.Audio.Bytes)/2] }},
	{"depth of another size", "depth", func(_ *testing.T, r *shards.Tuple) {
		r.Depth.Bytes = testset.DepthPNG(testset.Width/2, testset.Height/2, 0)
	}},
	{"8-bit depth", "depth", func(_ *testing.T, r *shards.Tuple) { r.Depth.Bytes = gray8(testset.Width, testset.Height) }},
	{"half of the depth's range", "depth", func(_ *testing.T, r *shards.Tuple) { r.Depth.Bytes = halfRange(testset.Width, testset.Height) }},
	{"normals of half length", "normal", func(_ *testing.T, r *shards.Tuple) { r.Normal.Bytes = normals(0, 0, -0.5) }},
	{"normals that look away", "normal", func(_ *testing.T, r *shards.Tuple) { r.Normal.Bytes = normals(0, 0, 1) }},
	{"sharpness of another", "sharpness", func(_ *testing.T, r *shards.Tuple) { r.Sharpness *= 1.01 }},
	{"frame count", "frame_count", func(_ *testing.T, r *shards.Tuple) { r.FrameCount++ }},
	{"width", "width and height", func(_ *testing.T, r *shards.Tuple) { r.Width -= 2 }},
	{"sound lost", "audio", func(_ *testing.T, r *shards.Tuple) { r.Audio = table.Blob{} }},
	{"span", "span", func(_ *testing.T, r *shards.Tuple) { r.End += 0.5 }},
	{"cue outside", "subtitles", func(_ *testing.T, r *shards.Tuple) { r.Subtitles[0].End = 2.5 }},
	{"lost without a word", "depth", func(_ *testing.T, r *shards.Tuple) { r.Depth = table.Blob{} }},
	{"picture named for another tuple", "image: its path is", func(_ *testing.T, r *shards.Tuple) { r.Image.Path = "a.00099.jpg" }},
	{"gray key frame", "image: does not show the clip's frame", func(t *testing.T, r *shards.Tuple) { setImage(r, gray(testset.Width, testset.Height)) }},
	{"gray frames", "frames: does not show the clip's frame", func(t *testing.T, r *shards.Tuple) {
		for i := range r.Frames {
			r.Frames[i].Image.Bytes = gray(testset.Width, testset.Height)
		}
	}},
	{"path of another kind", "frames: its path is", func(_ *testing.T, r *shards.Tuple) { r.Frames[1].Image.Path = r.Frames[2].Image.Path }},
	{"hash of another picture", "phash", func(_ *testing.T, r *shards.Tuple) { r.PHash ^= 7 }},
	{"motion", "motion: is 1.5", func(_ *testing.T, r *shards.Tuple) { r.Motion = 1.5 }},
	{"silence", "silence: is NaN", func(_ *testing.T, r *shards.Tuple) { r.Silence = math.NaN() }},
	{"silence of another", "silence: is 0.25, measured 0", func(_ *testing.T, r *shards.Tuple) { r.Silence = 0.25 }},
	{"no silence without sound", "silence: is 0; without a sound it is 1", func(_ *testing.T, r *shards.Tuple) { r.Audio = table.Blob{} }},
	{"offset of sound", "audio_offset_ms: is -1e+09 in a clip", func(_ *testing.T, r *shards.Tuple) { r.AudioOffsetMS = -1e9 }},
	{"offset of sound by a frame", "audio_offset_ms: is 40, measured 0", func(_ *testing.T, r *shards.Tuple) { r.AudioOffsetMS = 40 }},
	{"caption of no kind", "captions: caption 2 is of the kind \"rumour\"", func(_ *testing.T, r *shards.Tuple) {
		r.Captions = append(r.Captions, shards.Caption{Text: "x", Kind: "rumour"})
	}},
	{"no text, without a word", "text: is empty", func(_ *testing.T, r *shards.Tuple) { r.Text, r.Captions = "", nil }},
	{"depth of no range", "depth: depth_meta is from 1 to 0", func(_ *testing.T, r *shards.Tuple) { r.DepthMeta.Min, r.DepthMeta.Max = 1, 0 }},
	{"inverse depth of no range", "depth: depth_meta is from 0 to 1", func(_ *testing.T, r *shards.Tuple) {
		r.DepthMeta.Kind, r.DepthMeta.Min, r.DepthMeta.Max = dataset.InverseDepth, 0, 1
	}},
	{"depth of one value", "depth: its maps are from 0 to 65535, and depth_meta from 1 to 1", func(_ *testing.T, r *shards.Tuple) { r.DepthMeta.Min, r.DepthMeta.Max = 1, 1 }},
	{"depth by another model", "depth: depth_meta names the model", func(_ *testing.T, r *shards.Tuple) { r.DepthMeta.Model = "dpt" }},
	{"normals by other weights", "normal: normal_meta names the model", func(_ *testing.T, r *shards.Tuple) { r.NormalMeta.WeightsSHA256 = "00" }},
	{"depth of no kind", "depth: depth_meta.kind", func(_ *testing.T, r *shards.Tuple) { r.DepthMeta.Kind = "depth" }},
	{"key of another source", "key", func(_ *testing.T, r *shards.Tuple) { r.SourceID = "b" }},
}

// frameCorruptions are the same of tuples whose frames have maps.
var frameCorruptions = []corruption{
	{"none", "", func(*testing.T, *shards.Tuple) {}},
	{"the key frame's depth within the range of all", "", func(_ *testing.T, r *shards.Tuple) { r.Depth.Bytes = halfRange(testset.Width, testset.Height) }},
	{"depth of another size", "depth: a.00002.03.depth.png: is (160,90), the picture (320,180)", func(_ *testing.T, r *shards.Tuple) {
		r.Frames[3].Depth.Bytes = testset.DepthPNG(testset.Width/2, testset.Height/2, 0)
	}},
	{"normals of another size", "normal: a.00003.00.normal.png", func(_ *testing.T, r *shards.Tuple) {
		r.Frames[0].Normal.Bytes = testset.NormalPNG(testset.Width, testset.Height-2, 0)
	}},
	{"depth in 8 bits", "depth", func(_ *testing.T, r *shards.Tuple) { r.Frames[7].Depth.Bytes = gray8(testset.Width, testset.Height) }},
	{"depth for normals", "normal", func(_ *testing.T, r *shards.Tuple) { r.Frames[7].Normal.Bytes = r.Depth.Bytes }},
	{"normals that look away", "normal", func(_ *testing.T, r *shards.Tuple) { r.Frames[1].Normal.Bytes = normals(0, 0, 1) }},
	{"normals too short", "normal", func(_ *testing.T, r *shards.Tuple) { r.Frames[1].Normal.Bytes = normals(0, 0, -.5) }},
	{"the range of none of them", "depth: its maps are from 0 to", func(_ *testing.T, r *shards.Tuple) {
		r.Depth.Bytes = halfRange(testset.Width, testset.Height)
		for i := range r.Frames {
			r.Frames[i].Depth.Bytes = r.Depth.Bytes
		}
	}},
	{"lost without a word", "depth: of frame 2 is null", func(_ *testing.T, r *shards.Tuple) { r.Frames[2].Depth = table.Blob{} }},
	{"another frame named", "normal: of frame 2 is null", func(_ *testing.T, r *shards.Tuple) {
		r.Frames[2].Normal = table.Blob{}
		r.Status = append(r.Status, dataset.FrameError(dataset.StageNormal, 3, dataset.Fail(dataset.Labeler, "NaN")))
	}},
	{"a frame's loss does not excuse the key frame's", "depth: is null", func(_ *testing.T, r *shards.Tuple) {
		r.Depth, r.Frames[2].Depth = table.Blob{}, table.Blob{}
		r.Status = append(r.Status, dataset.FrameError(dataset.StageDepth, 2, dataset.Fail(dataset.Labeler, "NaN")))
	}},
	{"maps of no model", "depth and normal", func(_ *testing.T, r *shards.Tuple) {
		r.Depth, r.DepthMeta = table.Blob{}, nil
		r.Status = append(r.Status, dataset.StageError{Stage: dataset.StageDepth, Class: dataset.Labeler, Error: "NaN"})
	}},
}

// remark has all maps of a tuple say that they were made of the pictures beside them,
// so that other lies are found by what they are.
func remark(r *shards.Tuple) {
	mark := func(m *table.Blob, picture table.Blob) {
		if m.Bytes != nil {
			m.Bytes = origin.Mark(m.Bytes, picture.Bytes)
		}
	}
	mark(&r.Depth, r.Image)
	mark(&r.Normal, r.Image)
	for i := range r.Frames {
		f := &r.Frames[i]
		mark(&f.Depth, f.Image)
		mark(&f.Normal, f.Image)
	}
}

// Maps that two tuples have swapped, or two frames of one, and those of another picture
// are found in every tuple, not only in the sample; maps that name no picture are counted.
func TestVerifyFindsMapsOfOtherPictures(t *testing.T) {
	part := testset.Part{Sources: []*dataset.Source{testset.NewSource("a")}}
	for i := range 6 {
		part.Rows = append(part.Rows, testset.WithFrames(testset.NewRow(testset.Make(t, i%2, 0), dataset.Key("a", i), float64(2*i))))
	}
	env := newEnv(t, []testset.Part{part})
	write(t, env)
	rewrite(t, env.Out, func(rows []*shards.Tuple) []*shards.Tuple {
		rows[0].Depth.Bytes, rows[1].Depth.Bytes = rows[1].Depth.Bytes, rows[0].Depth.Bytes
		n := rows[2].Frames
		n[3].Normal.Bytes, n[4].Normal.Bytes = n[4].Normal.Bytes, n[3].Normal.Bytes
		rows[3].Normal.Bytes = testset.NormalPNG(testset.Width, testset.Height, 1)
		setImage(rows[4], testset.Make(t, 0, 0).Neighbour)
		return rows
	})
	r, err := Set(t.Context(), Env{Out: env.Out, Tools: tools(t)})
	if err != nil {
		t.Fatal(err)
	}
	if r.Unnamed != 1 {
		t.Errorf("%d maps that name no picture, want 1", r.Unnamed)
	}
	var found []string
	for _, p := range r.Problems {
		if m, of, ok := strings.Cut(p.Detail, " was made of another picture than "); ok {
			found = append(found, fmt.Sprint(p.Row, " ", p.Promise, ": ", m, " beside ", of))
		}
	}
	slices.Sort(found)
	if want := []string{
		"0 depth: a.00000.depth.png beside a.00000.jpg", "1 depth: a.00001.depth.png beside a.00001.jpg",
		"2 normal: a.00002.03.normal.png beside a.00002.03.jpg", "2 normal: a.00002.04.normal.png beside a.00002.04.jpg",
		"4 depth: a.00004.depth.png beside a.00004.jpg", "4 normal: a.00004.normal.png beside a.00004.jpg",
	}; !slices.Equal(found, want) {
		t.Errorf("found %q, want %q", found, want)
	}
}

func TestVerifyFindsCorruptMedia(t *testing.T) {
	findsCorruptions(t, corruptions, func(r testset.Row) testset.Row { return r })
}

func TestVerifyFindsCorruptFrameMaps(t *testing.T) {
	findsCorruptions(t, frameCorruptions, testset.WithFrames)
}

// findsCorruptions checks that each corruption is found in the tuple that has it,
// and nothing in the others.
func findsCorruptions(t *testing.T, corruptions []corruption, row func(testset.Row) testset.Row) {
	t.Helper()
	part := testset.Part{Sources: []*dataset.Source{testset.NewSource("a")}}
	for i := range corruptions {
		part.Rows = append(part.Rows, row(testset.NewRow(testset.Make(t, i%2, 0), dataset.Key("a", i), float64(2*i))))
	}
	env := newEnv(t, []testset.Part{part})
	write(t, env)
	rewrite(t, env.Out, func(rows []*shards.Tuple) []*shards.Tuple {
		for i, c := range corruptions {
			c.change(t, rows[i])
			remark(rows[i])
		}
		return rows
	})
	found := make([][]string, len(corruptions))
	for _, p := range verify(t, env.Out).Problems {
		if p.Row < 0 {
			t.Fatal(p)
		}
		found[p.Row] = append(found[p.Row], p.String())
	}
	for i, c := range corruptions {
		said := strings.Join(found[i], "\n")
		if c.promise == "" && said != "" || !strings.Contains(said, "): "+c.promise) && c.promise != "" {
			t.Errorf("%s: want a problem of %q, found:\n%s", c.name, c.promise, said)
		}
	}
}
