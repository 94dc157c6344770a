package export

import (
	"context"
	"errors"
	"fmt"
	"image"
	"os"
	"path"

	"micodata/internal/npy"
	"micodata/internal/soundfile"
	"micodata/internal/table"
	"micodata/storage"
)

// GRAM loads depth if the videos' path has "vast" in it, and finds it by putting
// "depth" in place of "videos" anywhere in that path. A set without depth is
// linked under a name without that word.
const (
	gramWithDepth = "datasets/vast_micodata/"
	gramName      = "finetune_area" // the one name under which GRAM keeps rows with a clip_id
)

var gramNotes = map[string]string{
	"depth": "uint8 [n,H,W,3], the channels alike: 0 is near, 255 far, of one range for all pictures of a clip; n frames, or 1: the key frame",
}

// gram is the form of GRAM's AnnoIndexedDataset.
type gram struct {
	x      *exporter
	depth  bool
	frames int // whose depth is taken; 0 for the key frame's
}

func newGRAM(x *exporter) format {
	f := gram{x: x}
	f.depth, f.frames = x.hasMaps()
	return f
}

// gramRow is a row of an annotation file.
type gramRow struct {
	ClipID   string `json:"clip_id"`
	Desc     string `json:"desc"`
	Subtitle string `json:"subtitle"`
}

// take wants all of a clip: where video, sound or depth is missing, the loader
// drops the row, hears silence, or takes another clip in its place.
func (f gram) take(c *clip) (p product) {
	captions := c.omniCaptions()
	maps := f.maps(c)
	switch video, sound := c.videoLacks(), c.soundLacks(); {
	case video != "":
		return product{skipped: video}
	case sound != "":
		return product{skipped: sound}
	case captions == nil:
		return product{skipped: noCaption}
	case f.depth && maps == nil:
		return product{skipped: "no depth map of each picture"}
	}
	if c.split != "train" {
		captions = captions[:1]
	}
	for _, text := range captions {
		p.lines = append(p.lines, line{"annotations/" + c.split + ".json", jsonArray, gramRow{c.id, text, c.subtitle()}})
	}
	if row := newVASTRow(c); row != nil {
		p.lines = append(p.lines, line{inSplit(vast27m, c.split), jsonArray, row})
	} else {
		p.notes = append(p.notes, notCaptionedThrice)
	}
	p.files = []file{kept("videos/"+c.id+".mp4", c.Video),
		{"audios/" + c.id + ".mp3", func(ctx context.Context) ([]byte, error) { return f.x.mp3(ctx, c) }}}
	if f.depth {
		p.files = append(p.files, file{"depth/" + c.id + "_depth.npy", func(context.Context) ([]byte, error) { return depthArray(maps) }})
	}
	return p
}

// maps are the depth maps of a clip, nil if one is missing: batches want as many of
// each clip.
func (f gram) maps(c *clip) (maps [][]byte) {
	blobs := []table.Blob{c.Depth}
	if f.frames > 0 {
		blobs = nil
		for _, frame := range c.Frames {
			blobs = append(blobs, frame.Depth)
		}
		if len(blobs) != f.frames {
			return nil
		}
	}
	for _, b := range blobs {
		if b.Bytes == nil {
			return nil
		}
		maps = append(maps, b.Bytes)
	}
	return maps
}

// depthArray makes a .npy file of depth maps of one size: uint8 [n,H,W,3].
func depthArray(maps [][]byte) ([]byte, error) {
	var out []byte
	var size image.Point
	for i, m := range maps {
		img, err := decodeGray16(m)
		if err != nil {
			return nil, err
		}
		if i == 0 {
			size = img.Rect.Size()
			out = npy.AppendUint8Header(make([]byte, 0, 128+3*len(maps)*size.X*size.Y), len(maps), size.Y, size.X, 3)
		} else if img.Rect.Size() != size {
			return nil, errDepth
		}
		for at := 0; at < len(img.Pix); at += 2 {
			v := level8(img.Pix[at:])
			out = append(out, v, v, v)
		}
	}
	return out, nil
}

// mp3 makes an MP3 of a clip's sound.
func (x *exporter) mp3(ctx context.Context, c *clip) (_ []byte, err error) {
	if path.Ext(c.Audio.Path) == ".mp3" {
		return c.Audio.Bytes, nil
	}
	pcm, rate, channels, err := x.decodeSound(ctx, c)
	if err != nil {
		return nil, err
	}
	tools, err := x.Tools(ctx)
	if err != nil {
		return nil, err
	}
	f, drop, err := x.temp(c)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, drop()) }()
	p, err := tools.Start(ctx, soundfile.MP3Job("file:"+f.Name(), pcm, rate, channels))
	if err != nil {
		return nil, err
	}
	if err := p.Wait(); err != nil {
		if disk := soundfile.DiskError(err); disk != nil {
			err = &storage.Error{Op: "write", Path: f.Name(), Err: disk}
		}
		return nil, fmt.Errorf("encode sound as MP3: %w", err)
	}
	data, err := os.ReadFile(f.Name())
	if err != nil {
		return nil, &storage.Error{Op: "read", Path: f.Name(), Err: err}
	}
	return data, soundfile.SetMP3Padding(data, rate, len(pcm)/2/channels)
}

// finish makes a configuration for training, and for tests on validation or, where
// there is none, on test: two sets of one name would be one to the loader.
func (f gram) finish(lists map[string]int64) (files map[string]any, missing []string) {
	source := func(split, task string) runData {
		list := "annotations/" + split + ".json"
		under := linked
		if f.depth {
			under = gramWithDepth
		}
		return runData{Type: "annoindexed", Training: split == "train", Name: gramName, Txt: under + list,
			Vision: under + "videos", VisionFormat: "video_rawvideo", VisionSampleNum: minFrames, VisionTransforms: "none",
			Audio: under + "audios", AudioSampleNum: 1, Task: task, Workers: 8, BatchSize: min(micoBatch, lists[list])}
	}
	if lists["annotations/train.json"] == 0 {
		return nil, []string{"no configs/gram.json: " + nothingToTrainOn}
	}
	train := source("train", "ret%tv%ta")
	train.Epoch = 1
	cfg := newRunConfig(train)
	cfg.Run["default"], cfg.Model["default"] = "./config/vast/default_run_cfg.json", "./config/vast/default_model_cfg.json"
	for _, split := range []string{"test", "validation"} {
		if lists["annotations/"+split+".json"] > 0 {
			cfg.Data.Val = []runData{source(split, "ret%tvas")}
		}
	}
	return map[string]any{"configs/gram.json": cfg}, nil
}
