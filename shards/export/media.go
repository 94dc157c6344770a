package export

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"image/png"
	"io"
	"os"
	"path"

	"github.com/mewkiz/flac"

	"micodata/internal/ffmpeg"
	"micodata/internal/soundfile"
	"micodata/internal/table"
	"micodata/storage"
)

// unfitError says that a blob is broken; for that reason its clip fails.
type unfitError struct{ reason string }

func (e *unfitError) Error() string { return e.reason }

// Blobs as no version of micodata writes them; verify tells more.
var (
	errSound    = &unfitError{"audio that does not decode"}
	errNotPCM16 = &unfitError{"audio is not of 16 bits"}
	errDepth    = &unfitError{"depth is no 16-bit gray PNG"}
)

// wav makes a file of 16-bit PCM of a set's sound, which is FLAC, WAV or MP3.
func (x *exporter) wav(ctx context.Context, c *clip) ([]byte, error) {
	pcm, rate, channels, err := x.decodeSound(ctx, c)
	if err != nil {
		return nil, err
	}
	return append(soundfile.WAVHeader(len(pcm), rate, channels), pcm...), nil
}

// decodeSound gives a sound's samples, 16 bits, little-endian and interleaved.
func (x *exporter) decodeSound(ctx context.Context, c *clip) (pcm []byte, rate, channels int, err error) {
	if path.Ext(c.Audio.Path) == ".flac" {
		return decodeFLAC(c.Audio.Bytes)
	}
	pcm, err = x.decodeByFFmpeg(ctx, c)
	return pcm, int(c.AudioRate), int(c.AudioChannels), err
}

// decodeFLAC gives interleaved 16-bit samples, little-endian.
func decodeFLAC(data []byte) (pcm []byte, rate, channels int, err error) {
	s, err := flac.New(bytes.NewReader(data))
	if err != nil {
		return nil, 0, 0, errSound
	}
	if s.Info.BitsPerSample != 16 {
		return nil, 0, 0, errNotPCM16
	}
	channels = int(s.Info.NChannels)
	pcm = make([]byte, 0, int(min(s.Info.NSamples, table.MaxBlobBytes))*2*channels)
	for {
		f, err := s.ParseNext()
		if errors.Is(err, io.EOF) {
			// What is cut between two frames ends as what is whole does.
			if n := uint64(len(pcm) / 2 / channels); n == 0 || n != s.Info.NSamples && s.Info.NSamples != 0 {
				return nil, 0, 0, errSound
			}
			return pcm, int(s.Info.SampleRate), channels, nil
		}
		if err != nil {
			return nil, 0, 0, errSound
		}
		for i := range f.Subframes[0].Samples {
			for _, sub := range f.Subframes {
				pcm = binary.LittleEndian.AppendUint16(pcm, uint16(sub.Samples[i]))
			}
		}
	}
}

// decodeByFFmpeg gives what ffmpeg makes of a clip's sound: 16-bit samples at its
// rate and of its channels. It reads a file: from a pipe it keeps the padding at an
// MP3's end.
func (x *exporter) decodeByFFmpeg(ctx context.Context, c *clip) (pcm []byte, err error) {
	tools, err := x.Tools(ctx)
	if err != nil {
		return nil, err
	}
	f, drop, err := x.temp(c)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, drop()) }()
	if _, err := f.Write(c.Audio.Bytes); err != nil {
		return nil, &storage.Error{Op: "write", Path: f.Name(), Err: err}
	}
	args, err := ffmpeg.InputArgs(f.Name())
	if err != nil {
		return nil, err
	}
	p, err := tools.Start(ctx, ffmpeg.Job{
		Args: append(args, "-map", "0:a:0", "-ar", fmt.Sprint(c.AudioRate), "-ac", fmt.Sprint(c.AudioChannels),
			"-f", "s16le", ffmpeg.OutputURL(0, 0)),
		Outputs: 1,
	})
	if err != nil {
		return nil, err
	}
	pcm, readErr := io.ReadAll(p.Output(0))
	err = errors.Join(p.Wait(), readErr)
	var exit *ffmpeg.ExitError
	if errors.As(err, &exit) && ctx.Err() == nil || err == nil && len(pcm) == 0 {
		return nil, errSound
	}
	return pcm, err
}

// temp makes a temporary file for a clip, and what drops it. What a crash leaves of
// it, at the top of the folder, is swept by the next run.
func (x *exporter) temp(c *clip) (f *os.File, drop func() error, err error) {
	dir := x.Out.Path("")
	f, err = storage.CreateTemp(dir, c.id)
	if err != nil {
		return nil, nil, &storage.Error{Op: "make a temporary file in", Path: dir, Err: err}
	}
	return f, func() error { return errors.Join(os.Remove(f.Name()), f.Close()) }, nil
}

// gray8 makes an 8-bit RGB PNG, its channels alike, of a 16-bit depth map: loaders
// open maps as pictures of three channels, and a 16-bit one becomes white or an
// error there. 0 stays near, 65535 becomes 255.
func gray8(depth []byte) ([]byte, error) {
	img, err := decodeGray16(depth)
	if err != nil {
		return nil, err
	}
	out := image.NewNRGBA(img.Rect)
	for i := range len(img.Pix) / 2 {
		v := level8(img.Pix[2*i:])
		out.Pix[4*i], out.Pix[4*i+1], out.Pix[4*i+2], out.Pix[4*i+3] = v, v, v, 255
	}
	var buf bytes.Buffer
	// Speed: a twin is made of every tuple, and its size is small beside the video's.
	err = (&png.Encoder{CompressionLevel: png.BestSpeed}).Encode(&buf, out)
	return buf.Bytes(), err
}

// level8 is a 16-bit big-endian level in 8 bits, rounded.
func level8(b []byte) uint8 { return uint8((uint32(binary.BigEndian.Uint16(b))*255 + 32767) / 65535) }

// decodeGray16 decodes a set's depth map.
func decodeGray16(depth []byte) (*image.Gray16, error) {
	img, err := png.Decode(bytes.NewReader(depth))
	gray, ok := img.(*image.Gray16)
	if err != nil || !ok {
		return nil, errDepth
	}
	return gray, nil
}
