package extract

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	ffgo "github.com/u2takey/ffmpeg-go"
	"io"
	"math"
	"os"
	"slices"
	"strings"
	"syscall"

	"github.com/mewkiz/flac"
	"github.com/mewkiz/flac/frame"
	"github.com/mewkiz/flac/meta"

	"micodata/dataset"
	"micodata/internal/ffmpeg"
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
		data = append(wavHeader(len(pcm), rate, channels), pcm...)
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

// wavHeader is the canonical 44 bytes of 16-bit PCM.
func wavHeader(size, rate, channels int) []byte {
	le := binary.LittleEndian
	h := append([]byte("RIFF"), 0, 0, 0, 0)
	le.PutUint32(h[4:], uint32(min(int64(size)+36, math.MaxUint32)))
	h = append(h, "WAVEfmt "...)
	h = le.AppendUint32(h, 16)
	h = le.AppendUint16(h, 1)
	h = le.AppendUint16(h, uint16(channels))
	h = le.AppendUint32(h, uint32(rate))
	h = le.AppendUint32(h, uint32(rate*channels*2))
	h = le.AppendUint16(h, uint16(channels*2))
	h = le.AppendUint16(h, 16)
	h = append(h, "data"...)
	return le.AppendUint32(h, uint32(size))
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
	p, err := tools.Start(ctx, ffmpeg.Job{
		Args:   mp3Args(url, rate, channels),
		Inputs: []ffmpeg.Feed{ffmpeg.Copy(bytes.NewReader(pcm))},
	})
	if err != nil {
		return nil, err
	}
	if err := p.Wait(); err != nil {
		return nil, mp3Error(f.Name(), err)
	}
	if data, err = os.ReadFile(f.Name()); err != nil {
		return nil, tempError("read", f.Name(), err)
	}
	return data, setPadding(data, rate, len(pcm)/2/channels)
}

// setPadding writes into an MP3's header how much of its end is padding, so that
// decoders that heed it give back so many samples a channel. ffmpeg never says
// more than a frame of it, where its encoder may add up to two.
func setPadding(mp3 []byte, rate, samples int) error {
	tag := bytes.Index(mp3[:min(len(mp3), 64)], []byte("Info"))
	if tag < 0 {
		tag = bytes.Index(mp3[:min(len(mp3), 64)], []byte("Xing"))
	}
	// The fields (LAME's info tag): flags, which tell the size of what follows,
	// frames, bytes, 100 of contents, quality; then 21 bytes to the padding and 10
	// more to the checksum.
	const fields, toPadding, toChecksum = 8 + 4 + 4 + 100 + 4, 21, 34
	at := tag + fields
	if tag < 0 || len(mp3) < at+toChecksum+2 || binary.BigEndian.Uint32(mp3[tag+4:]) != 0xf {
		return errors.New("the header that tells an MP3's padding is not there")
	}
	frame := 1152
	if rate < 32000 {
		frame = 576
	}
	field := mp3[at+toPadding:][:3]
	delay := int(field[0])<<4 | int(field[1])>>4
	padding := int(binary.BigEndian.Uint32(mp3[tag+8:]))*frame - delay - samples
	if padding < 0 || padding >= 1<<12 {
		return fmt.Errorf("an MP3 of %d samples with %d of padding", samples, padding)
	}
	field[1], field[2] = field[1]&0xf0|byte(padding>>8), byte(padding)
	binary.BigEndian.PutUint16(mp3[at+toChecksum:], crc16(mp3[:at+toChecksum]))
	return nil
}

// crc16 is CRC-16/ARC.
func crc16(data []byte) uint16 {
	var crc uint16
	for _, b := range data {
		crc ^= uint16(b)
		for range 8 {
			crc = crc>>1 ^ crc&1*0xa001
		}
	}
	return crc
}

// mp3Args are those of a run that writes PCM to url as MP3.
func mp3Args(url string, rate, channels int) []string {
	args := ffgo.Input(ffmpeg.InputURL(0), ffgo.KwArgs{"f": "s16le", "ar": rate, "ac": channels}).
		Output(url, ffgo.KwArgs{
			"c:a": "libmp3lame", "b:a": 64000 * channels, "threads": "1",
			"fflags": "+bitexact", "flags:a": "+bitexact", "id3v2_version": "0", "f": "mp3",
		}).GetArgs()
	// By default a header that cannot be written is no error.
	return append([]string{"-y", "-xerror"}, args...)
}

// mp3Error tells a full disk, of which ffmpeg has only words, from what ails the
// sound.
func mp3Error(path string, err error) error {
	var exit *ffmpeg.ExitError
	if errors.As(err, &exit) {
		for _, cause := range []syscall.Errno{syscall.ENOSPC, syscall.EDQUOT, syscall.EIO, syscall.EROFS} {
			if strings.Contains(strings.ToLower(exit.Stderr), cause.Error()) {
				return tempError("write", path, cause)
			}
		}
	}
	return itemError(err, path, dataset.Internal)
}
