package extract

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"math"

	"micodata/dataset"
	"micodata/internal/measure"
	"micodata/internal/mp4"
	"micodata/internal/nut"
	"micodata/internal/table"
)

// assemble makes a clip's row of what the encoder has given back. Its measures
// are taken from what is stored.
func (e *extraction) assemble(c *clip, k *collector) error {
	row := &c.row
	if k.job.has(videoLane) {
		video, err := muxVideo(c, k)
		if err != nil {
			return err
		}
		row.Video = table.Blob{Bytes: video, Path: row.Key + ".mp4"}
		row.Width, row.Height = int32(k.job.m.clip.w), int32(k.job.m.clip.h)
		row.FrameCount = int32(len(c.frames))
		// Rounded, so that 25 is 25 whatever the span's last digits are.
		row.FPS = math.Round(1e6*float64(len(c.frames))/(row.End-row.Start)) / 1e6
		row.VideoCodec = "h264"
	}
	if row.Audio.Bytes != nil {
		row.Audio.Path = row.Key + "." + k.job.settings.AudioFormat
	}
	row.Image = table.Blob{Bytes: c.image, Path: row.Key + ".jpg"}
	if err := measureImage(row); err != nil {
		return err
	}
	for i, n := range c.order {
		row.Frames = append(row.Frames, dataset.Frame{Time: c.frameAt[n],
			Image: table.Blob{Bytes: c.smalls[n], Path: fmt.Sprintf("%s.%02d.jpg", row.Key, i)}})
	}
	row.Outcome = dataset.OutcomeOf("", nil)
	return nil
}

// muxVideo makes the MP4.
func muxVideo(c *clip, k *collector) ([]byte, error) {
	m := k.job.m
	base := nut.Rational{Num: 1, Den: int64(m.clock)}
	movie := mp4.Movie{Video: mp4.Video{
		Width: m.clip.w, Height: m.clip.h, TimeBase: base, Duration: m.clock.ticks(c.row.End) - c.start,
	}}
	if c.isCopied {
		movie.Video.Config = c.frames[0].data // an IDR picture, with its parameter sets
		movie.Video.Color = taggedColor(m.video.Video)
	} else {
		header := k.headers[videoLane]
		if header.TimeBase != base {
			return nil, fmt.Errorf("encoded video has times in units of %v s, asked for 1/%d", header.TimeBase, m.clock)
		}
		movie.Video.Config = header.CodecData
	}
	for _, f := range c.frames {
		movie.Video.Samples = append(movie.Video.Samples, mp4.Sample{Data: f.data, PTS: f.at, Key: f.key})
	}
	if m.audio != nil {
		start, end := sampleAt(m.nativeRate, c.row.Start), sampleAt(m.nativeRate, c.row.End)
		movie.Audio = &mp4.Audio{SampleRate: m.nativeRate, Channels: m.nativeChannels, Config: k.headers[audioLane].CodecData,
			PrimingSamples: aacFrame, TotalSamples: int(end - start)}
		for _, p := range c.packets {
			movie.Audio.Packets = append(movie.Audio.Packets, p.data)
		}
	}
	var out bytes.Buffer
	if err := mp4.Write(&out, movie); err != nil {
		if c.isCopied {
			return nil, errNotCopied
		}
		return nil, dataset.Fail(dataset.Internal, "%w", err)
	}
	if c.isCopied && out.Len() > table.MaxBlobBytes {
		return nil, errNotCopied // encoded, it may be small enough
	}
	return out.Bytes(), nil
}

// errNotCopied says that what is coded in the source makes no MP4: its parameter
// sets are missing or change.
var errNotCopied = errors.New("the source's video cannot be copied")

var errNotYCbCr = errors.New("the key frame's JPEG is not YCbCr")

// measureImage measures the stored key frame.
func measureImage(row *dataset.Clip) error {
	img, err := jpeg.Decode(bytes.NewReader(row.Image.Bytes))
	if err != nil {
		return fmt.Errorf("decode the key frame: %w", err)
	}
	ycc, ok := img.(*image.YCbCr)
	if !ok {
		return errNotYCbCr
	}
	w, h := ycc.Rect.Dx(), ycc.Rect.Dy()
	luma := ycc.Y
	if ycc.YStride != w {
		luma = make([]byte, 0, w*h)
		for y := range h {
			luma = append(luma, ycc.Y[y*ycc.YStride:][:w]...)
		}
	}
	luma = luma[:w*h]
	row.Sharpness = measure.Sharpness(luma, w, h, 1)
	row.Brightness = measure.Brightness(luma)
	row.PHash = int64(measure.PHash(luma, w, h, w))
	return nil
}
