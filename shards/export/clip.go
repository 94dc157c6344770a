package export

import (
	"math"
	"slices"
	"strings"

	"micodata/shards"
)

// clip is a tuple on its way into an export.
type clip struct {
	*shards.Tuple
	id, split string
}

// minFrames is how many frames loaders sample of a video; with fewer, some repeat
// the last one and GRAM takes another clip in its place.
const minFrames = 8

// minSoundSeconds is one window of the loaders' spectrograms. Of a shorter sound
// torchaudio makes none, and another clip or an error takes its place.
const minSoundSeconds = 0.025

// Reasons why a clip, or a line of a list, is left out.
const (
	noVideo    = "no video"
	fewFrames  = "video of fewer than 8 frames"
	noSound    = "no audio"
	shortSound = "audio shorter than 25 ms"
	noImage    = "no image"
	noCaption  = "no caption"
)

// videoLacks tells why the clip's video is of no use, "" if it is.
func (c *clip) videoLacks() string {
	switch {
	case c.Video.Bytes == nil:
		return noVideo
	case c.FrameCount < minFrames:
		return fewFrames
	}
	return ""
}

// soundLacks tells why the clip's sound is of no use, "" if it is.
func (c *clip) soundLacks() string {
	if c.Audio.Bytes == nil {
		return noSound
	}
	// Its length is known to a sample.
	samples := math.Round(c.Duration*float64(c.AudioRate)) - 1
	if samples < minSoundSeconds*float64(c.AudioRate) {
		return shortSound
	}
	return ""
}

// captions are the clip's different texts of the first of the kinds that has any.
func (c *clip) captions(kinds ...string) []string {
	for _, kind := range kinds {
		var texts []string
		for _, caption := range c.Captions {
			if text := oneLine(caption.Text); caption.Kind == kind && text != "" && !slices.Contains(texts, text) {
				texts = append(texts, text)
			}
		}
		if len(texts) > 0 {
			return texts
		}
	}
	return nil
}

// What captions of each sort are taken from. What is said in a clip describes none
// of it and is given to trainers as its subtitle, so that as a caption it would be
// input and answer at once.
func (c *clip) omniCaptions() []string {
	return c.captions("omni", "imported", "vision", "audio", "alt", "title")
}
func (c *clip) visionCaptions() []string { return c.captions("vision", "imported", "alt", "title") }
func (c *clip) audioCaptions() []string  { return c.captions("audio") }

// subtitle is what is said in the clip, "" for nothing: in one language, the first.
func (c *clip) subtitle() string {
	if said := c.captions("subtitle", "asr"); len(said) > 0 {
		return said[0]
	}
	return ""
}

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }
