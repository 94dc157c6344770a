package export

import (
	"context"
	"fmt"

	"micodata/dataset"
)

// MiCo's data/run.py reads paths below its working directory. Exports name their
// files as datasets/micodata/..., which is a link to the export's folder: so the
// loader sees a path without the words that it replaces ("wav", ".mp4"), wherever
// the export lies, and the same set gives the same bytes.
const linked = "datasets/micodata/"

// micoTasks are the subtasks that a set is exported for, each with a list and a
// configuration of its own: picture, sound, both, both with subtitles.
var micoTasks = []struct {
	name         string
	list         string // without its folder and extension
	video, sound bool
}{
	{"tv", "vision", true, false},
	{"ta", "audio", false, true},
	{"tva", "omni", true, true},
	{"tvas", "omni", true, true},
}

// mapNotes tell what the maps of MiCo's export are; no loader of MiCo's reads any.
var mapNotes = map[string]string{
	"images":  "the key frame, JPEG",
	"depth":   "8-bit RGB PNG of the key frame's size, its channels alike: 0 is near, 255 far, of the range in geometry.jsonl",
	"depth16": "16-bit gray PNG, lossless: value = min + v/65535*(max-min), min and max in geometry.jsonl; 0 is near. Not for loaders that convert to RGB: it turns white",
	"normal":  "8-bit RGB PNG: n = 2v/255-1, unit length, x right, y down, z forward; a visible surface has z < 0",
	"maps":    "show the whole key frame, pixel for pixel, neither cropped nor padded",
}

// mico is the form of MiCo's AnnoIndexedDataset ("annoindexed").
type mico struct{ x *exporter }

func newMiCo(x *exporter) format { return mico{x} }

// micoRow is a row of an annotation file. The subtitle is in every row, "" for
// none: the loader's collate function looks at the first row of a batch alone.
type micoRow struct {
	VideoID  string `json:"video_id"`
	Desc     string `json:"desc"`
	Subtitle string `json:"subtitle"`
}

// take lists a clip once a caption in train, where each row has one string, and
// once in the other splits, where an id may occur once.
func (f mico) take(c *clip) (p product) {
	video, sound := c.videoLacks(), c.soundLacks()
	lacks := func(reasons ...string) string {
		for _, r := range reasons {
			if r != "" {
				return r
			}
		}
		return ""
	}
	for _, l := range []struct {
		name, lacks string
		captions    []string
	}{
		{"vision", video, c.visionCaptions()},
		{"audio", sound, c.audioCaptions()},
		{"omni", lacks(video, sound), c.omniCaptions()},
	} {
		if l.lacks == "" && len(l.captions) == 0 {
			l.lacks = noCaption
		}
		if l.lacks != "" {
			p.notes = append(p.notes, l.name+": "+l.lacks)
			continue
		}
		if c.split != "train" {
			l.captions = l.captions[:1]
		}
		for _, text := range l.captions {
			p.lines = append(p.lines, line{inSplit("annotations/"+l.name+".json", c.split), jsonArray, micoRow{c.id, text, c.subtitle()}})
		}
	}
	if len(p.lines) == 0 {
		return product{skipped: lacks(video, noCaption)}
	}
	p.files = f.x.videoAndSound(c)
	maps, geometry := keyFrame(c, true)
	p.files = append(p.files, maps...)
	if geometry != nil {
		p.lines = append(p.lines, line{geometryName, lines, geometry})
	}
	return p
}

// videoAndSound are videos/<id>.mp4 and audios/<id>.wav, each if it is of use.
// Sound is always WAV, which the loader looks for by name; other endings it finds
// by replacing "wav" wherever that stands in the path, and what it does not find
// is silence to it.
func (x *exporter) videoAndSound(c *clip) (files []file) {
	if c.videoLacks() == "" {
		files = append(files, kept("videos/"+c.id+".mp4", c.Video))
	}
	if c.soundLacks() == "" {
		files = append(files, x.sound(c))
	}
	return files
}

// sound is audios/<id>.wav.
func (x *exporter) sound(c *clip) file {
	return file{"audios/" + c.id + ".wav", func(ctx context.Context) ([]byte, error) { return x.wav(ctx, c) }}
}

// geometryName is the list of what the values of maps mean.
const geometryName = "geometry.jsonl"

// geometryRow is a line of it: what the values of a clip's maps mean.
type geometryRow struct {
	ID     string      `json:"id"`
	Time   float64     `json:"time"` // of the key frame, seconds from the clip's start
	Depth  *depthRange `json:"depth,omitempty"`
	Normal *mapModel   `json:"normal,omitempty"`
}

type mapModel struct {
	Model         string `json:"model"`
	WeightsSHA256 string `json:"weights_sha256"`
}

type depthRange struct {
	mapModel
	Kind string  `json:"kind"`
	Min  float32 `json:"min"` // the value at level 0, near
	Max  float32 `json:"max"` // the value at the highest level, far
}

