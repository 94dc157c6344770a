package export

import (
	"fmt"
	"math"
)

// vast is the form of VAST's captioners and of VAST-27M. The captioners' loader is
// MiCo's.
type vast struct{ x *exporter }

func newVAST(x *exporter) format { return vast{x} }

const (
	metaVision = "annotations/meta.json"       // clips for the vision captioner
	metaAudio  = "annotations/meta_audio.json" // for the audio captioner
	vast27m    = "annotations/vast27m.json"    // of each split
)

// vastRow is a row of VAST-27M. Its clip_id names the files here; clips.jsonl has
// the one that the source's list gave.
type vastRow struct {
	ClipID   string    `json:"clip_id"`
	Span     [2]string `json:"clip_span"` // HH:MM:SS.mmm in the source
	URL      string    `json:"url"`
	Vision   []string  `json:"vision_cap"`
	Audio    []string  `json:"audio_cap"`
	Subtitle string    `json:"subtitle"`
	Omni     string    `json:"vast_cap"`
}

// take lists a clip for the captioners by what it has, its "desc" empty: the loader
// wants one in every row. VAST-27M rows are of clips with all three captions.
func (f vast) take(c *clip) (p product) {
	video, sound := c.videoLacks(), c.soundLacks()
	if video != "" && sound != "" {
		return product{skipped: video}
	}
	p.files = f.x.videoAndSound(c)
	if video == "" {
		p.lines = append(p.lines, line{metaVision, jsonArray, micoRow{VideoID: c.id, Subtitle: c.subtitle()}})
	}
	if sound == "" {
		p.lines = append(p.lines, line{metaAudio, jsonArray, micoRow{VideoID: c.id, Subtitle: c.subtitle()}})
	}
	switch row := newVASTRow(c); {
	case video != "":
		p.notes = append(p.notes, "vast27m: "+video)
	case sound != "":
		p.notes = append(p.notes, "vast27m: "+sound)
	case row == nil:
		p.notes = append(p.notes, notCaptionedThrice)
	default:
		p.lines = append(p.lines, line{inSplit(vast27m, c.split), jsonArray, row})
	}
	return p
}

const notCaptionedThrice = "vast27m: no omni, vision and audio captions"

// newVASTRow is a clip's row, nil if it has not all three captions: the loaders look
// at the first row of a batch alone for what all have.
func newVASTRow(c *clip) *vastRow {
	omni, seen, heard := c.captions("omni", "imported"), c.captions("vision"), c.captions("audio")
	if omni == nil || seen == nil || heard == nil {
		return nil
	}
	return &vastRow{c.id, [2]string{clock(c.Start), clock(c.End)}, c.SourceURI, seen, heard, c.subtitle(), omni[0]}
}

// clock writes seconds as HH:MM:SS.mmm.
func clock(seconds float64) string {
	ms := int64(math.Round(seconds * 1000))
	return fmt.Sprintf("%02d:%02d:%02d.%03d", ms/3600000, ms/60000%60, ms/1000%60, ms%1000)
}

// finish makes configurations for the two captioners.
func (vast) finish(lists map[string]int64) (files map[string]any, missing []string) {
	files = map[string]any{}
	d := runData{Type: "annoindexed", Name: "micodata", Workers: 8, BatchSize: micoBatch}
	if lists[metaVision] > 0 {
		d := d
		d.Txt, d.Vision, d.VisionFormat, d.VisionSampleNum, d.Task = linked+metaVision, linked+"videos", "video_rawvideo", minFrames, "cap%tv"
		files["configs/caption-vision.json"] = newTestConfig(d)
	} else {
		missing = append(missing, "no configs/caption-vision.json: no clip has a video for it")
	}
	if lists[metaAudio] > 0 {
		d := d
		d.Txt, d.Audio, d.AudioSampleNum, d.Task = linked+metaAudio, linked+"audios", 3, "cap%ta"
		files["configs/caption-audio.json"] = newTestConfig(d)
	} else {
		missing = append(missing, "no configs/caption-audio.json: no clip has a sound for it")
	}
	return files, missing
}
