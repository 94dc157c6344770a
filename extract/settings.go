package extract

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"micodata/extract/scenecut"
)

// Settings shape the bytes of extract parts; they are frozen into the dataset.
type Settings struct {
	// Cut says where clips begin when the list gives no spans: "content" (as
	// PySceneDetect's ContentDetector), "fixed:10s" (every so often) or "none".
	Cut string `json:"clip"`
	// CutThreshold is the content score, 0 to 255, from which a frame starts a
	// new scene; CutMinFrames is the least number of frames in a scene.
	CutThreshold float64 `json:"cut_threshold"`
	CutMinFrames int     `json:"cut_min_frames"`
	// MinClip is the shortest clip; shorter ones are skipped. MaxClip is the
	// longest; a longer one is split evenly. Neither touches given spans.
	MinClip time.Duration `json:"min_clip"`
	MaxClip time.Duration `json:"max_clip"`

	// ClipMode is how the clips' video is made.
	ClipMode string `json:"clip_mode"`
	// ClipHeight is the most lines of a clip's video.
	ClipHeight Lines `json:"clip_height"`
	// CRF and Preset are x264's.
	CRF    int    `json:"crf"`
	Preset string `json:"preset"`

	// ImageMax bounds the long side of the key frame, in pixels.
	ImageMax int `json:"image_max"`
	// Frames is the number of uniform frames a clip, FramesShortSide the length
	// of their short side in pixels, unless the source's is shorter.
	Frames          int `json:"frames"`
	FramesShortSide int `json:"frames_short_side"`
	// JPEGQuantizer is that of all JPEGs: 2 (best) to 31.
	JPEGQuantizer int `json:"jpeg_quantizer"`

	// AudioRate is the sampling rate of the separate sound in Hz and
	// AudioChannels the number of its channels, 1 or 2; 0 keeps the source's (two
	// channels at most). AudioFormat is flac, wav or mp3.
	AudioRate     int    `json:"audio_rate"`
	AudioChannels int    `json:"audio_channels"`
	AudioFormat   string `json:"audio_format"`
}

// DefaultSettings are those that training sets for MiCo-like models want.
func DefaultSettings() Settings {
	return Settings{
		Cut:             "content",
		CutThreshold:    scenecut.DefaultThreshold,
		CutMinFrames:    scenecut.DefaultMinSceneFrames,
		MinClip:         time.Second,
		MaxClip:         time.Minute,
		ClipMode:        ClipEncode,
		ClipHeight:      360,
		CRF:             23, // x264's own default
		Preset:          "veryfast",
		ImageMax:        1280,
		Frames:          8,
		FramesShortSide: 384, // the input size of the depth and normal estimators
		JPEGQuantizer:   3,   // about libjpeg's quality 93
		AudioRate:       16000,
		AudioChannels:   1,
		AudioFormat:     "flac",
	}
}

// MarshalJSON writes lengths as people do: "1s".
func (s Settings) MarshalJSON() ([]byte, error) {
	type plain Settings
	return json.Marshal(struct {
		plain
		MinClip string `json:"min_clip"`
		MaxClip string `json:"max_clip"`
	}{plain(s), s.MinClip.String(), s.MaxClip.String()})
}

// Bounds of settings, which keep the memory of a source's open clip bounded.
const (
	maxFrames  = 64               // of at least 128 candidates
	maxMaxClip = 10 * time.Minute // 64 MiB, the most that a row takes of video, are 15 at 360 lines
	maxSide    = 1 << 14          // of pictures; mjpeg's and x264's own limit
	minRate    = 8000             // Hz: telephones
	maxRate    = 192000           // Hz: the most that sound cards take
)

