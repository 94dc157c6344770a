package shards

import (
	"errors"
	"fmt"
	"reflect"
	"regexp/syntax"
	"slices"
	"strings"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/vm"
)

// Filter is a condition on a tuple's scalar columns.
type Filter struct {
	text    string
	program *vm.Program // nil keeps everything
}

// FilterError says what is wrong with a condition, or that it cannot be told of a
// tuple, such as one that divides by zero. It is a mistake of the condition's author.
type FilterError struct {
	Text string // the condition
	At   int    // character in it, from 0
	Key  string // of the tuple; "" if it is wrong of any
	What string
}

func (e *FilterError) Error() string {
	of := ""
	if e.Key != "" {
		of = " (of " + e.Key + ")"
	}
	return fmt.Sprintf("where %q: at character %d: %s%s", e.Text, e.At+1, e.What, of)
}

// What bounds a condition's time and memory, beside its having no loops: its length,
// and the steps of a regular expression's program, of which each may be tried at each
// byte of a text. What is written out has a step a byte; a counted repetition has
// many more.
const (
	maxFilterBytes  = 4096
	maxPatternSteps = 2 * maxFilterBytes
)

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
	PHash         int     `expr:"phash"`
	Silence       float64 `expr:"silence"`
}

func filterRowOf(t *Tuple) filterRow {
	return filterRow{
		Key: t.Key, ClipID: t.ClipID, SourceID: t.SourceID, SourceURI: t.SourceURI, SourceSHA256: t.SourceSHA256, Title: t.Title,
		License: t.License, Text: t.Text, VideoCodec: t.VideoCodec, Start: t.Start, End: t.End, Duration: t.Duration, ImageTime: t.ImageTime,
		Width: int(t.Width), Height: int(t.Height), FPS: t.FPS, FrameCount: int(t.FrameCount), AudioRate: int(t.AudioRate),
		AudioChannels: int(t.AudioChannels), AudioOffsetMS: t.AudioOffsetMS, Motion: t.Motion, Sharpness: t.Sharpness,
		Brightness: t.Brightness, PHash: int(t.PHash), Silence: t.Silence,
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

// filterFunctions are those of expr's functions that a condition can call: what they
// give is no larger than what they are given.
var filterFunctions = []string{"abs", "ceil", "float", "floor", "int", "len", "lower", "max", "min", "round", "trim", "upper"}

var noFunction = "conditions have no such function: there are " + strings.Join(filterFunctions, ", ")

// ParseFilter reads a condition such as
//
//	motion > 0.02 and duration >= 2 and not (silence == 1 or license contains "NC")
//
// in a part of the language of expr (https://expr-lang.org), which docs/format.md
// tells. An empty text keeps everything. The error is a [*FilterError].
func ParseFilter(text string) (*Filter, error) {
	if strings.TrimSpace(text) == "" {
		return &Filter{}, nil
	}
	if len(text) > maxFilterBytes {
		return nil, &FilterError{Text: text[:40] + "...", What: fmt.Sprintf("longer than %d bytes", maxFilterBytes)}
	}
	var language filterLanguage
	program, err := expr.Compile(text, expr.Env(filterRow{}), expr.AsBool(), expr.Patch(&language))
	switch {
	case language.refusal != nil:
		language.refusal.Text = text
		return nil, language.refusal
	case err != nil:
		return nil, filterError(text, "", err)
	}
	return &Filter{text, program}, nil
}

// filterLanguage is a visitor that refuses what a condition over columns does not
// need. With loops, variables and growing texts a line of expr can run for ever or
// take all memory, and nothing can stop it.
type filterLanguage struct{ refusal *FilterError } // the first in the text

// Visit implements [ast.Visitor]. What it refuses it takes out, so that it is not
// compiled either: constant parts would be computed then.
func (l *filterLanguage) Visit(node *ast.Node) {
	what := refuses(*node)
	if what == "" {
		return
	}
	// Of a node and what is in it the node, which stands first or is visited later.
	if at := (*node).Location().From; l.refusal == nil || at <= l.refusal.At {
		l.refusal = &FilterError{At: at, What: what}
	}
	ast.Patch(node, &ast.NilNode{})
}

// refuses says what is wrong with a node of a condition, "" if nothing is.
func refuses(node ast.Node) string {
	switch n := node.(type) {
	case *ast.BoolNode, *ast.IntegerNode, *ast.FloatNode, *ast.StringNode, *ast.ArrayNode, *ast.UnaryNode, *ast.ConditionalNode:
		return ""
	case *ast.IdentifierNode:
		if names := filterColumns(); !slices.Contains(names, n.Value) {
			return fmt.Sprintf("%s is no column to filter by: there are %s", n.Value, strings.Join(names, ", "))
		}
		return ""
	case *ast.BuiltinNode:
		if !slices.Contains(filterFunctions, n.Name) {
			return noFunction
		}
		return ""
	case *ast.CallNode:
		return noFunction
	case *ast.BinaryNode:
		return refusesOperator(n)
	case *ast.VariableDeclaratorNode:
		return "a condition has no variables"
	case *ast.MemberNode, *ast.SliceNode, *ast.ChainNode:
		return "columns have no parts: compare them whole, or by contains, startsWith, endsWith or matches"
	}
	return "this is no part of a condition: it is made of columns, numbers, quoted texts, lists in [], operators and functions"
}

func refusesOperator(n *ast.BinaryNode) string {
	switch n.Operator {
	case "..":
		return "a range cannot be used: write x >= 1 and x <= 9"
	case "+":
		if kind := n.Type().Kind(); kind != reflect.Int && kind != reflect.Float64 {
			return "+ adds numbers only" // texts would grow
		}
	case "matches":
		pattern, ok := n.Right.(*ast.StringNode)
		if !ok {
			return "matches wants a quoted pattern"
		}
		parsed, err := syntax.Parse(pattern.Value, syntax.Perl)
		if err != nil {
			return fmt.Sprintf("the pattern %q cannot be read: %v", pattern.Value, err)
		}
		if program, err := syntax.Compile(parsed.Simplify()); err != nil || len(program.Inst) > maxPatternSteps {
			return fmt.Sprintf("the pattern %q repeats too much: want less than %d steps", pattern.Value, maxPatternSteps)
		}
	}
	return ""
}

// filterError makes a line of expr's error, which shows the text below itself.
func filterError(text, key string, err error) *FilterError {
	e := &FilterError{Text: text, Key: key, What: strings.Join(strings.Fields(err.Error()), " ")}
	var at *file.Error
	if errors.As(err, &at) {
		e.At, e.What = at.From, strings.Replace(at.Message, "unexpected token EOF", "it ends too early", 1)
	}
	if e.What == `unexpected token Operator("=")` {
		e.What = "= compares nothing: write == for \"is equal to\""
	}
	return e
}

// Keeps tells whether the condition is true of the tuple. The error is a
// [*FilterError], of a condition that cannot be told of it.
func (f *Filter) Keeps(t *Tuple) (bool, error) {
	if f.program == nil {
		return true, nil
	}
	keeps, err := expr.Run(f.program, filterRowOf(t))
	if err != nil {
		return false, filterError(f.text, t.Key, err)
	}
	return keeps.(bool), nil // AsBool
}
