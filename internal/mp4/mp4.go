// Package mp4 writes one MP4 file from packets in memory: H.264, with AAC or
// without sound.
//
// What enters is a [Movie]: access units in decoding order with exact
// presentation times. What leaves is a progressive file that begins with its
// index (moov before mdat, "faststart"), the same bytes for the same movie: no
// clock and no chance is in it. Guaranteed of the file:
//
//   - the picture has no edit list. Decoding times are the presentation times in
//     rising order, and B-frames have negative offsets from them (ctts version
//     1), so that the first frame shown is at 0 also for readers that ignore
//     edit lists, as decord does;
//   - each frame's time and the track's duration are exact in its time base;
//   - the sound's edit list hides the encoder's padding at the start, and the
//     last packet's duration ends the track at the sample asked for;
//   - sound and picture are interleaved every half second.
//
// The formats are those of ISO/IEC 14496-12 (boxes), -14 (AAC) and -15 (H.264).
package mp4

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"

	mp4ff "github.com/Eyevinn/mp4ff/mp4"

	"micodata/internal/nut"
)

// Movie is what a file is made of.
type Movie struct {
	Video Video
	Audio *Audio // nil: no sound
}

// Video is the picture.
type Video struct {
	Width, Height int          // pixels, which are square
	TimeBase      nut.Rational // seconds per unit of PTS and Duration

	// Config is the parameter sets, in Annex B form or as an
	// AVCDecoderConfigurationRecord ("avcC"). Samples have the same form: start
	// codes in the first case, 4-byte lengths in the second.
	Config []byte

	Samples  []Sample // in decoding order
	Duration int64    // the end of the last frame shown
	Color    *Color   // nil: not said
}

// Sample is one coded frame. Of the frames of a movie, the first one shown has
// PTS 0, and no two have the same.
type Sample struct {
	Data []byte
	PTS  int64
	Key  bool // decoding can start here
}

// Color is the code points of ISO/IEC 23091-2 (the same as H.264's).
type Color struct {
	Primaries, Transfer, Matrix uint16
	FullRange                   bool
}

// Audio is the sound, from the movie's start.
type Audio struct {
	SampleRate, Channels int
	Config               []byte   // AudioSpecificConfig
	Packets              [][]byte // AAC without ADTS headers, 1024 samples each

	// PrimingSamples is how many samples at the start of what is decoded are
	// the encoder's padding (1024 with ffmpeg's), and TotalSamples how many
	// after them are the sound. Packets beyond are left out.
	PrimingSamples, TotalSamples int
}

// ErrMovie is wrapped by errors about a movie that cannot be written.
var ErrMovie = errors.New("movie cannot be written")

const mdatHeader = 8 // bytes: size and type

// Write writes the file. w sees nothing of a movie that cannot be written.
func Write(w io.Writer, m Movie) error {
	video, err := videoTrack(&m.Video)
	if err != nil {
		return fmt.Errorf("%w: video: %w", ErrMovie, err)
	}
	tracks := []*track{video}
	if m.Audio != nil {
		audio, err := audioTrack(m.Audio)
		if err != nil {
			return fmt.Errorf("%w: audio: %w", ErrMovie, err)
		}
		tracks = append(tracks, audio)
	}
	chunks := interleave(tracks)
	// ctts of version 1 came with brand iso4.
	ftyp := mp4ff.NewFtyp("isom", 0x200, []string{"isom", "iso4", "avc1", "mp41"})
	moov, err := movieBox(tracks)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrMovie, err)
	}
	end := ftyp.Size() + moov.Size() + mdatHeader
	numbers := map[*track]int{}
	for _, c := range chunks {
		c.track.stco.ChunkOffset[numbers[c.track]] = uint32(end)
		numbers[c.track]++
		end += c.bytes()
	}
	if end > math.MaxUint32 { // clips end up in Parquet blobs, which hold 2 GiB
		return fmt.Errorf("%w: %d bytes are more than 4 GiB", ErrMovie, end)
	}
	if err = writeFile(w, ftyp, moov, chunks); err != nil {
		return fmt.Errorf("write MP4: %w", err)
	}
	return nil
}

func writeFile(w io.Writer, ftyp *mp4ff.FtypBox, moov *mp4ff.MoovBox, chunks []chunk) error {
	if err := ftyp.Encode(w); err != nil {
		return err
	}
	if err := moov.Encode(w); err != nil {
		return err
	}
	mdat := uint64(mdatHeader)
	for _, c := range chunks {
		mdat += c.bytes()
	}
	header := append(binary.BigEndian.AppendUint32(nil, uint32(mdat)), "mdat"...)
	if _, err := w.Write(header); err != nil {
		return err
	}
	for _, c := range chunks {
		for _, data := range c.track.data[c.first:c.end] {
			if _, err := w.Write(data); err != nil {
				return err
			}
		}
	}
	return nil
}
