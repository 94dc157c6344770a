package ingest

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"micodata/dataset"
)

// maxSeconds bounds times (three years), so that they fit any clock tick.
const maxSeconds = 1e8

// maxSpans bounds the clips of a source: as many as keys have digits for. It
// also bounds what a row that is all commas takes in memory.
const maxSpans = 100_000

// parseSpans reads a clips cell: a list of spans, or the text of such a list as
// JSON or as Python writes it. A span is [start, end], or an object with start
// and end or, as HD-VILA-100M has it, with span; also clip_id and text. One that
// makes no sense has its Error set. Nothing is nil, a list of nothing is not.
func parseSpans(cell any) ([]dataset.Span, error) {
	if s, ok := cell.(string); ok {
		v, err := parseLiteral(s)
		if err != nil {
			return nil, fmt.Errorf("clips: %w", err)
		}
		cell = v
	}
	if cell == nil {
		return nil, nil
	}
	list, ok := cell.([]any)
	if !ok {
		return nil, errors.New("clips: not a list")
	}
	if len(list) > maxSpans {
		return nil, fmt.Errorf("clips: %d of them; the limit is %d", len(list), maxSpans)
	}
	spans := make([]dataset.Span, len(list))
	for i, v := range list {
		s := &spans[i]
		if m, ok := v.(map[string]any); ok {
			s.ClipID = clean(first(m, []string{"clip_id", "id"}))
			s.Text = clean(first(m, []string{"text", "caption"}))
		}
		var err error
		if s.Start, s.End, err = parseSpan(v); err != nil {
			s.Error = fmt.Sprintf("clip %d: %v", i+1, err)
		}
	}
	return spans, nil
}

// parseSpan reads when a clip starts and ends, neither if there is an error.
func parseSpan(v any) (start, end float64, err error) {
	if m, ok := v.(map[string]any); ok {
		if v, ok = m["span"]; !ok {
			start, okStart := m["start"]
			end, okEnd := m["end"]
			if !okStart || !okEnd {
				return 0, 0, errors.New("neither span nor start and end")
			}
			v = []any{start, end}
		}
	}
	pair, ok := v.([]any)
	if !ok || len(pair) != 2 {
		return 0, 0, errors.New("not a pair of start and end")
	}
	if start, err = parseTime(pair[0]); err != nil {
		return 0, 0, fmt.Errorf("start: %w", err)
	}
	if end, err = parseTime(pair[1]); err != nil {
		return 0, 0, fmt.Errorf("end: %w", err)
	}
	if end <= start {
		return 0, 0, fmt.Errorf("ends at %g, before its start at %g or with it", end, start)
	}
	return start, end, nil
}

// parseTime reads seconds, or "HH:MM:SS.mmm" with or without the hours.
func parseTime(v any) (float64, error) {
	var t float64
	var err error
	switch v := v.(type) {
	case float64:
		t = v
	case int64:
		t = float64(v)
	case json.Number:
		t, err = parseSeconds(v.String())
	case string:
		t, err = parseClock(strings.TrimSpace(v))
	default:
		err = fmt.Errorf("%v is not a time", v)
	}
	if err != nil {
		return 0, err
	}
	if !(t >= 0 && t < maxSeconds) { // not a number is neither
		return 0, fmt.Errorf("%v is not a time between 0 and %.0f s", v, maxSeconds)
	}
	return t, nil
}

func parseClock(s string) (float64, error) {
	parts := strings.Split(s, ":")
	if len(parts) > 3 {
		return 0, fmt.Errorf("%q is not a time", s)
	}
	total := 0.0
	for i, p := range parts {
		last := i == len(parts)-1
		if last {
			p = strings.Replace(p, ",", ".", 1) // SubRip's comma
		}
		n, err := parseSeconds(p)
		if err != nil || len(parts) > 1 && (!digits(p, last) || i > 0 && n >= 60) {
			return 0, fmt.Errorf("%q is not a time", s)
		}
		total = total*60 + n
	}
	return total, nil
}

func parseSeconds(s string) (float64, error) {
	t, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsNaN(t) || math.IsInf(t, 0) {
		return 0, fmt.Errorf("%q is not a number of seconds", s)
	}
	return t, nil
}

func digits(s string, point bool) bool {
	return s != "" && strings.Trim(s, "0123456789.") == "" && (point || !strings.Contains(s, "."))
}
