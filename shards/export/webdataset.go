package export

import (
	"context"
	"path"

	"micodata/dataset"
	"micodata/shards"
)

const (
	tarsName     = "tars.json"     // of each split, as MiCo's loader wants them
	captionsName = "captions.json" // text by id, which that loader reads beside tar files
)

// memberNotes tell what a clip's members are.
var memberNotes = map[string]string{
	".mp4":        "H.264 with the sound",
	".jpg":        "the key frame",
	".flac":       "the sound, as the set has it (.wav or .mp3 in sets made so)",
	".depth.png":  "8-bit RGB of the key frame's size, its channels alike: 0 is near, 255 far, of the range min to max in the .json",
	".depth16":    "the same as a 16-bit gray PNG, lossless: value = min + v/65535*(max-min). Without .png at its end, at which webdataset's decoders would make 8 bits of it",
	".normal.png": "8-bit RGB: n = 2v/255-1, unit length, x right, y down, z forward",
	".txt":        "the set's text: its highest-ranked caption, of any kind; may be empty",
	".json":       "all columns without media",
}

// webDataset has a tar file a shard, with a clip's files as a sample. The loader
// ends a sample's key at the first dot.
type webDataset struct{}

func newWebDataset(*exporter) format { return webDataset{} }

// sample is a clip's .json.
type sample struct {
	ID           string      `json:"id"`
	Key          string      `json:"key"`
	ClipID       string      `json:"clip_id"`
	SourceID     string      `json:"source_id"`
	SourceURI    string      `json:"source_uri"`
	SourceSHA256 string      `json:"source_sha256"`
	Title        string      `json:"title"`
	License      string      `json:"license"`
	Start        float64     `json:"start"`
	End          float64     `json:"end"`
	Text         string      `json:"text"`
	Captions     []caption   `json:"captions"`
	Subtitles    []cue       `json:"subtitles"`
	ImageTime    float64     `json:"image_time"`
	Depth        *depthRange `json:"depth_meta"`
	Normal       *mapModel   `json:"normal_meta"`
	Width        int32       `json:"width"`
	Height       int32       `json:"height"`
	FPS          float64     `json:"fps"`
	FrameCount   int32       `json:"frame_count"`
	VideoCodec   string      `json:"video_codec"`
	AudioRate    int32       `json:"audio_rate"`
	Channels     int32       `json:"audio_channels"`
	AudioOffset  float64     `json:"audio_offset_ms"`
	Motion       float64     `json:"motion"`
	Sharpness    float64     `json:"sharpness"`
	Brightness   float64     `json:"brightness"`
	Silence      float64     `json:"silence"`
	PHash        int64       `json:"phash"`
	Duration     float64     `json:"duration"`
	Status       []status    `json:"status"`
}

type caption struct {
	Text  string  `json:"text"`
	Kind  string  `json:"kind"`
	Model string  `json:"model"`
	Lang  string  `json:"lang"`
	Score float32 `json:"score"`
}

type cue struct {
	Start float64 `json:"start"`
	End   float64 `json:"end"`
	Text  string  `json:"text"`
	Lang  string  `json:"lang"`
}

type status struct {
	Stage string        `json:"stage"`
	Class dataset.Class `json:"error_class"`
	Error string        `json:"error"`
}

func newSample(c *clip) *sample {
	g := newGeometryRow(c)
	s := &sample{ID: c.id, Key: c.Key, ClipID: c.ClipID, SourceID: c.SourceID, SourceURI: c.SourceURI, SourceSHA256: c.SourceSHA256, Title: c.Title, License: c.License,
		Start: c.Start, End: c.End, Text: c.Text, ImageTime: c.ImageTime, Depth: g.Depth, Normal: g.Normal, Width: c.Width, Height: c.Height, FPS: c.FPS,
		FrameCount: c.FrameCount, VideoCodec: c.VideoCodec, AudioRate: c.AudioRate, Channels: c.AudioChannels, AudioOffset: c.AudioOffsetMS,
		Motion: c.Motion, Sharpness: c.Sharpness, Brightness: c.Brightness, Silence: c.Silence, PHash: c.PHash, Duration: c.Duration}
	s.Captions = converted(c.Captions, func(x shards.Caption) caption { return caption(x) })
	s.Subtitles = converted(c.Subtitles, func(x dataset.Cue) cue { return cue(x) })
	s.Status = converted(c.Status, func(x dataset.StageError) status { return status(x) })
	return s
}

// converted is a list with each element converted, [] and not null if it is empty.
func converted[A, B any](in []A, to func(A) B) []B {
	out := make([]B, len(in))
	for i, a := range in {
		out[i] = to(a)
	}
	return out
}

// take gives a sample what there is of the clip.
func (webDataset) take(c *clip) (p product) {
	if c.Video.Bytes == nil && c.Image.Bytes == nil {
		return product{skipped: "no video and no image"}
	}
	member := func(extension string, data func(context.Context) ([]byte, error)) {
		p.files = append(p.files, file{c.id + extension, data})
	}
	if c.Video.Bytes != nil {
		p.files = append(p.files, kept(c.id+".mp4", c.Video))
	}
	if c.Image.Bytes != nil {
		p.files = append(p.files, kept(c.id+".jpg", c.Image))
	}
	if c.Audio.Bytes != nil {
		p.files = append(p.files, kept(c.id+path.Ext(c.Audio.Path), c.Audio))
	}
	if c.Depth.Bytes != nil {
		member(".depth.png", func(context.Context) ([]byte, error) { return gray8(c.Depth.Bytes) })
		p.files = append(p.files, kept(c.id+".depth16", c.Depth))
	}
	if c.Normal.Bytes != nil {
		p.files = append(p.files, kept(c.id+".normal.png", c.Normal))
	}
	member(".txt", func(context.Context) ([]byte, error) { return []byte(c.Text), nil })
	member(".json", func(context.Context) ([]byte, error) { return marshal(newSample(c)) })
	if texts := c.omniCaptions(); len(texts) > 0 { // what is said in the clip is none
		p.lines = append(p.lines, line{captionsName, jsonObject, pair{c.id, texts[0]}})
	}
	return p
}

// finish makes a configuration for MiCo's loader of tar files ("srcindexed"). It
// never ends, so that it has steps and no epochs, and tests nothing.
func (webDataset) finish(lists map[string]int64) (files map[string]any, missing []string) {
	train := inSplit(tarsName, "train")
	if lists[train] == 0 || lists[captionsName] == 0 {
		return nil, []string{"no configs/srcindexed.json: " + nothingToTrainOn}
	}
	cfg := newRunConfig(runData{Type: "srcindexed", Training: true, Name: "micodata", Txt: linked + captionsName, TxtFormat: "json",
		Vision: linked + train, VisionFormat: "video_rawvideo", VisionSampleNum: minFrames, VisionTransforms: "none",
		Task: "ret%tv_cap%tv", Steps: max(1, lists[captionsName]/micoBatch), Workers: 8, BatchSize: micoBatch})
	return map[string]any{"configs/srcindexed.json": cfg}, nil
}
