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
	taps         feed = iota // what the cut detector needs of every frame
	moments                  // the time of every frame, where there are no taps
	stillMoments             // the time of every frame of stills
	copied                   // the video as it is coded in the source, for clips that need no encoding
	clips                    // every frame at the clip's size; its time is that of the taps or moments
	stills                   // frames of a grid at the key frame's size, for the key frame and the uniform ones
	native                   // sound at the source's rate, for the clip
	sound                    // sound as it is stored separately
	feeds
)

// clockOffset is added to all times between the decoder and us, since NUT has no
// times below 0, and frames before the container's start have such.
const clockOffset = 1 << 12 // seconds

// media is what a source is and what is to be made of it.
type media struct {
	path   string
	format string  // Probe.Format
	start  float64 // of the container, in seconds on its own clock
	video  ffmpeg.Stream
	audio  *ffmpeg.Stream // nil: without sound
	// duration is what the container says, in seconds, and end when the video
	// ends by its header, from the container's start; 0 if that is not said.
	duration, end float64
	// isIndexed says that the container tells where each frame lies, so that a
	// seek is exact.
	isIndexed bool

	plan  *scenecut.Plan // nil: not cut by content
	mode  string         // Settings.ClipMode
	clip  size
	image size
	small size
	color colours
	clock clock // of pictures

	// canCopy says that the clips' video may be copied from the source, where it
	// is exact.
	canCopy bool

	nativeRate, nativeChannels int
	soundRate, soundChannels   int
}

// has tells which feeds the decoder has.
func (m *media) has(f feed) bool {
	switch f {
	case taps:
		return m.plan != nil
	case moments:
		return m.plan == nil
	case copied:
		return m.canCopy
	case clips:
		return m.mode != ClipNone
	case stills, stillMoments:
		return !m.clipsAreStills()
	case native:
		return m.audio != nil && m.mode != ClipNone
	case sound:
		return m.audio != nil
	}
	return true
}

// clipsAreStills tells whether the frames of clips are what the feed of stills
// would give, so that it is not needed.
func (m *media) clipsAreStills() bool { return m.mode != ClipNone && m.clip == m.image }

// stillsFrom is the feed that stills are taken from.
func (m *media) stillsFrom() feed {
	if m.clipsAreStills() {
		return clips
	}
	return stills
}

// momentBytes is the size of the picture of 2x2 pixels that stands for a frame of
// which only the time is wanted.
const momentBytes = 2*2 + 2

// damagedShare is how much of a source may fail to decode before ffmpeg says so
// by its exit status: a recording that begins between keyframes loses some
// frames, which is no damage worth a failed row.
const damagedShare = "0.01"

// decodeJob is the run of ffmpeg that decodes m from one second to another (0:
// to the end). Its outputs are the feeds that m has, in their order: NUT, but for
// clips and stills, which are YUV4MPEG2. looked is the grid of stills.
func decodeJob(m *media, from, until int, looked grid) (ffmpeg.Job, error) {
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
	job.Args = append(job.Args, "-filter_complex", m.graph(len(maps), looked))
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
func (m *media) graph(maps int, looked grid) string {
	v := m.video.Video
	// This scale does nothing until a frame of another size or format comes.
	source := fmt.Sprintf("[0:%d]scale=%d:%d:flags=bicubic", m.video.Index, v.Width, v.Height)
	var chains []string
	if m.plan != nil {
		var pads []string
		for i := range maps {
			pads = append(pads, fmt.Sprintf("%d:v", i+1))
		}
		chains = append(chains, source+",split[scored][display]", m.plan.Filter("scored", pads, taps.label()))
	} else {
		chains = append(chains, source+",split[timed][display]", "[timed]"+moment+moments.pad())
	}
	source = "[display]null"
	switch v.FieldOrder {
	case "tt", "bb", "tb", "bt":
		source += ",bwdif=mode=send_frame:deint=interlaced" // one frame out for each in
	}
	whole := source
	if m.has(clips) && m.has(stills) {
		chains = append(chains, source+",split[whole][picked]")
		whole, source = "[whole]null", "[picked]null"
	}
	if m.has(clips) {
		chains = append(chains, whole+","+storeFilter(v, m.color, m.clip)+clips.pad())
	}
	if m.has(stills) {
		chains = append(chains, source+looked.filter()+",split[timedstill][still]",
			"[timedstill]"+moment+stillMoments.pad(),
			"[still]"+storeFilter(v, m.color, m.image)+stills.pad())
	}
	return strings.Join(chains, ";")
}

// label names the pad of the filtergraph that a feed comes from.
func (f feed) label() string { return fmt.Sprintf("feed%d", f) }

func (f feed) pad() string { return "[" + f.label() + "]" }

// moment is filtergraph text that makes any frame one of momentBytes. What is
// cropped must not be less than the chroma's grid, of 4 at most.
const moment = "crop=min(iw\\,8):min(ih\\,8):0:0,scale=2:2,format=yuv420p"

// filter selects the frames of a grid; it begins with a comma, if it is anything.
func (g grid) filter() string {
	if g == 0 {
		return ""
	}
	return fmt.Sprintf(",select='isnan(prev_selected_t)+gt(floor(t*%d),floor(prev_selected_t*%[1]d))'", g)
}

// copiedPackets makes packets alike, whatever the container has: start codes
// instead of lengths, parameter sets before each IDR picture, and a time, which
// NUT wants. Where the container, as AVI, has only that of decoding, it is one
// that no frame has, so that the packet is not copied: when it is shown is not
// known.
const copiedPackets = `h264_mp4toannexb,setts=pts=if(eq(PTS\,NOPTS)\,DTS+1099511627776\,PTS)`

func (m *media) outputArgs(f feed) []string {
	// Times stay as they are, in the source's own units.
	picture := []string{"-map", f.pad(), "-fps_mode", "passthrough", "-enc_time_base", fmt.Sprintf("1:%d", m.clock)}
	var args []string
	switch f {
	case native, sound:
		rate, channels := m.nativeRate, m.nativeChannels
		if f == sound {
			rate, channels = m.soundRate, m.soundChannels
		}
		args = []string{"-map", fmt.Sprintf("0:%d", m.audio.Index), "-c:a", "pcm_s16le",
			"-ar", strconv.Itoa(rate), "-ac", strconv.Itoa(channels)}
	case copied:
		args = []string{"-map", fmt.Sprintf("0:%d", m.video.Index), "-c:v", "copy", "-bsf:v", copiedPackets}
	case clips, stills:
		// Written straight from the filter's frames: the encoder rawvideo, which NUT
		// needs, would copy each first.
		return append(picture, "-c:v", "wrapped_avframe", "-flush_packets", "1", "-f", "yuv4mpegpipe")
	default:
		// Flushed, or a thousand times would lie in ffmpeg's buffer while their frames
		// come.
		args = append(picture, "-c:v", "rawvideo", "-flush_packets", "1")
	}
	return append(args, "-avoid_negative_ts", "disabled", "-output_ts_offset", strconv.Itoa(clockOffset),
		"-write_index", "0", "-f", "nut")
}
