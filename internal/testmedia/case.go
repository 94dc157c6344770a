package testmedia

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// Case is one file of the catalogue and what a reader must find in it. Fields
// that make no sense for the file (the size of an HTML page) are zero.
type Case struct {
	Name string // the argument of File; also the file's name without extension

	// WantClass is the error class that ingesting and extracting the file must
	// end in (the contract's words: not_media, corrupt, no_video, too_short,
	// unsupported_codec), or "" when it must yield clips.
	WantClass string
	// Partial marks a damaged file of which decoders still read a part. Keeping
	// that part is as good as WantClass, as long as the damage is reported.
	Partial bool

	Width, Height int     // as shown: rotated upright, square pixels; odd sizes kept
	Frames        int     // pictures that are presented (edit lists obeyed); 0 = depends on the decoder
	Duration      float64 // seconds, of the container as ffprobe reports it, to 0.05
	HasAudio      bool
	AudioChannels int // of the first audio stream

	Rotation   int  // degrees clockwise by which a player turns the stored picture: 0, 90, 180, 270
	Interlaced bool // top field first
	// Quadrants marks files that show, upright and unscaled, pure red top left,
	// green (0,255,0) top right, blue bottom left and yellow bottom right.
	Quadrants bool

	Note string // what is odd about it, and truth that has no field
}

// recipe says how a case is made: by ffmpeg (args) or by Go (content). An
// argument "case:NAME" stands for the path of another case.
type recipe struct {
	Case
	ext     string
	args    []string
	content func(t testing.TB) []byte
}

func catalogue() []recipe {
	return slices.Concat(codecs(), pictures(), sounds(), timings(), brokenFiles(), disguises())
}

// All lists the catalogue, in a fixed order. It makes no files.
func All() []Case {
	var cases []Case
	for _, r := range catalogue() {
		cases = append(cases, r.Case)
	}
	return cases
}

// File returns the path of the named case, making the file if need be.
func File(t testing.TB, name string) string {
	t.Helper()
	all := catalogue()
	i := slices.IndexFunc(all, func(r recipe) bool { return r.Name == name })
	if i < 0 {
		t.Fatalf("testmedia: no case is called %q", name)
	}
	r := all[i]
	if r.content != nil {
		return written(t, r.Name+r.ext, r.content(t))
	}
	args := slices.Clone(r.args)
	for i, arg := range args {
		if other, ok := strings.CutPrefix(arg, "case:"); ok {
			args[i] = File(t, other)
		}
	}
	return encoded(t, r.Name+r.ext, args, nil)
}

// edited returns content for a recipe: the bytes of another case, changed.
func edited(name string, change func(b []byte) []byte) func(t testing.TB) []byte {
	return func(t testing.TB) []byte {
		t.Helper()
		b, err := os.ReadFile(File(t, name))
		if err != nil {
			t.Fatalf("testmedia: %v", err)
		}
		return change(b)
	}
}
