package extract

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"

	"micodata/extract/scenecut"
	"micodata/internal/ffmpeg"
)

// feed is one of the decoder's outputs.
type feed int

const (
	taps   feed = iota // what the cut detector needs of every frame
	clips              // every frame at the clip's size
	smalls             // frames of the grid at the size of uniform frames
	images             // frames of the coarse grid at the size of the key frame
	native             // sound at the source's rate, for the clip
	sound              // sound as it is stored separately
	feeds
)

// clockOffset is added to all times between the decoder and us, since NUT has no
// times below 0, and frames before the container's start have such.
const clockOffset = 1 << 12 // seconds

// Grids of frames, in Hz. Of the fine one come the uniform frames: 8 of a clip of
// a second or more lie at most 1/24 s from where they are asked. Of the coarse
// one comes the key frame: four candidates a second are enough to avoid a blink
// or a blur, and more only move bytes.
const (
	fineGrid   = 12
	coarseGrid = 4
)

// media is what a source is and what is to be made of it.
type media struct {
	path  string
	video ffmpeg.Stream
	audio *ffmpeg.Stream // nil: without sound
	// duration is what the container says, in seconds, and end when the video
	// ends by its header, from the container's start; 0 if that is not said.
	duration, end float64
	// isIndexed says that the container tells where each frame lies, so that a
	// seek is exact.
	isIndexed bool

	plan  *scenecut.Plan // nil: not cut by content
	clip  size
	image size
	small size
	color colours
	clock clock // of pictures

	nativeRate, nativeChannels int
	soundRate, soundChannels   int
}

// has tells which feeds the decoder has.
func (m *media) has(f feed) bool {
	switch f {
	case taps:
		return m.plan != nil
	case native, sound:
		return m.audio != nil
	}
	return true
}

// frameBytes is the size of one frame of a feed of pictures.
func (m *media) frameBytes(f feed) int {
	switch f {
	case taps:
		return m.plan.FrameBytes()
	case clips:
		return m.clip.bytes()
	case smalls:
		return m.small.bytes()
	case images:
		return m.image.bytes()
	}
	panic(fmt.Sprintf("extract: feed %d has no frames", f))
}

// damagedShare is how much of a source may fail to decode before ffmpeg says so
// by its exit status: a recording that begins between keyframes loses some
// frames, which is no damage worth a failed row.
const damagedShare = "0.01"

// decodeJob is the run of ffmpeg that decodes m from one second to another (0:
// to the end). Its outputs are the feeds that m has, in their order, each a NUT
// stream. Every frame is taken to be of the grids if wholeGrid is set.
func decodeJob(m *media, from, until int, wholeGrid bool) (ffmpeg.Job, error) {
	var maps [][]byte
	if m.plan != nil {
		maps = m.plan.Maps()
	}
	options := []string{"-threads", "1", "-noautorotate",
		// The graph is kept when the picture's size changes midway: one made
		// anew would wait for its maps for ever.
		"-reinit_filter:v", "0"}
	if from > 0 {
		options = append(options, "-ss", strconv.Itoa(from))
	}
	if until > 0 {
		options = append(options, "-t", strconv.Itoa(until-from))
	}
	input, err := ffmpeg.InputArgs(m.path, options...)
	if err != nil {
		return ffmpeg.Job{}, err
	}
	job := ffmpeg.Job{Args: append([]string{"-filter_complex_threads", "1", "-max_error_rate", damagedShare}, input...)}
	for i, data := range maps {
		job.Args = append(job.Args, m.plan.MapArgs(ffmpeg.InputURL(i))...)
		job.Inputs = append(job.Inputs, ffmpeg.Copy(bytes.NewReader(data)))
	}
	job.Args = append(job.Args, "-filter_complex", m.graph(len(maps), wholeGrid))
	for f := range feeds {
		if !m.has(f) {
			continue
		}
		job.Args = append(job.Args, m.outputArgs(f)...)
		job.Args = append(job.Args, ffmpeg.OutputURL(len(maps), job.Outputs))
		job.Outputs++
	}
	return job, nil
}

// graph is the filtergraph of all pictures.
func (m *media) graph(maps int, wholeGrid bool) string {
	v := m.video.Video
	// This scale does nothing until a frame of another size or format comes.
	source := fmt.Sprintf("[0:%d]scale=%d:%d:flags=bicubic", m.video.Index, v.Width, v.Height)
	var chains []string
	if m.plan != nil {
		var pads []string
		for i := range maps {
			pads = append(pads, fmt.Sprintf("%d:v", i+1))
		}
		chains = append(chains, source+",split[scored][display]", m.plan.Filter("scored", pads, "taps"))
		source = "[display]null"
	}
	switch v.FieldOrder {
	case "tt", "bb", "tb", "bt":
		source += ",bwdif=mode=send_frame:deint=interlaced" // one frame out for each in
	}
	fine, coarse := grid(fineGrid), grid(coarseGrid)
	if wholeGrid {
		fine, coarse = "null", "null"
	}
	chains = append(chains,
		source+",split[whole][picked]",
		"[whole]"+storeFilter(v, m.color, m.clip)+"[clips]",
		"[picked]"+fine+",split[fine][rest]",
		"[fine]"+storeFilter(v, m.color, m.small)+"[smalls]",
		"[rest]"+coarse+","+storeFilter(v, m.color, m.image)+"[images]")
	return strings.Join(chains, ";")
}

// grid selects the first frame in each period of a grid of so many Hz.
func grid(hz int) string {
	return fmt.Sprintf("select='isnan(prev_selected_t)+gt(floor(t*%d),floor(prev_selected_t*%[1]d))'", hz)
}

func (m *media) outputArgs(f feed) []string {
	var args []string
	if f == native || f == sound {
		rate, channels := m.nativeRate, m.nativeChannels
		if f == sound {
			rate, channels = m.soundRate, m.soundChannels
		}
		args = []string{"-map", fmt.Sprintf("0:%d", m.audio.Index), "-c:a", "pcm_s16le",
			"-ar", strconv.Itoa(rate), "-ac", strconv.Itoa(channels)}
	} else {
		label := [...]string{taps: "[taps]", clips: "[clips]", smalls: "[smalls]", images: "[images]"}[f]
		// Times stay as they are, in the source's own units.
		args = []string{"-map", label, "-c:v", "rawvideo", "-fps_mode", "passthrough",
			"-enc_time_base", fmt.Sprintf("1:%d", m.clock)}
	}
	return append(args, "-avoid_negative_ts", "disabled", "-output_ts_offset", strconv.Itoa(clockOffset),
		"-write_index", "0", "-f", "nut")
}
