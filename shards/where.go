package shards

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// Filter is a condition on a tuple's scalar columns.
type Filter struct{ keeps func(*Tuple) bool }

// Keeps tells whether the condition is true of the tuple.
func (f *Filter) Keeps(t *Tuple) bool { return f.keeps == nil || f.keeps(t) }

// FilterError says what is wrong with a condition.
type FilterError struct {
	At   int // byte in the text
	What string
}

func (e *FilterError) Error() string {
	return fmt.Sprintf("where: at character %d: %s", e.At+1, e.What)
}

// ParseFilter reads a condition such as
//
//	motion > 0.02 and duration >= 2 and not (silence = 1 or license = 'unknown')
//
// of columns, numbers and strings in quotes, compared by < <= > >= = and !=,
// joined by and, or, not and parentheses. Strings compare by bytes. An empty
// text keeps everything. The error is a [*FilterError].
func ParseFilter(text string) (*Filter, error) {
	if strings.TrimSpace(text) == "" {
		return &Filter{}, nil
	}
	if len(text) > maxFilterBytes {
		return nil, &FilterError{0, fmt.Sprintf("longer than %d bytes", maxFilterBytes)}
	}
	tokens, err := scan(text)
	if err != nil {
		return nil, err
	}
	p := &filterParser{tokens: tokens}
	keeps, err := p.or()
	if err != nil {
		return nil, err
	}
	if t := p.peek(); t.kind != endToken {
		return nil, &FilterError{t.at, fmt.Sprintf("%q is too much: join conditions by and, or", t.text)}
	}
	return &Filter{keeps}, nil
}

// maxFilterBytes bounds a condition, and with it the depth of its parentheses.
const maxFilterBytes = 4096

// numberColumns and textColumns are what a condition can speak of.
var numberColumns = map[string]func(*Tuple) float64{
	"start": func(t *Tuple) float64 { return t.Start }, "end": func(t *Tuple) float64 { return t.End },
	"duration": func(t *Tuple) float64 { return t.Duration }, "image_time": func(t *Tuple) float64 { return t.ImageTime },
	"width": func(t *Tuple) float64 { return float64(t.Width) }, "height": func(t *Tuple) float64 { return float64(t.Height) },
	"fps": func(t *Tuple) float64 { return t.FPS }, "frame_count": func(t *Tuple) float64 { return float64(t.FrameCount) },
	"audio_rate": func(t *Tuple) float64 { return float64(t.AudioRate) }, "audio_channels": func(t *Tuple) float64 { return float64(t.AudioChannels) },
	"audio_offset_ms": func(t *Tuple) float64 { return t.AudioOffsetMS }, "motion": func(t *Tuple) float64 { return t.Motion },
	"sharpness": func(t *Tuple) float64 { return t.Sharpness }, "brightness": func(t *Tuple) float64 { return t.Brightness },
	"silence": func(t *Tuple) float64 { return t.Silence },
}

var textColumns = map[string]func(*Tuple) string{
	"key": func(t *Tuple) string { return t.Key }, "clip_id": func(t *Tuple) string { return t.ClipID },
	"source_id": func(t *Tuple) string { return t.SourceID }, "source_uri": func(t *Tuple) string { return t.SourceURI },
	"source_sha256": func(t *Tuple) string { return t.SourceSHA256 }, "title": func(t *Tuple) string { return t.Title },
	"license": func(t *Tuple) string { return t.License }, "text": func(t *Tuple) string { return t.Text },
	"video_codec": func(t *Tuple) string { return t.VideoCodec },
}

type tokenKind int

const (
	endToken tokenKind = iota
	wordToken
	numberToken
	stringToken
	signToken // comparison or parenthesis
)

type token struct {
	kind tokenKind
	text string // of a string without its quotes
	at   int
}

func scan(s string) (tokens []token, err error) {
	for i := 0; i < len(s); {
		start, c := i, rune(s[i])
		span := func(in func(rune) bool) string {
			for i < len(s) && in(rune(s[i])) {
				i++
			}
			return s[start:i]
		}
		switch {
		case unicode.IsSpace(c):
			i++
		case c == '\'' || c == '"':
			end := strings.IndexRune(s[i+1:], c)
			if end < 0 {
				return nil, &FilterError{i, "the string has no end"}
			}
			tokens = append(tokens, token{stringToken, s[i+1 : i+1+end], i})
			i += end + 2
		case c == '_' || c < 0x80 && unicode.IsLetter(c):
			word := span(func(c rune) bool { return c == '_' || c < 0x80 && (unicode.IsLetter(c) || unicode.IsDigit(c)) })
			tokens = append(tokens, token{wordToken, word, start})
		case strings.ContainsRune("0123456789.-+", c):
			i++ // the sign
			number := span(func(c rune) bool { return strings.ContainsRune("0123456789.eE", c) })
			tokens = append(tokens, token{numberToken, number, start})
		case strings.ContainsRune("<>=!", c):
			tokens = append(tokens, token{signToken, span(func(c rune) bool { return strings.ContainsRune("<>=!", c) }), start})
		case c == '(' || c == ')':
			i++
			tokens = append(tokens, token{signToken, string(c), start})
		default:
			return nil, &FilterError{i, fmt.Sprintf("%q has no meaning here", c)}
		}
	}
	return append(tokens, token{endToken, "the end", len(s)}), nil
}

