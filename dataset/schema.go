package dataset

import "micodata/internal/table"

// Schemas of the part files, one a stage.
var (
	SourceSchema = table.NewSchema(
		table.Value("source_id", func(s *Source) *string { return &s.ID }),
		table.Value("uri", func(s *Source) *string { return &s.URI }),
		table.Value("title", func(s *Source) *string { return &s.Title }),
		table.Value("license", func(s *Source) *string { return &s.License }),
		table.Value("status", func(s *Source) *string { return &s.Status }),
		table.Value("error_class", func(s *Source) *string { return (*string)(&s.Class) }),
		table.Value("error", func(s *Source) *string { return &s.Error }),
		table.Value("sha256", func(s *Source) *string { return &s.SHA256 }),
		table.Value("bytes", func(s *Source) *int64 { return &s.Bytes }),
		table.Value("media", func(s *Source) *string { return &s.Media }),
		table.Value("probe", func(s *Source) *string { return &s.Probe }),
		table.List("text", func(s *Source) *[]Text { return &s.Texts },
			table.Value("text", func(t *Text) *string { return &t.Text }),
			table.Value("kind", func(t *Text) *string { return &t.Kind }),
			table.Value("lang", func(t *Text) *string { return &t.Lang })),
		table.List("spans", func(s *Source) *[]Span { return &s.Spans },
			table.Value("clip_id", func(s *Span) *string { return &s.ClipID }),
			table.Value("start", func(s *Span) *float64 { return &s.Start }),
			table.Value("end", func(s *Span) *float64 { return &s.End }),
			table.Value("text", func(s *Span) *string { return &s.Text }),
			table.Value("error", func(s *Span) *string { return &s.Error })),
		table.List("sidecars", func(s *Source) *[]Sidecar { return &s.Sidecars },
			table.Value("path", func(s *Sidecar) *string { return &s.Path }),
			table.Value("lang", func(s *Sidecar) *string { return &s.Lang })),
	)

	ClipSchema = table.NewSchema(
		table.Value("key", func(c *Clip) *string { return &c.Key }),
		table.Value("clip_id", func(c *Clip) *string { return &c.ClipID }),
		table.Value("source_id", func(c *Clip) *string { return &c.SourceID }),
		table.Value("start", func(c *Clip) *float64 { return &c.Start }),
		table.Value("end", func(c *Clip) *float64 { return &c.End }),
		table.Value("status", func(c *Clip) *string { return &c.Status }),
		table.Value("error_class", func(c *Clip) *string { return (*string)(&c.Class) }),
		table.Value("error", func(c *Clip) *string { return &c.Error }),
		table.List("errors", func(c *Clip) *[]StageError { return &c.Errors }, StageErrorColumns()...),
		table.Value("text", func(c *Clip) *string { return &c.Text }),
		table.List("subtitles", func(c *Clip) *[]Cue { return &c.Subtitles }, CueColumns()...),
		table.Media("image", table.ImageFeature, func(c *Clip) *table.Blob { return &c.Image }),
		table.Value("image_time", func(c *Clip) *float64 { return &c.ImageTime }),
		table.Media("video", table.VideoFeature, func(c *Clip) *table.Blob { return &c.Video }),
		table.Media("audio", table.Feature{"_type": "Audio"}, func(c *Clip) *table.Blob { return &c.Audio }),
		table.List("frames", func(c *Clip) *[]Frame { return &c.Frames },
			table.Value("time", func(f *Frame) *float64 { return &f.Time }),
			table.Media("image", table.ImageFeature, func(f *Frame) *table.Blob { return &f.Image })),
		table.Value("width", func(c *Clip) *int32 { return &c.Width }),
		table.Value("height", func(c *Clip) *int32 { return &c.Height }),
		table.Value("fps", func(c *Clip) *float64 { return &c.FPS }),
		table.Value("frame_count", func(c *Clip) *int32 { return &c.FrameCount }),
		table.Value("video_codec", func(c *Clip) *string { return &c.VideoCodec }),
		table.Value("audio_rate", func(c *Clip) *int32 { return &c.AudioRate }),
		table.Value("audio_channels", func(c *Clip) *int32 { return &c.AudioChannels }),
		table.Value("audio_offset_ms", func(c *Clip) *float64 { return &c.AudioOffsetMS }),
		table.Value("motion", func(c *Clip) *float64 { return &c.Motion }),
		table.Value("sharpness", func(c *Clip) *float64 { return &c.Sharpness }),
		table.Value("brightness", func(c *Clip) *float64 { return &c.Brightness }),
		table.Value("silence", func(c *Clip) *float64 { return &c.Silence }),
		table.Value("phash", func(c *Clip) *int64 { return &c.PHash }),
	)

	DepthSchema = table.NewSchema(
		table.Value("key", func(d *Depth) *string { return &d.Key }),
		table.Value("status", func(d *Depth) *string { return &d.Status }),
		table.Value("error_class", func(d *Depth) *string { return (*string)(&d.Class) }),
		table.Value("error", func(d *Depth) *string { return &d.Error }),
		table.List("errors", func(d *Depth) *[]StageError { return &d.Errors }, StageErrorColumns()...),
		table.Media("depth", table.ImageFeature, func(d *Depth) *table.Blob { return &d.Depth }),
		table.List("frames", func(d *Depth) *[]FrameMap { return &d.Frames },
			table.Media("depth", table.ImageFeature, func(f *FrameMap) *table.Blob { return &f.Map })),
		table.Struct("depth_meta", func(d *Depth) **DepthMeta { return &d.Meta }, DepthMetaColumns()...),
	)

	NormalSchema = table.NewSchema(
		table.Value("key", func(n *Normal) *string { return &n.Key }),
		table.Value("status", func(n *Normal) *string { return &n.Status }),
		table.Value("error_class", func(n *Normal) *string { return (*string)(&n.Class) }),
		table.Value("error", func(n *Normal) *string { return &n.Error }),
		table.List("errors", func(n *Normal) *[]StageError { return &n.Errors }, StageErrorColumns()...),
		table.Media("normal", table.ImageFeature, func(n *Normal) *table.Blob { return &n.Normal }),
		table.List("frames", func(n *Normal) *[]FrameMap { return &n.Frames },
			table.Media("normal", table.ImageFeature, func(f *FrameMap) *table.Blob { return &f.Map })),
		table.Struct("normal_meta", func(n *Normal) **NormalMeta { return &n.Meta }, NormalMetaColumns()...),
	)
)

