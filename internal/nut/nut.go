// Package nut reads and writes the NUT container, in which ffmpeg passes frames
// through pipes with their exact times.
//
// What enters a [Reader] is the output of `ffmpeg -f nut pipe:N`; what leaves is
// one [Frame] after the other, in decoding order, with its presentation time in
// the stream's own time base, unrounded. A [Writer] is the reverse, for
// `ffmpeg -f nut -i pipe:N`. Payloads are neither copied nor summed: they go
// from the reader into the caller's buffer and from it to the writer.
//
// It is the format of "NUT Open Container Format", 20130327, versions 3 and 4,
// for streams: seeking, the index and metadata are passed over when reading and
// not written. A broken stream ends in an error that wraps [ErrCorrupt]; there
// is no search for the next good packet, since pipes don't lose bytes.
//
// When ffmpeg writes NUT:
//
//   - "-avoid_negative_ts disabled" keeps video's times as they are; without
//     it, H.264 with B-frames is moved so that the first decoding time is 0;
//   - AAC needs that move, since its padding is before time 0, which NUT cannot
//     say. So sound and picture had best go to a pipe each: in one, both move,
//     and by what is rounded to each one's time base;
//   - a time base below 1/48000 s is made finer by a whole factor, so that no
//     time is rounded, but [Stream].TimeBase is not the encoder's;
//   - "-write_index 0" spares it a record of each frame until the end.
package nut

import "errors"

// ErrCorrupt is wrapped by errors about bytes that are not valid NUT, or that
// pass a limit.
var ErrCorrupt = errors.New("corrupt NUT stream")

// Rational is a fraction.
type Rational struct{ Num, Den int64 }

// Class is what a stream holds.
type Class int

// The classes of the specification.
const (
	ClassVideo Class = iota
	ClassAudio
	ClassSubtitle
	ClassData
)

// FourCC codes of what micodata pipes, as ffmpeg writes them.
const (
	FourCCYUV420P = "I420"
	FourCCGray    = "Y800"
	FourCCBGR24   = "BGR\x18"
	FourCCRGB24   = "RGB\x18"
	FourCCS16LE   = "PSD\x10"
	FourCCH264    = "H264"
	FourCCAAC     = "\xff\x00\x00\x00"
	FourCCMJPEG   = "MJPG"
)

// Stream is the header of one stream.
type Stream struct {
	Class       Class
	FourCC      string   // two or four bytes
	TimeBase    Rational // seconds per unit of Frame.PTS, in lowest terms
	CodecData   []byte   // the codec's global headers: for H.264 Annex B, for AAC AudioSpecificConfig
	DecodeDelay int      // frames by which decoding precedes presentation at most

	// Of a video stream, in pixels; SampleAspect is 0/0 if unknown.
	Width, Height int
	SampleAspect  Rational

	// Of an audio stream; SampleRate in Hz.
	SampleRate Rational
	Channels   int
}

// Frame is one coded frame.
type Frame struct {
	Stream int   // index of its stream
	PTS    int64 // presentation time in units of the stream's TimeBase
	Key    bool
	Data   []byte
}

const fileID = "nut/multimedia container\x00"

// Start codes, which all begin with 'N'.
const (
	mainStart   = 0x4E4D7A561F5F04AD
	streamStart = 0x4E5311405BF2F9DB
	syncStart   = 0x4E4BE4ADEECA4569
	indexStart  = 0x4E58DD672F23E64E
	infoStart   = 0x4E49AB68B596BA78
)

// Flags of a frame. Those from flagCoded on belong to a frame code only.
const (
	flagKey       = 1
	flagEOR       = 2
	flagCodedPTS  = 8
	flagStreamID  = 16
	flagSizeMSB   = 32
	flagChecksum  = 64
	flagReserved  = 128
	flagSideData  = 256
	flagHeaderIdx = 1024
	flagMatchTime = 2048
	flagCoded     = 4096
	flagInvalid   = 8192
)

// largePacket is the size of a packet beyond which its header has a checksum of
// its own, and of a frame beyond which nothing of it is elided.
const largePacket = 4096

// Limits on headers. ffmpeg's are 256 streams and 128 elision headers.
const (
	maxStreams     = 256
	maxElisions    = 128
	maxHeaderBytes = 1 << 20 // of one packet; the largest part is the codec's data
)

// maxPTS keeps sums of times from overflowing. In nanoseconds it is 73 years.
const maxPTS = 1 << 61
