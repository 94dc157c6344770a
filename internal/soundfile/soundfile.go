// Package soundfile makes files of PCM: headers of WAV, and MP3 by ffmpeg. Sound goes
// in as little-endian 16-bit samples, channels interleaved.
package soundfile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strings"
	"syscall"

	ffgo "github.com/u2takey/ffmpeg-go"

	"micodata/internal/ffmpeg"
)

// WAVHeader is the canonical 44 bytes in front of size bytes of PCM, of samples at
// rate Hz.
func WAVHeader(size, rate, channels int) []byte {
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

// SetMP3Padding writes into an MP3's header how much of its end is padding, so that
// decoders that heed it give back so many samples a channel. ffmpeg never says
// more than a frame of it, where its encoder may add up to two.
func SetMP3Padding(mp3 []byte, rate, samples int) error {
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

// MP3Job is a run of ffmpeg that writes PCM to url as MP3, 64 kbit/s a channel. The
// url must be of a file: how much of the start is the codec's delay is written into
// its header last. [SetMP3Padding] completes the header.
func MP3Job(url string, pcm []byte, rate, channels int) ffmpeg.Job {
	args := ffgo.Input(ffmpeg.InputURL(0), ffgo.KwArgs{"f": "s16le", "ar": rate, "ac": channels}).
		Output(url, ffgo.KwArgs{
			"c:a": "libmp3lame", "b:a": 64000 * channels, "threads": "1",
			"fflags": "+bitexact", "flags:a": "+bitexact", "id3v2_version": "0", "f": "mp3",
		}).GetArgs()
	return ffmpeg.Job{
		// By default a header that cannot be written is no error.
		Args:   append([]string{"-y", "-xerror"}, args...),
		Inputs: []ffmpeg.Feed{ffmpeg.Copy(bytes.NewReader(pcm))},
	}
}

// DiskError is the cause of a run of ffmpeg that failed since its file could not
// be written, of which ffmpeg has only words; nil for other failures.
func DiskError(err error) error {
	var exit *ffmpeg.ExitError
	if errors.As(err, &exit) {
		for _, cause := range []syscall.Errno{syscall.ENOSPC, syscall.EDQUOT, syscall.EIO, syscall.EROFS} {
			if strings.Contains(strings.ToLower(exit.Stderr), cause.Error()) {
				return cause
			}
		}
	}
	return nil
}
