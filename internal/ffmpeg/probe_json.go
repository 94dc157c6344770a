package ffmpeg

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// probeJSON is the part of ffprobe's JSON that is read. ffprobe leaves unknown
// values out, and writes some numbers as strings.
type probeJSON struct {
	Streams []streamJSON `json:"streams"`
	Format  *struct {
		FormatName string            `json:"format_name"`
		StartTime  string            `json:"start_time"`
		Duration   string            `json:"duration"`
		Size       string            `json:"size"`
		Tags       map[string]string `json:"tags"`
	} `json:"format"`
}

type streamJSON struct {
	Index     int    `json:"index"`
	CodecName string `json:"codec_name"`
	CodecType string `json:"codec_type"`
	Profile   string `json:"profile"`

	Width             int    `json:"width"`
	Height            int    `json:"height"`
	CodedWidth        int    `json:"coded_width"`
	CodedHeight       int    `json:"coded_height"`
	PixFmt            string `json:"pix_fmt"`
	SampleAspectRatio string `json:"sample_aspect_ratio"`
	FieldOrder        string `json:"field_order"`
	ColorRange        string `json:"color_range"`
	ColorSpace        string `json:"color_space"`
	ColorTransfer     string `json:"color_transfer"`
	ColorPrimaries    string `json:"color_primaries"`
	BitsPerRawSample  string `json:"bits_per_raw_sample"`
	RFrameRate        string `json:"r_frame_rate"`
	AvgFrameRate      string `json:"avg_frame_rate"`
	HasBFrames        int    `json:"has_b_frames"`

	SampleRate    string `json:"sample_rate"`
	Channels      int    `json:"channels"`
	ChannelLayout string `json:"channel_layout"`

	TimeBase   string `json:"time_base"`
	StartPTS   int64  `json:"start_pts"`
	StartTime  string `json:"start_time"`
	DurationTS int64  `json:"duration_ts"`
	Duration   string `json:"duration"`
	NbFrames   string `json:"nb_frames"`

	Disposition  map[string]int    `json:"disposition"`
	Tags         map[string]string `json:"tags"`
	SideDataList []sideDataJSON    `json:"side_data_list"`
}

type sideDataJSON struct {
	DisplayMatrix string  `json:"displaymatrix"`
	Rotation      float64 `json:"rotation"`
}

var errNoFormat = errors.New("ffprobe said nothing of the format")

// parseProbe makes a Probe of ffprobe's JSON.
func parseProbe(data []byte) (Probe, error) {
	var raw probeJSON
	if err := json.Unmarshal(data, &raw); err != nil {
		return Probe{}, fmt.Errorf("ffprobe's JSON: %w", err)
	}
	if raw.Format == nil {
		return Probe{}, errNoFormat
	}
	p := Probe{
		Format:   raw.Format.FormatName,
		Start:    seconds(raw.Format.StartTime),
		Duration: max(0, seconds(raw.Format.Duration)),
		Bytes:    integer(raw.Format.Size),
		Title:    tag(raw.Format.Tags, "title"),
	}
	for i := range raw.Streams {
		p.Streams = append(p.Streams, raw.Streams[i].stream())
	}
	slices.SortStableFunc(p.Streams, func(a, b Stream) int { return cmp.Compare(a.Index, b.Index) })
	return p, nil
}

func (r *streamJSON) stream() Stream {
	s := Stream{
		Index: r.Index, Type: r.CodecType, Codec: r.CodecName, Profile: r.Profile,
		Language: tag(r.Tags, "language"),
		TimeBase: rational(r.TimeBase), StartPTS: r.StartPTS, DurationPTS: max(0, r.DurationTS),
		Start: seconds(r.StartTime), Duration: max(0, seconds(r.Duration)), FrameCount: integer(r.NbFrames),
		Default: r.Disposition["default"] != 0, AttachedPicture: r.Disposition["attached_pic"] != 0,
	}
	if s.Duration == 0 {
		// Matroska's, which say when the stream ends.
		s.Duration = max(0, clockTime(tag(r.Tags, "DURATION"))-max(0, s.Start))
	}
	if s.Language == "und" {
		s.Language = ""
	}
	switch s.Type {
	case "video":
		s.Video = r.video()
	case "audio":
		s.Audio = Audio{SampleRate: int(integer(r.SampleRate)), Channels: max(0, r.Channels), Layout: r.ChannelLayout}
	}
	return s
}