type filterParser struct {
	tokens []token
	next   int
}

func (p *filterParser) peek() token { return p.tokens[p.next] }

// accept takes a word or sign if it is next.
func (p *filterParser) accept(kind tokenKind, text string) bool {
	t := p.peek()
	if t.kind != kind || !strings.EqualFold(t.text, text) {
		return false
	}
	p.next++
	return true
}

func (p *filterParser) or() (func(*Tuple) bool, error) {
	a, err := p.and()
	for err == nil && p.accept(wordToken, "or") {
		left := a
		var right func(*Tuple) bool
		right, err = p.and()
		a = func(t *Tuple) bool { return left(t) || right(t) }
	}
	return a, err
}

func (p *filterParser) and() (func(*Tuple) bool, error) {
	a, err := p.not()
	for err == nil && p.accept(wordToken, "and") {
		left := a
		var right func(*Tuple) bool
		right, err = p.not()
		a = func(t *Tuple) bool { return left(t) && right(t) }
	}
	return a, err
}

func (p *filterParser) not() (func(*Tuple) bool, error) {
	if p.accept(wordToken, "not") {
		a, err := p.not()
		return func(t *Tuple) bool { return !a(t) }, err
	}
	if p.accept(signToken, "(") {
		a, err := p.or()
		if err == nil && !p.accept(signToken, ")") {
			err = &FilterError{p.peek().at, "a parenthesis is open"}
		}
		return a, err
	}
	return p.comparison()
}

// operand is one side of a comparison: of the two, one is set.
type operand struct {
	number func(*Tuple) float64
	text   func(*Tuple) string
}

func (p *filterParser) operand() (operand, error) {
	t := p.peek()
	p.next = min(p.next+1, len(p.tokens)-1)
	switch t.kind {
	case numberToken:
		v, err := strconv.ParseFloat(t.text, 64)
		if err != nil {
			return operand{}, &FilterError{t.at, fmt.Sprintf("%q is no number", t.text)}
		}
		return operand{number: func(*Tuple) float64 { return v }}, nil
	case stringToken:
		return operand{text: func(*Tuple) string { return t.text }}, nil
	case wordToken:
		o := operand{numberColumns[t.text], textColumns[t.text]}
		if o.number != nil || o.text != nil {
			return o, nil
		}
		names := slices.Sorted(maps.Keys(numberColumns))
		names = append(names, slices.Sorted(maps.Keys(textColumns))...)
		return operand{}, &FilterError{t.at, fmt.Sprintf("%q is no column to filter by: there are %s", t.text, strings.Join(names, ", "))}
	}
	return operand{}, &FilterError{t.at, fmt.Sprintf("want a column, a number or a string in quotes, not %s", t.text)}
}

func (p *filterParser) comparison() (func(*Tuple) bool, error) {
	a, err := p.operand()
	if err != nil {
		return nil, err
	}
	sign := p.peek()
	holds, ok := map[string]func(int) bool{
		"<": func(c int) bool { return c < 0 }, "<=": func(c int) bool { return c <= 0 },
		">": func(c int) bool { return c > 0 }, ">=": func(c int) bool { return c >= 0 },
		"=": func(c int) bool { return c == 0 }, "==": func(c int) bool { return c == 0 },
		"!=": func(c int) bool { return c != 0 },
	}[sign.text]
	if !ok || sign.kind != signToken {
		return nil, &FilterError{sign.at, fmt.Sprintf("want < <= > >= = or !=, not %s", sign.text)}
	}
	p.next++
	b, err := p.operand()
	if err != nil {
		return nil, err
	}
	switch {
	case a.number != nil && b.number != nil:
		return func(t *Tuple) bool { return holds(cmp.Compare(a.number(t), b.number(t))) }, nil
	case a.text != nil && b.text != nil:
		return func(t *Tuple) bool { return holds(strings.Compare(a.text(t), b.text(t))) }, nil
	}
	return nil, &FilterError{sign.at, "a number and a string cannot be compared"}
}
