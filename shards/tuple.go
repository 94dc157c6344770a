package shards

import (
	"micodata/dataset"
	"micodata/internal/table"
	"micodata/storage"
)

// Tuple is a row of a training set: what one clip yielded. docs/format.md says
// what each column means.
type Tuple struct {
	Key, ClipID         string
	SourceID, SourceURI string
	SourceSHA256        string // of the source's media, hex
	Title, License      string
	Start, End          float64 // seconds in the source, half-open
	Text                string  // the highest-ranked of Captions, "" if there is none
	Captions            []Caption
	Subtitles           []dataset.Cue
	Image               table.Blob
	ImageTime           float64 // seconds from the clip's start
	Video, Audio        table.Blob
	Depth               table.Blob
	DepthMeta           *dataset.DepthMeta
	Normal              table.Blob
	NormalMeta          *dataset.NormalMeta
	Frames              []Frame
	Width, Height       int32
	FPS                 float64
	FrameCount          int32
	VideoCodec          string
	AudioRate           int32 // 0 without sound, as the two below
	AudioChannels       int32
	AudioOffsetMS       float64
	Motion, Sharpness   float64
	Brightness, Silence float64
	PHash               int64
	Duration            float64 // End - Start
	Status              []dataset.StageError
}

// Caption is one of a clip's texts.
type Caption struct {
	Text, Kind, Model, Lang string
	Score                   float32
}

// Frame is one of a clip's uniform frames, with its maps where they were asked
// for.
type Frame struct {
	Time                 float64 // seconds from the clip's start
	Image, Depth, Normal table.Blob
}

// NewTupleSchema is the schema of shards whose audio is sampled at rate Hz; 0 if
// the rate differs from tuple to tuple.
func NewTupleSchema(rate int) *table.Schema[Tuple] {
	return table.NewSchema(tupleColumns(func(t *Tuple) *Tuple { return t }, blobColumns(rate), framesColumn())...)
}

// Is tells whether an open file is the shard that the manifest names: by its size and
// by what identifies its content. A takedown puts another in its place.
func (s Shard) Is(o storage.Object, r *table.Reader[Tuple]) bool {
	return o.Size() == s.Bytes && r.Metadata(MetaPlan) == s.Plan
}

// mediaColumn makes the columns for a blob: itself in shards, its place in the
// index.
type mediaColumn[R any] func(name string, blob func(*Tuple) *table.Blob) []table.Column[R]

// blobColumns makes media columns for shards.
func blobColumns(rate int) mediaColumn[Tuple] {
	audio := table.Feature{"_type": "Audio"}
	if rate > 0 {
		audio = table.AudioFeature(rate)
	}
	features := map[string]table.Feature{"video": table.VideoFeature, "audio": audio}
	return func(name string, blob func(*Tuple) *table.Blob) []table.Column[Tuple] {
		feature, ok := features[name]
		if !ok {
			feature = table.ImageFeature
		}
		return []table.Column[Tuple]{table.Media(name, feature, blob)}
	}
}