func (r *streamJSON) video() Video {
	v := Video{
		Width: max(0, r.Width), Height: max(0, r.Height),
		CodedWidth: max(0, r.CodedWidth), CodedHeight: max(0, r.CodedHeight),
		PixelFormat: r.PixFmt, SampleAspect: rational(r.SampleAspectRatio), FieldOrder: r.FieldOrder,
		ColorRange: r.ColorRange, ColorSpace: r.ColorSpace,
		ColorTransfer: r.ColorTransfer, ColorPrimaries: r.ColorPrimaries,
		BitsPerSample: int(integer(r.BitsPerRawSample)),
		AverageRate:   rational(r.AvgFrameRate), BaseRate: rational(r.RFrameRate),
		ReorderFrames: max(0, r.HasBFrames),
	}
	for _, side := range r.SideDataList {
		if side.DisplayMatrix != "" {
			v.Flip, v.Rotation = orientation(side)
		}
	}
	return v
}

// orientation reads a display matrix. It maps (x, y), y down, to (ax+cy, bx+dy);
// a negative determinant is a mirrored picture.
func orientation(side sideDataJSON) (flip bool, rotation int) {
	var m []float64
	for line := range strings.Lines(side.DisplayMatrix) {
		_, row, ok := strings.Cut(line, ":") // "00000000:  0  65536  0"
		for _, f := range strings.Fields(row) {
			if v, err := strconv.ParseInt(f, 10, 32); ok && err == nil {
				m = append(m, float64(v))
			}
		}
	}
	if len(m) < 5 || m[0]*m[4]-m[1]*m[3] == 0 {
		return false, rightAngle(-side.Rotation) // ffmpeg counts counterclockwise
	}
	a, b, c, d := m[0], m[1], m[3], m[4]
	if flip = a*d-b*c < 0; flip {
		a, b = -a, -b
	}
	return flip, rightAngle(math.Atan2(b, a) * 180 / math.Pi)
}

// rightAngle is the multiple of 90 nearest to degrees, from 0 to 270.
func rightAngle(degrees float64) int {
	if math.Abs(degrees) > 1e6 { // no angle, and too large for the arithmetic
		return 0
	}
	quarter := int(math.Round(degrees/90)) % 4
	return (quarter + 4) % 4 * 90
}

// integer is a count; 0 if s is none or negative.
func integer(s string) int64 {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return 0
	}
	return max(0, n)
}

// seconds is a time; 0 if s is none or beyond a time.Duration (292 years).
func seconds(s string) time.Duration {
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || !(math.Abs(f) < math.MaxInt64/1e9) {
		return 0
	}
	return time.Duration(math.Round(f*1e6)) * time.Microsecond // ffprobe writes six places
}

// clockTime reads "00:00:08.023000000"; what is none is 0.
func clockTime(s string) time.Duration {
	hours, rest, _ := strings.Cut(s, ":")
	minutes, secs, ok := strings.Cut(rest, ":")
	h, m := integer(hours), integer(minutes)
	if !ok || h > 1000 || m > 59 {
		return 0
	}
	return time.Duration(h)*time.Hour + time.Duration(m)*time.Minute + seconds(secs)
}

// rational reads "a/b" or "a:b". What isn't a positive fraction is unknown.
func rational(s string) Rational {
	num, den, ok := strings.Cut(strings.Replace(s, ":", "/", 1), "/")
	r := Rational{integer(num), integer(den)}
	if !ok || r.Num == 0 || r.Den == 0 {
		return Rational{}
	}
	return r
}

// tag finds a tag whatever its case; of several, the first by name.
func tag(tags map[string]string, name string) string {
	if v, ok := tags[name]; ok {
		return v
	}
	for _, k := range slices.Sorted(maps.Keys(tags)) {
		if strings.EqualFold(k, name) {
			return tags[k]
		}
	}
	return ""
}