// Validate says which setting makes no sense.
func (s Settings) Validate() error {
	if err := s.checkCut(); err != nil {
		return err
	}
	switch {
	case s.MinClip < 0 || s.MaxClip <= 0 || s.MinClip > s.MaxClip || s.MaxClip > maxMaxClip:
		return fmt.Errorf("min_clip %v and max_clip %v: want 0 <= min_clip <= max_clip <= %v", s.MinClip, s.MaxClip, maxMaxClip)
	case s.CutThreshold <= 0 || s.CutMinFrames < 0:
		return errors.New("cut_threshold must be above 0 and cut_min_frames not below")
	case s.ClipMode != ClipEncode && s.ClipMode != ClipCopy && s.ClipMode != ClipNone:
		return fmt.Errorf("clip_mode %q: want encode, copy or none", s.ClipMode)
	case s.ClipHeight < 0 || s.ClipHeight == 1 || s.ClipHeight > maxSide:
		return fmt.Errorf("clip_height %d: want source or 2 to %d", s.ClipHeight, maxSide)
	case s.CRF < 0 || s.CRF > 51 || s.Preset == "":
		return errors.New("crf is 0 to 51 and preset one of x264's")
	case s.ImageMax < 16 || s.ImageMax > maxSide || s.FramesShortSide < 16 || s.FramesShortSide > maxSide:
		return fmt.Errorf("image_max and frames_short_side: want 16 to %d", maxSide)
	case s.Frames < 1 || s.Frames > maxFrames:
		return fmt.Errorf("frames %d: want 1 to %d", s.Frames, maxFrames)
	case s.JPEGQuantizer < 2 || s.JPEGQuantizer > 31:
		return fmt.Errorf("jpeg_quantizer %d: want 2 (best) to 31", s.JPEGQuantizer)
	case s.AudioRate != 0 && (s.AudioRate < minRate || s.AudioRate > maxRate):
		return fmt.Errorf("audio_rate %d: want 0 (the source's) or %d to %d", s.AudioRate, minRate, maxRate)
	case s.AudioChannels < 0 || s.AudioChannels > 2:
		return fmt.Errorf("audio_channels %d: want 1, 2 or 0 (the source's)", s.AudioChannels)
	case s.AudioFormat != "flac" && s.AudioFormat != "wav" && s.AudioFormat != "mp3":
		return fmt.Errorf("audio_format %q: want flac, wav or mp3", s.AudioFormat)
	case s.AudioFormat == "mp3" && s.AudioRate != 0 && !slices.Contains(mp3Rates, s.AudioRate):
		return fmt.Errorf("audio_rate %d: MP3 has only %v", s.AudioRate, mp3Rates)
	}
	return nil
}

// Values of Settings.ClipMode.
const (
	// ClipEncode encodes every clip.
	ClipEncode = "encode"
	// ClipCopy copies what the source has coded where that is exact: where the clip
	// begins with an IDR picture, no frame outside of it is stored among its own,
	// and the source is progressive 4:2:0 H.264 of 8 bits, upright, with square
	// pixels, of an even size that is not above ClipHeight. The others are encoded.
	ClipCopy = "copy"
	// ClipNone makes no video: frames, sound and measures only.
	ClipNone = "none"
)

// Values of Settings.Cut.
const (
	cutByContent = "content"
	cutNever     = "none"
	cutFixed     = "fixed:" // and a length
)

func (s Settings) checkCut() error {
	if s.Cut == cutByContent || s.Cut == cutNever || s.cutEvery() > 0 {
		return nil
	}
	return fmt.Errorf("cut %q: want content, none or fixed: and a length, such as fixed:10s", s.Cut)
}

// cutEvery is the length after "fixed:", or 0.
func (s Settings) cutEvery() time.Duration {
	length, ok := strings.CutPrefix(s.Cut, cutFixed)
	if !ok {
		return 0
	}
	every, err := time.ParseDuration(length)
	if err != nil {
		return 0
	}
	return every
}

// Lines is a number of lines of a picture; 0, written "source", is the source's
// own. It is a flag's value.
type Lines int

func (l Lines) String() string {
	if l == 0 {
		return "source"
	}
	return strconv.Itoa(int(l))
}

// Set reads "source" or a number.
func (l *Lines) Set(text string) error {
	if text == "source" {
		*l = 0
		return nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return fmt.Errorf("%q is neither source nor a number of lines", text)
	}
	*l = Lines(n)
	return nil
}

// Type names the value in a command's help.
func (Lines) Type() string { return "lines" }