func newGeometryRow(c *clip) *geometryRow {
	row := &geometryRow{ID: c.id, Time: c.ImageTime}
	if c.Depth.Bytes != nil && c.DepthMeta != nil {
		row.Depth = newDepthRange(c.DepthMeta)
	}
	if c.Normal.Bytes != nil && c.NormalMeta != nil {
		row.Normal = &mapModel{c.NormalMeta.Model, c.NormalMeta.WeightsSHA256}
	}
	return row
}

func newDepthRange(m *dataset.DepthMeta) *depthRange {
	return &depthRange{mapModel{m.Model, m.WeightsSHA256}, m.Kind, m.Min, m.Max}
}

// keyFrame are a clip's key frame with its maps, with depth in 16 bits too if that
// is asked for, and what these mean: nil without a map.
func keyFrame(c *clip, depth16 bool) (files []file, geometry *geometryRow) {
	if c.Image.Bytes == nil {
		return nil, nil
	}
	files = append(files, kept("images/"+c.id+".jpg", c.Image))
	geometry = newGeometryRow(c)
	if geometry.Depth != nil {
		files = append(files, file{"depth/" + c.id + ".png", func(context.Context) ([]byte, error) { return gray8(c.Depth.Bytes) }})
		if depth16 {
			files = append(files, kept("depth16/"+c.id+".png", c.Depth))
		}
	}
	if geometry.Normal != nil {
		files = append(files, kept("normal/"+c.id+".png", c.Normal))
	}
	if geometry.Depth == nil && geometry.Normal == nil {
		geometry = nil
	}
	return files, geometry
}

// nothingToTrainOn is why there is no configuration for training.
const nothingToTrainOn = "no clip of the train split has what it trains on"

// finish makes a configuration a task.
func (f mico) finish(lists map[string]int64) (files map[string]any, missing []string) {
	files = map[string]any{}
	for _, task := range micoTasks {
		name := "annotations/" + task.list + ".json"
		train := inSplit(name, "train")
		if lists[train] == 0 {
			missing = append(missing, "no configs/"+task.name+".json: "+nothingToTrainOn)
			continue
		}
		source := func(list, tasks string, training bool) runData {
			d := runData{Type: "annoindexed", Training: training, Name: "micodata", Txt: linked + list, Task: tasks,
				Workers: 8, BatchSize: min(micoBatch, lists[list])}
			if task.video {
				d.Vision, d.VisionFormat, d.VisionSampleNum, d.VisionTransforms = linked+"videos", "video_rawvideo", minFrames, "none"
			}
			if task.sound {
				d.Audio, d.AudioSampleNum = linked+"audios", 1
			}
			return d
		}
		d := source(train, fmt.Sprintf("ret%%%s_cap%%%s", task.name, task.name), true)
		d.Epoch = 1
		cfg := newRunConfig(d)
		for _, split := range []string{"validation", "test"} {
			if list := inSplit(name, split); lists[list] > 0 {
				d := source(list, "ret%"+task.name, false)
				d.Name += "_" + split // sets to test on are told apart by name and task
				cfg.Data.Val = append(cfg.Data.Val, d)
			}
		}
		files["configs/"+task.name+".json"] = cfg
	}
	return files, missing
}

// micoBatch is the batch size of VAST's own configurations. A list that is shorter
// is one batch: the loader drops what does not fill one, and stops at none.
const micoBatch = 64

// runConfig is a file for run.py's --config.
type runConfig struct {
	Run   map[string]any `json:"run_cfg"`
	Model map[string]any `json:"model_cfg"`
	Data  struct {
		Train []runData `json:"train"`
		Val   []runData `json:"val"`
	} `json:"data_cfg"`
}

// newRunConfig is for training on a set. The names of the defaults are from data/,
// run.py's working directory.
func newRunConfig(train runData) *runConfig {
	c := &runConfig{
		Run:   map[string]any{"default": "caption_config/default_run_cfg.json", "mode": "training"},
		Model: map[string]any{"default": "caption_config/default_model_cfg.json"},
	}
	c.Data.Train, c.Data.Val = []runData{train}, []runData{}
	return c
}

// newTestConfig is for captions of a set.
func newTestConfig(val runData) *runConfig {
	c := newRunConfig(val)
	c.Run["mode"] = "testing"
	c.Data.Train, c.Data.Val = c.Data.Val, c.Data.Train
	return c
}

// runData is a set in it. The loader looks whether "vision" and "audio" are there,
// not what they are.
type runData struct {
	Type             string `json:"type"`
	Training         bool   `json:"training"`
	Name             string `json:"name"`
	Txt              string `json:"txt"`
	TxtFormat        string `json:"txt_format,omitempty"`
	Vision           string `json:"vision,omitempty"`
	VisionFormat     string `json:"vision_format,omitempty"`
	VisionSampleNum  int    `json:"vision_sample_num,omitempty"`
	VisionTransforms string `json:"vision_transforms,omitempty"`
	Audio            string `json:"audio,omitempty"`
	AudioSampleNum   int    `json:"audio_sample_num,omitempty"`
	Task             string `json:"task"`
	Epoch            int    `json:"epoch,omitempty"`
	Steps            int64  `json:"steps,omitempty"`
	Workers          int    `json:"n_workers"`
	BatchSize        int64  `json:"batch_size"`
}