// tupleColumns are the columns of a tuple within rows of type R, in the order of
// the format: of shards, or of the index, whose media columns and frames are
// others.
func tupleColumns[R any](t func(*R) *Tuple, media mediaColumn[R], frames table.Column[R]) []table.Column[R] {
	text := func(name string, at func(*Tuple) *string) table.Column[R] {
		return table.Value(name, func(r *R) *string { return at(t(r)) })
	}
	float := func(name string, at func(*Tuple) *float64) table.Column[R] {
		return table.Value(name, func(r *R) *float64 { return at(t(r)) })
	}
	count := func(name string, at func(*Tuple) *int32) table.Column[R] {
		return table.Value(name, func(r *R) *int32 { return at(t(r)) })
	}
	var cols []table.Column[R]
	add := func(c ...table.Column[R]) { cols = append(cols, c...) }
	add(text("key", func(t *Tuple) *string { return &t.Key }),
		text("clip_id", func(t *Tuple) *string { return &t.ClipID }),
		text("source_id", func(t *Tuple) *string { return &t.SourceID }),
		text("source_uri", func(t *Tuple) *string { return &t.SourceURI }),
		text("source_sha256", func(t *Tuple) *string { return &t.SourceSHA256 }),
		text("title", func(t *Tuple) *string { return &t.Title }),
		text("license", func(t *Tuple) *string { return &t.License }),
		float("start", func(t *Tuple) *float64 { return &t.Start }),
		float("end", func(t *Tuple) *float64 { return &t.End }),
		text("text", func(t *Tuple) *string { return &t.Text }),
		table.List("captions", func(r *R) *[]Caption { return &t(r).Captions }, captionColumns()...),
		table.List("subtitles", func(r *R) *[]dataset.Cue { return &t(r).Subtitles }, dataset.CueColumns()...))
	add(media("image", func(t *Tuple) *table.Blob { return &t.Image })...)
	add(float("image_time", func(t *Tuple) *float64 { return &t.ImageTime }))
	add(media("video", func(t *Tuple) *table.Blob { return &t.Video })...)
	add(media("audio", func(t *Tuple) *table.Blob { return &t.Audio })...)
	add(media("depth", func(t *Tuple) *table.Blob { return &t.Depth })...)
	add(table.Struct("depth_meta", func(r *R) **dataset.DepthMeta { return &t(r).DepthMeta }, dataset.DepthMetaColumns()...))
	add(media("normal", func(t *Tuple) *table.Blob { return &t.Normal })...)
	add(table.Struct("normal_meta", func(r *R) **dataset.NormalMeta { return &t(r).NormalMeta }, dataset.NormalMetaColumns()...))
	add(frames,
		count("width", func(t *Tuple) *int32 { return &t.Width }),
		count("height", func(t *Tuple) *int32 { return &t.Height }),
		float("fps", func(t *Tuple) *float64 { return &t.FPS }),
		count("frame_count", func(t *Tuple) *int32 { return &t.FrameCount }),
		text("video_codec", func(t *Tuple) *string { return &t.VideoCodec }),
		count("audio_rate", func(t *Tuple) *int32 { return &t.AudioRate }),
		count("audio_channels", func(t *Tuple) *int32 { return &t.AudioChannels }),
		float("audio_offset_ms", func(t *Tuple) *float64 { return &t.AudioOffsetMS }),
		float("motion", func(t *Tuple) *float64 { return &t.Motion }),
		float("sharpness", func(t *Tuple) *float64 { return &t.Sharpness }),
		float("brightness", func(t *Tuple) *float64 { return &t.Brightness }),
		table.Value("phash", func(r *R) *int64 { return &t(r).PHash }),
		float("silence", func(t *Tuple) *float64 { return &t.Silence }),
		float("duration", func(t *Tuple) *float64 { return &t.Duration }),
		table.List("status", func(r *R) *[]dataset.StageError { return &t(r).Status }, dataset.StageErrorColumns()...))
	return cols
}

func captionColumns() []table.Column[Caption] {
	return []table.Column[Caption]{
		table.Value("text", func(c *Caption) *string { return &c.Text }),
		table.Value("kind", func(c *Caption) *string { return &c.Kind }),
		table.Value("model", func(c *Caption) *string { return &c.Model }),
		table.Value("lang", func(c *Caption) *string { return &c.Lang }),
		table.Value("score", func(c *Caption) *float32 { return &c.Score }),
	}
}

// framesColumn is the list of frames in shards.
func framesColumn() table.Column[Tuple] {
	return table.List("frames", func(t *Tuple) *[]Frame { return &t.Frames },
		table.Value("time", func(f *Frame) *float64 { return &f.Time }),
		table.Media("image", table.ImageFeature, func(f *Frame) *table.Blob { return &f.Image }),
		table.Media("depth", table.ImageFeature, func(f *Frame) *table.Blob { return &f.Depth }),
		table.Media("normal", table.ImageFeature, func(f *Frame) *table.Blob { return &f.Normal }))
}
