package export

// metaTransformer is the form of Meta-Transformer's sub-projects: VideoMAE's lists,
// AST's lists, ImageNet's folders.
type metaTransformer struct{ x *exporter }

func newMetaTransformer(x *exporter) format { return metaTransformer{x} }

var metaTransformerNotes = map[string]string{
	"labels": "a set has no classes: every clip has the one class 0, /m/unlabelled; clips.jsonl says which clip is which, to put labels in its place",
}

// unlabelled is the one class of a set.
const unlabelled = "unlabelled"

// metaSplits are what the sub-projects call the splits.
var metaSplits = map[string]struct{ video, audio string }{
	"train":      {"video/train.csv", "audio/train.json"},
	"validation": {"video/val.csv", "audio/val.json"},
	"test":       {"video/test.csv", "audio/eval.json"},
}

// astRow is a row of AST's lists.
type astRow struct {
	WAV    string `json:"wav"`
	Labels string `json:"labels"`
}

// take lists what there is of a clip. Fields of the video lists are parted by
// spaces: no path has one. The pretraining list has no labels: 0 and -1 say that
// its paths are whole videos.
func (f metaTransformer) take(c *clip) (p product) {
	split := metaSplits[c.split]
	video, sound := c.videoLacks(), c.soundLacks()
	if sound == "" && (int(c.AudioRate) != f.x.set.AudioRate || c.AudioChannels != 1) {
		sound = "another rate than the set's, or not mono" // a batch is of one kind
	}
	if video == "" {
		name := "videos/" + c.id + ".mp4"
		p.files = append(p.files, kept(name, c.Video))
		p.lines = append(p.lines, line{split.video, lines, verbatim(linked + name + " 0")})
		if c.split == "train" {
			p.lines = append(p.lines, line{"video/pretrain.csv", lines, verbatim(linked + name + " 0 -1")})
		}
	} else {
		p.notes = append(p.notes, "video: "+video)
	}
	if sound == "" {
		wav := f.x.sound(c)
		p.files = append(p.files, wav)
		p.lines = append(p.lines, line{split.audio, astData, astRow{linked + wav.name, "/m/" + unlabelled}})
	} else {
		p.notes = append(p.notes, "audio: "+sound)
	}
	if c.Image.Bytes != nil {
		p.files = append(p.files, kept("images/"+c.split+"/"+unlabelled+"/"+c.id+".jpg", c.Image))
	}
	if len(p.files) == 0 {
		return product{skipped: video}
	}
	return p
}

// finish makes AST's table of classes.
func (metaTransformer) finish(map[string]int64) (map[string]any, []string) {
	return map[string]any{"audio/class_labels_indices.csv": verbatim("index,mid,display_name\n0,/m/" + unlabelled + ",\"" + unlabelled + "\"\n")}, nil
}
