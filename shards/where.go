package shards

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/vm"
)

// Filter is a condition on a tuple's scalar columns.
type Filter struct{ program *vm.Program }

// FilterError says what is wrong with a condition.
type FilterError struct {
	At   int // character in the text, from 0
	What string
}

func (e *FilterError) Error() string {
	return fmt.Sprintf("where: at character %d: %s", e.At+1, e.What)
}

// maxFilterBytes bounds a condition.
const maxFilterBytes = 4096

// filterRow is what a condition can speak of, by the columns' names.
type filterRow struct {
	Key           string  `expr:"key"`
	ClipID        string  `expr:"clip_id"`
	SourceID      string  `expr:"source_id"`
	SourceURI     string  `expr:"source_uri"`
	SourceSHA256  string  `expr:"source_sha256"`
	Title         string  `expr:"title"`
	License       string  `expr:"license"`
	Text          string  `expr:"text"`
	VideoCodec    string  `expr:"video_codec"`
	Start         float64 `expr:"start"`
	End           float64 `expr:"end"`
	Duration      float64 `expr:"duration"`
	ImageTime     float64 `expr:"image_time"`
	Width         int     `expr:"width"`
	Height        int     `expr:"height"`
	FPS           float64 `expr:"fps"`
	FrameCount    int     `expr:"frame_count"`
	AudioRate     int     `expr:"audio_rate"`
	AudioChannels int     `expr:"audio_channels"`
	AudioOffsetMS float64 `expr:"audio_offset_ms"`
	Motion        float64 `expr:"motion"`
	Sharpness     float64 `expr:"sharpness"`
	Brightness    float64 `expr:"brightness"`
	Silence       float64 `expr:"silence"`
}

func filterRowOf(t *Tuple) filterRow {
	return filterRow{
		Key: t.Key, ClipID: t.ClipID, SourceID: t.SourceID, SourceURI: t.SourceURI, SourceSHA256: t.SourceSHA256, Title: t.Title,
		License: t.License, Text: t.Text, VideoCodec: t.VideoCodec, Start: t.Start, End: t.End, Duration: t.Duration, ImageTime: t.ImageTime,
		Width: int(t.Width), Height: int(t.Height), FPS: t.FPS, FrameCount: int(t.FrameCount), AudioRate: int(t.AudioRate),
		AudioChannels: int(t.AudioChannels), AudioOffsetMS: t.AudioOffsetMS, Motion: t.Motion, Sharpness: t.Sharpness,
		Brightness: t.Brightness, Silence: t.Silence,
	}
}

// filterColumns are the names that a condition can use.
func filterColumns() (names []string) {
	for f := range reflect.TypeFor[filterRow]().Fields() {
		names = append(names, f.Tag.Get("expr"))
	}
	slices.Sort(names)
	return names
}

// ParseFilter reads a condition such as
//
//	motion > 0.02 and duration >= 2 and not (silence == 1 or license contains "NC")
//
// in the language of expr (https://expr-lang.org). An empty text keeps everything.
// The error is a [*FilterError].
func ParseFilter(text string) (*Filter, error) {
	if strings.TrimSpace(text) == "" {
		return &Filter{}, nil
	}
	if len(text) > maxFilterBytes {
		return nil, &FilterError{0, fmt.Sprintf("longer than %d bytes", maxFilterBytes)}
	}
	// Only now() of the built-in functions tells more than the row does.
	program, err := expr.Compile(text, expr.Env(filterRow{}), expr.AsBool(), expr.DisableBuiltin("now"))
	if err != nil {
		return nil, filterError(err)
	}
	return &Filter{program}, nil
}

// filterError makes a line of expr's error, which shows the text below itself.
func filterError(err error) *FilterError {
	var at *file.Error
	if !errors.As(err, &at) {
		return &FilterError{0, strings.Join(strings.Fields(err.Error()), " ")}
	}
	e := &FilterError{at.Column, strings.Replace(at.Message, "unexpected token EOF", "it ends too early", 1)}
	if name, ok := strings.CutPrefix(e.What, "unknown name "); ok {
		e.What = fmt.Sprintf("%s is no column to filter by: there are %s", name, strings.Join(filterColumns(), ", "))
	}
	return e
}

// Keeps tells whether the condition is true of the tuple. The error is of a
// condition that cannot be told of it, such as one that divides by zero.
func (f *Filter) Keeps(t *Tuple) (bool, error) {
	if f.program == nil {
		return true, nil
	}
	keeps, err := expr.Run(f.program, filterRowOf(t))
	if err != nil {
		e := filterError(err)
		e.What += " (of " + t.Key + ")"
		return false, e
	}
	return keeps.(bool), nil // AsBool
}