// StageErrorColumns are the fields of a [StageError], shared by parts and shards.
func StageErrorColumns() []table.Column[StageError] {
	return []table.Column[StageError]{
		table.Value("stage", func(e *StageError) *string { return &e.Stage }),
		table.Value("error_class", func(e *StageError) *string { return (*string)(&e.Class) }),
		table.Value("error", func(e *StageError) *string { return &e.Error }),
	}
}

// CueColumns are the fields of a [Cue].
func CueColumns() []table.Column[Cue] {
	return []table.Column[Cue]{
		table.Value("start", func(c *Cue) *float64 { return &c.Start }),
		table.Value("end", func(c *Cue) *float64 { return &c.End }),
		table.Value("text", func(c *Cue) *string { return &c.Text }),
		table.Value("lang", func(c *Cue) *string { return &c.Lang }),
	}
}

// DepthMetaColumns are the fields of a [DepthMeta].
func DepthMetaColumns() []table.Column[DepthMeta] {
	return []table.Column[DepthMeta]{
		table.Value("model", func(m *DepthMeta) *string { return &m.Model }),
		table.Value("weights_sha256", func(m *DepthMeta) *string { return &m.WeightsSHA256 }),
		table.Value("kind", func(m *DepthMeta) *string { return &m.Kind }),
		table.Value("min", func(m *DepthMeta) *float32 { return &m.Min }),
		table.Value("max", func(m *DepthMeta) *float32 { return &m.Max }),
	}
}

// NormalMetaColumns are the fields of a [NormalMeta].
func NormalMetaColumns() []table.Column[NormalMeta] {
	return []table.Column[NormalMeta]{
		table.Value("model", func(m *NormalMeta) *string { return &m.Model }),
		table.Value("weights_sha256", func(m *NormalMeta) *string { return &m.WeightsSHA256 }),
	}
}
