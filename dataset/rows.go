package dataset

import "micodata/internal/table"

// Span is a half-open stretch [Start, End) of a source's presentation timeline
// in seconds, whose zero is the start of the container.
type Span struct {
	ClipID     string // as the list gives it, else ""
	Start, End float64
	Text       string // the list's caption for this span, if it has one
	// Error is what is wrong with the span as the list gives it, one line, and ""
	// for one that is well. A span with an error has no times.
	Error string
}

// Text is a caption that came with a source.
type Text struct {
	Text, Kind, Lang string // Kind: title, alt, imported, ...
}

// Source is a row of an ingest part: one thing to ingest and what became of it.
type Source struct {
	ID      string // file-name safe, unique in its part; shards keep the first of several in the dataset
	URI     string // as the user gave it; file paths are absolute
	Title   string
	License string
	Outcome
	SHA256 string // of the media, hex
	Bytes  int64
	// Media is where the bytes are: an object name below the dataset
	// ("media/ab/abcd....mp4"), or an absolute path for a file left in place.
	Media string
	Probe string // ffprobe's report, canonical JSON
	Texts []Text
	Spans []Span // given by the list; empty = cut by content
	// Sidecars are subtitle files found beside a local source, absolute paths.
	Sidecars []Sidecar
}

// Sidecar is a subtitle file that belongs to a source.
type Sidecar struct{ Path, Lang string }

// Cue is a subtitle inside a clip; times in seconds from the clip's start.
type Cue struct {
	Start, End float64
	Text, Lang string
}

// Frame is one of a clip's uniform frames.
type Frame struct {
	Time  float64 // presentation time, seconds from the clip's start
	Image table.Blob
}

// Clip is a row of an extract part. A source that yields no clip has one row
// that says why, under the key of its clip 0.
type Clip struct {
	Key, ClipID string
	SourceID    string
	Start, End  float64 // seconds in the source; End-Start is the video's duration
	Outcome
	Errors []StageError // modalities of this clip that failed or are damaged while the clip is OK

	Text      string // the list's text for this span, "" if none
	Subtitles []Cue
	Image     table.Blob
	ImageTime float64
	Video     table.Blob
	Audio     table.Blob
	Frames    []Frame

	// Measured on what is stored.
	Width, Height, FrameCount int32
	FPS                       float64 // frames over duration
	VideoCodec                string
	AudioRate, AudioChannels  int32
	AudioOffsetMS             float64 // first sound in Video against its first frame: 0, as both begin together

	Motion     float64 // mean change of luma between consecutive frames, 0..1
	Sharpness  float64 // variance of the Laplacian of Image's luma (0..255 scale)
	Brightness float64 // mean luma of Image, 0..1
	Silence    float64 // share of 10 ms windows of the sound below -50 dBFS, 0..1; 1 without sound
	PHash      int64   // 64-bit perceptual hash of Image
}

// DepthMeta says what a depth map's values mean: value = Min + v/65535*(Max-Min).
type DepthMeta struct {
	Model, WeightsSHA256, Kind string
	Min, Max                   float32
}

// Kinds of depth: up to scale and shift, one over it up to both, and in metres.
const (
	AffineInvariantDepth = "affine_invariant_depth"
	InverseDepth         = "inverse_depth"
	MetricDepth          = "metric"
)

// NormalMeta says which model made a normal map.
type NormalMeta struct{ Model, WeightsSHA256 string }

// FrameMap is the map of one of a clip's uniform frames.
type FrameMap struct{ Map table.Blob }

// Depth is a row of a label/depth part.
type Depth struct {
	Key     string
	Outcome              // of the key frame's map
	Errors  []StageError // frames without a map, as [FrameError] says it
	Depth   table.Blob   // of the key frame
	Frames  []FrameMap   // of each frame of the clip; empty unless they are asked for
	Meta    *DepthMeta   // of all these maps; nil if there is none
}

// Normal is a row of a label/normal part.
type Normal struct {
	Key     string
	Outcome              // of the key frame's map
	Errors  []StageError // frames without a map, as [FrameError] says it
	Normal  table.Blob   // of the key frame
	Frames  []FrameMap   // of each frame of the clip; empty unless they are asked for
	Meta    *NormalMeta  // of all these maps; nil if there is none
}
