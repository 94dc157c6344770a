package extract

import (
	"encoding/json"
	"slices"

	"micodata/dataset"
	"micodata/extract/scenecut"
	"micodata/internal/ffmpeg"
)

// newMedia plans what is made of a source, from its probe. isCut says that its
// cuts have to be found.
func newMedia(path string, probe *ffmpeg.Probe, s Settings, isCut bool) (*media, error) {
	video := probe.VideoStream()
	if video == nil {
		return nil, dataset.Fail(dataset.NoVideo, "no moving pictures")
	}
	if video.Codec == "" || video.Codec == "unknown" {
		return nil, dataset.Fail(dataset.UnsupportedCodec, "ffmpeg does not know the video's codec")
	}
	v := video.Video
	if v.Width <= 0 || v.Height <= 0 || v.PixelFormat == "" {
		return nil, dataset.Fail(dataset.Corrupt, "its header tells no picture size or format: no frame could be decoded when it was probed")
	}
	shown := shownSize(v)
	m := &media{
		path: path, format: probe.Format, start: probe.Start.Seconds(), video: *video, duration: max(probe.Duration, video.Duration).Seconds(),
		clip:  clipSize(shown, int(s.ClipHeight)),
		image: imageSize(shown, s.ImageMax),
		small: smallSize(shown, s.FramesShortSide, s.ImageMax),
		color: coloursOf(v),
		clock: clockOf(video.TimeBase),
	}
	if n := m.image.bytes(); mostCandidates(s.Frames, n)*n > maxStills {
		return nil, dataset.Fail(dataset.TooLarge, "%d frames chosen of pictures of %dx%d would take %d MiB; the limit is %d: ask for fewer (--frames) or smaller ones (--image-max)",
			s.Frames, m.image.w, m.image.h, mostCandidates(s.Frames, n)*n>>20, maxStills>>20)
	}
	m.isIndexed = probe.IsIndexed(video)
	if video.Duration > 0 {
		m.end = (video.Start - probe.Start + video.Duration).Seconds()
	}
	if isCut && s.Cut == cutByContent {
		plan, err := scenecut.NewPlan(scenecut.Source{Width: v.Width, Height: v.Height, PixFmt: v.PixelFormat})
		if err != nil {
			return nil, dataset.Fail(dataset.UnsupportedCodec, "cut by content: %w", err)
		}
		m.plan = &plan
	}
	m.takeAudio(probe, s)
	m.mode = s.ClipMode
	m.canCopy = m.mode == ClipCopy && m.isCopyable()
	return m, nil
}

// isCopyable tells whether the source's video can be a clip's as it is, at best.
func (m *media) isCopyable() bool {
	v := m.video.Video
	isProgressive := v.FieldOrder == "" || v.FieldOrder == "progressive" || v.FieldOrder == "unknown"
	return m.video.Codec == "h264" && v.PixelFormat == "yuv420p" && isProgressive && m.color.hdr == "" && !m.color.isFull &&
		v.Rotation == 0 && !v.Flip && shownSize(v) == m.clip && m.clip == size{v.Width, v.Height} &&
		m.video.TimeBase.Num == 1 && m.video.TimeBase.Den <= maxClock
}

// takeAudio chooses the sound and how it is stored.
func (m *media) takeAudio(probe *ffmpeg.Probe, s Settings) {
	if m.audio = probe.AudioStream(); m.audio == nil {
		return
	}
	channels := min(m.audio.Audio.Channels, 2)
	m.nativeRate, m.nativeChannels = rateAbove(aacRates, m.audio.Audio.SampleRate), channels
	m.soundRate, m.soundChannels = s.AudioRate, s.AudioChannels
	if m.soundRate == 0 {
		m.soundRate = min(max(m.audio.Audio.SampleRate, minRate), maxRate)
		if s.AudioFormat == "mp3" {
			m.soundRate = rateAbove(mp3Rates, m.soundRate)
		}
	}
	if m.soundChannels == 0 {
		m.soundChannels = channels
	}
}

// aacRates are the sampling rates that AAC knows, in Hz (ISO/IEC 14496-3, table
// 1.18), but for the lowest two, which ffmpeg's encoder makes poor use of.
var aacRates = []int{11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000}

// mp3Rates are those of MP3, in Hz: MPEG-1, 2 and, the unofficial, 2.5. At others
// ffmpeg would resample without a word.
var mp3Rates = []int{8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000}

// rateAbove is the lowest of rising rates that loses nothing of the source, or
// the highest there is.
func rateAbove(rates []int, rate int) int {
	i, _ := slices.BinarySearch(rates, rate)
	return rates[min(i, len(rates)-1)]
}

// frameRate is the video's average rate, num/den frames a second.
func (m *media) frameRate() (num, den int64) {
	for _, r := range []ffmpeg.Rational{m.video.Video.AverageRate, m.video.Video.BaseRate} {
		if f := r.Float(); f >= 1./3600 && f <= 1000 {
			return r.Num, r.Den
		}
	}
	return 25, 1
}

// readProbe reads what ingest has stored of a source.
func readProbe(text string) (*ffmpeg.Probe, error) {
	probe := new(ffmpeg.Probe)
	if err := json.Unmarshal([]byte(text), probe); err != nil {
		return nil, dataset.Fail(dataset.Internal, "read the probe that ingest stored: %w", err)
	}
	return probe, nil
}

// slotFor is the length of a clip's place on the encoder's clock: a power of two
// above the longest clip and the silence after it.
func slotFor(seconds float64) int64 {
	slot := int64(4)
	for float64(slot) < seconds+2 {
		slot *= 2
	}
	return slot
}
