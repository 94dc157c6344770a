package testmedia

import (
	"fmt"
	"slices"
)

// The usual clip of the catalogue: big enough for a picture to be recognised
// when halved, small enough to encode in about 0.1 s.
const (
	usualWidth   = 320
	usualHeight  = 180
	usualFPS     = 25
	usualSeconds = 3
	usualFrames  = usualFPS * usualSeconds
)

// lavfi is an input made by a filter graph.
func lavfi(graph string, a ...any) []string {
	return []string{"-f", "lavfi", "-i", fmt.Sprintf(graph, a...)}
}

// moving is the usual picture: test bars with a running counter.
func moving() []string {
	return lavfi("testsrc2=s=%dx%d:r=%d:d=%d", usualWidth, usualHeight, usualFPS, usualSeconds)
}

// quadrants is a filter graph that shows four colours (see Case.Quadrants).
func quadrants(w, h int) string {
	return fmt.Sprintf("color=yellow:s=%dx%d:r=%d:d=%d,format=rgb24"+
		",drawbox=0:0:iw/2:ih/2:red:fill,drawbox=iw/2:0:iw:ih/2:lime:fill,drawbox=0:ih/2:iw/2:ih:blue:fill",
		w, h, usualFPS, usualSeconds)
}

// tone is a sine of the usual length.
func tone(hz int) []string {
	return lavfi("sine=f=%d:r=48000:d=%d", hz, usualSeconds)
}

// x264 is the cheapest H.264, 8-bit 4:2:0, with a keyframe every two seconds.
// Frames keep their times: MP4 would by default repeat some to fill a gap.
func x264(more ...string) []string {
	return slices.Concat([]string{"-fps_mode", "passthrough", "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-g", "50"}, more)
}

// x265 is the cheapest HEVC; params is appended to -x265-params.
func x265(pixelFormat, params string) []string {
	return []string{"-c:v", "libx265", "-preset", "ultrafast", "-pix_fmt", pixelFormat, "-tag:v", "hvc1",
		"-x265-params", "log-level=error:pools=none:frame-threads=1" + params}
}

func aac() []string { return []string{"-c:a", "aac", "-b:a", "64k"} }

// arguments joins inputs and options and ends them with what every output
// needs: the same bytes each time, one thread, no encoder tags.
func arguments(parts ...[]string) []string {
	return append(slices.Concat(parts...),
		"-threads", "1", "-fflags", "+bitexact", "-flags:v", "+bitexact", "-flags:a", "+bitexact")
}

// usual fills in the expectations of a clip with the usual size, length and
// frame rate and one mono track.
func usual(name, note string) Case {
	c := silent(name, note)
	c.HasAudio, c.AudioChannels = true, 1
	return c
}

// silent is usual without an audio track.
func silent(name, note string) Case {
	return Case{Name: name, Note: note, Width: usualWidth, Height: usualHeight, Frames: usualFrames, Duration: usualSeconds}
}

// show sets the size of the shown picture.
func (c Case) show(w, h int) Case { c.Width, c.Height = w, h; return c }

// last sets the number of frames and the seconds.
func (c Case) last(frames int, seconds float64) Case {
	c.Frames, c.Duration = frames, seconds
	return c
}

// fails sets the error class.
func (c Case) fails(class string) Case { c.WantClass = class; return c }
