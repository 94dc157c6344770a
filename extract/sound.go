package extract

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"

	"github.com/mewkiz/flac"
	"github.com/mewkiz/flac/frame"
	"github.com/mewkiz/flac/meta"

	"micodata/dataset"
	"micodata/internal/ffmpeg"
	"micodata/internal/soundfile"
)

// encodeSound makes a file of little-endian 16-bit PCM, interleaved. MP3 costs a
// run of ffmpeg a clip.
func encodeSound(ctx context.Context, tools ffmpeg.Tools, tempDir, format string, pcm []byte, rate, channels int) (data []byte, err error) {
	switch format {
	case "flac":
		data, err = encodeFLAC(pcm, rate, channels)
	case "mp3":
		data, err = encodeMP3(ctx, tools, tempDir, pcm, rate, channels)
	default:
		data = append(soundfile.WAVHeader(len(pcm), rate, channels), pcm...)
	}
	if err != nil {
		return nil, fmt.Errorf("encode sound as %s: %w", format, err)
	}
	return data, nil
}

// flacBlock is the reference encoder's block size at 44.1 kHz and its default
// presets.
const flacBlock = 4096

func encodeFLAC(pcm []byte, rate, channels int) ([]byte, error) {
	out := new(seekBuffer)
	info := &meta.StreamInfo{BlockSizeMin: flacBlock, BlockSizeMax: flacBlock, SampleRate: uint32(rate), NChannels: uint8(channels), BitsPerSample: 16}
	enc, err := flac.NewEncoder(out, info)
	if err != nil {
		return nil, err
	}
	enc.EnablePredictionAnalysis(false) // it tries all parameters, see predict
	samples := make([]int32, flacBlock*channels)
	layout := [...]frame.Channels{1: frame.ChannelsMono, 2: frame.ChannelsLR}[channels]
	for len(pcm) > 0 {
		n := min(len(pcm)/(2*channels), flacBlock)
		f := &frame.Frame{Header: frame.Header{HasFixedBlockSize: true, BlockSize: uint16(n), SampleRate: uint32(rate), Channels: layout, BitsPerSample: 16}}
		for ch := range channels {
			s := samples[ch*flacBlock:][:n]
			for i := range s {
				s[i] = int32(int16(binary.LittleEndian.Uint16(pcm[2*(i*channels+ch):])))
			}
			f.Subframes = append(f.Subframes, predict(s))
		}
		if err := enc.WriteFrame(f); err != nil {
			return nil, err
		}
		pcm = pcm[n*channels*2:]
	}
	if err := enc.Close(); err != nil {
		return nil, err
	}
	// The encoder counts the last block, which may be shorter than FLAC allows
	// others to be, as the shortest. The block sizes follow 4 bytes of signature
	// and 4 of a header.
	binary.BigEndian.PutUint16(out.data[8:], flacBlock)
	binary.BigEndian.PutUint16(out.data[10:], flacBlock)
	return out.data, nil
}

// predict chooses how to code a channel's samples: by the fixed predictor whose
// residuals are smallest in sum, as the reference encoder does, and the Rice
// parameter that fits their mean.
func predict(s []int32) *frame.Subframe {
	sub := &frame.Subframe{Samples: s, NSamples: len(s)}
	const orders = 5
	if len(s) < orders {
		sub.Pred = frame.PredVerbatim
		return sub
	}
	var sums [orders]int64
	var last [orders]int64 // differences of each order at the sample before
	for i, v := range s {
		d := int64(v)
		for o := range orders {
			if i >= orders {
				sums[o] += max(d, -d)
			}
			d, last[o] = d-last[o], d
		}
	}
	best := 0
	for o, sum := range sums {
		if sum < sums[best] {
			best = o
		}
	}
	if slices.Max(s) == slices.Min(s) {
		sub.Pred = frame.PredConstant
		return sub
	}
	// Folded to be positive, residuals are twice as large; a geometric
	// distribution is best coded with k = log2(mean * ln 2).
	mean := 2 * float64(sums[best]) / float64(len(s))
	k := min(max(0, math.Ceil(math.Log2(mean*math.Ln2+1e-9))), 14) // 15 is an escape
	sub.Pred, sub.Order = frame.PredFixed, best
	sub.SubHeader.ResidualCodingMethod = frame.ResidualCodingMethodRice1
	sub.RiceSubframe = &frame.RiceSubframe{Partitions: []frame.RicePartition{{Param: uint(k)}}}
	return sub
}

// seekBuffer is an io.WriteSeeker in memory: the FLAC encoder writes its header
// again at the end.
type seekBuffer struct {
	data []byte
	at   int
}

func (b *seekBuffer) Write(p []byte) (int, error) {
	n := copy(b.data[b.at:], p)
	b.data = append(b.data, p[n:]...)
	b.at += len(p)
	return len(p), nil
}

var errSeek = errors.New("seek outside of the buffer")

func (b *seekBuffer) Seek(offset int64, whence int) (int64, error) {
	base := [...]int{io.SeekStart: 0, io.SeekCurrent: b.at, io.SeekEnd: len(b.data)}[whence]
	at := int64(base) + offset
	if at < 0 || at > int64(len(b.data)) {
		return 0, errSeek
	}
	b.at = int(at)
	return at, nil
}

// encodeMP3 lets ffmpeg write to a file, since how much of the start and the end
// is the codec's padding is written into the header last.
func encodeMP3(ctx context.Context, tools ffmpeg.Tools, tempDir string, pcm []byte, rate, channels int) (data []byte, err error) {
	f, err := createTemp(tempDir, "micodata-sound-*.mp3")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, tempError("remove", f.Name(), os.Remove(f.Name()))) }()
	if err := f.Close(); err != nil {
		return nil, tempError("close", f.Name(), err)
	}
	url, err := ffmpeg.FileURL(f.Name())
	if err != nil {
		return nil, err
	}
	p, err := tools.Start(ctx, soundfile.MP3Job(url, pcm, rate, channels))
	if err != nil {
		return nil, err
	}
	if err := p.Wait(); err != nil {
		return nil, mp3Error(f.Name(), err)
	}
	if data, err = os.ReadFile(f.Name()); err != nil {
		return nil, tempError("read", f.Name(), err)
	}
	return data, soundfile.SetMP3Padding(data, rate, len(pcm)/2/channels)
}

// mp3Error tells a full disk, of which ffmpeg has only words, from what ails the
// sound.
func mp3Error(path string, err error) error {
	if cause := soundfile.DiskError(err); cause != nil {
		return tempError("write", path, cause)
	}
	return itemError(err, path, dataset.Internal)
}
