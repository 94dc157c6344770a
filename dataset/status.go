package dataset

import (
	"errors"
	"fmt"
	"path"
	"strings"
)

// Status of a source or a clip.
const (
	OK      = "ok"
	Failed  = "failed"
	Skipped = "skipped"
)

// Class is the kind of a failure: what users count, filter and retry by.
type Class string

// The classes of failure. No other value is ever stored.
const (
	NotFound         Class = "not_found"
	Forbidden        Class = "forbidden"
	RateLimited      Class = "rate_limited"
	Timeout          Class = "timeout"
	Network          Class = "network"
	TooLarge         Class = "too_large"
	NotMedia         Class = "not_media"
	UnsupportedCodec Class = "unsupported_codec"
	Corrupt          Class = "corrupt"
	NoVideo          Class = "no_video"
	TooShort         Class = "too_short"
	BlockedAddress   Class = "blocked_address"
	Policy           Class = "policy"
	Labeler          Class = "labeler"
	Internal         Class = "internal"
)

// Classes lists all classes in the contract's order.
func Classes() []Class {
	return []Class{NotFound, Forbidden, RateLimited, Timeout, Network, TooLarge, NotMedia,
		UnsupportedCodec, Corrupt, NoVideo, TooShort, BlockedAddress, Policy, Labeler, Internal}
}

// ItemError is a failure of one source or clip: a row, not the end of a run.
// Errors of any other type end the run.
type ItemError struct {
	Class Class
	Err   error
}

func (e *ItemError) Error() string { return fmt.Sprintf("%s: %v", e.Class, e.Err) }
func (e *ItemError) Unwrap() error { return e.Err }

// Fail makes an [*ItemError].
func Fail(c Class, format string, args ...any) error {
	return &ItemError{Class: c, Err: fmt.Errorf(format, args...)}
}

// AsItem returns the item failure in err's chain, if there is one.
func AsItem(err error) (*ItemError, bool) {
	var e *ItemError
	ok := errors.As(err, &e)
	return e, ok
}

// Outcome is the state of a source or a clip after a stage.
type Outcome struct {
	Status string // OK, Failed or Skipped
	Class  Class  // empty when OK
	Error  string // one line for people; empty when OK
}

// OutcomeOf turns an item's error into its row's state; nil is OK.
func OutcomeOf(status string, err error) Outcome {
	if err == nil {
		return Outcome{Status: OK}
	}
	o := Outcome{Status: status, Class: Internal, Error: OneLine(err.Error())}
	if e, ok := AsItem(err); ok {
		o.Class, o.Error = e.Class, OneLine(e.Err.Error())
	}
	return o
}

// StageError names what failed on the way to a tuple, or is damaged, and why; the
// element of the set's `status` column.
type StageError struct {
	Stage string
	Class Class
	Error string
}

// FrameError is the entry for a map that the labeler of a stage could not make of
// frame i of a clip, from 0. It names the column that lacks the map, such as
// label/frames.depth, and the frame.
func FrameError(stage string, i int, err error) StageError {
	o := OutcomeOf(Failed, err)
	return StageError{Stage: frameStage(stage), Class: o.Class, Error: OneLine(frameName(i) + o.Error)}
}

// OfFrame tells whether e is the [FrameError] of that stage and frame.
func (e StageError) OfFrame(stage string, i int) bool {
	return e.Stage == frameStage(stage) && strings.HasPrefix(e.Error, frameName(i))
}

func frameStage(stage string) string {
	folder, labeler := path.Split(stage)
	return folder + "frames." + labeler
}

func frameName(i int) string { return fmt.Sprintf("frames[%d]: ", i) }

// maxErrorBytes keeps a decoder's complaints from filling rows.
const maxErrorBytes = 500

// OneLine is a message as rows hold it: without control characters, and cut
// where it gets too long.
func OneLine(s string) string {
	b := make([]rune, 0, len(s))
	size := 0
	for _, r := range s {
		if r < ' ' || r == 0x7f {
			r = ' '
		}
		if size += len(string(r)); size > maxErrorBytes {
			return string(b) + "..."
		}
		b = append(b, r)
	}
	return string(b)
}
