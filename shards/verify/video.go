package verify

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sync/errgroup"

	"micodata/dataset"
	"micodata/internal/ffmpeg"
	"micodata/internal/measure"
	"micodata/internal/nut"
	"micodata/shards"
	"micodata/storage"
)

// clipMedia is what was decoded of a tuple's video and audio.
type clipMedia struct {
	video  *ffmpeg.Stream // nil: the tuple has none
	track  *ffmpeg.Stream // the video's own sound, nil if it has none
	audio  *ffmpeg.Stream // of the column audio, nil if it is null
	times  []float64      // of the video's frames, seconds
	thumbs []grayThumb    // of the first frames, at most maxThumbs
	// Both at soundRate, mono.
	heard, stored []float32
	samples       int64 // of the column audio, a channel
	silence       *measure.Silence
	front         bool // moov stands before mdat
}

// brokenMedia says that a blob does not decode.
type brokenMedia struct {
	modality string
	err      error
}

func (e *brokenMedia) Error() string { return e.modality + ": " + e.err.Error() }
func (e *brokenMedia) Unwrap() error { return e.err }

// soundRate is the rate at which sounds are compared, Hz: an eighth of a
// millisecond a sample, and below what lossy codecs leave out.
const soundRate = 8000

// decode decodes a tuple's video and audio, all of what it has of them.
func (v *verifier) decode(ctx context.Context, t *shards.Tuple) (*clipMedia, error) {
	dir, err := os.MkdirTemp(v.TempDir, "micodata-verify-*")
	if err != nil {
		return nil, &storage.Error{Op: "create a folder in", Path: cmp.Or(v.TempDir, os.TempDir()), Err: err}
	}
	defer os.RemoveAll(dir)
	out := &clipMedia{front: moovFirst(t.Video.Bytes)}
	clip := filepath.Join(dir, "clip.mp4")
	if t.Video.Bytes != nil {
		probe, err := v.put(ctx, clip, t.Video.Bytes, "video")
		if err != nil {
			return nil, err
		}
		out.video, out.track = probe.VideoStream(), firstAudio(&probe)
		if out.video == nil {
			return nil, &brokenMedia{"video", errors.New("has no video stream")}
		}
	}
	sound := filepath.Join(dir, "clip.audio")
	if t.Audio.Bytes != nil {
		probe, err := v.put(ctx, sound, t.Audio.Bytes, "audio")
		if err != nil {
			return nil, err
		}
		if out.audio = firstAudio(&probe); out.audio == nil {
			return nil, &brokenMedia{"audio", errors.New("has no audio stream")}
		}
	}
	if out.video == nil && out.audio == nil {
		return out, nil
	}
	return out, v.decodeFiles(ctx, out, clip, sound)
}

// put writes media to a file and probes it.
func (v *verifier) put(ctx context.Context, path string, data []byte, modality string) (ffmpeg.Probe, error) {
	if err := os.WriteFile(path, data, 0o600); err != nil {
		return ffmpeg.Probe{}, &storage.Error{Op: "write", Path: path, Err: err}
	}
	probe, err := v.Tools.Probe(ctx, path)
	return probe, broken(ctx, modality, err)
}

// broken tells media that do not decode from a machine that cannot decode them.
func broken(ctx context.Context, modality string, err error) error {
	var exit *ffmpeg.ExitError
	var late *ffmpeg.TimeoutError
	if ctx.Err() == nil && (errors.As(err, &exit) || errors.As(err, &late) || errors.Is(err, nut.ErrCorrupt)) {
		return &brokenMedia{modality, err}
	}
	return err
}

func firstAudio(p *ffmpeg.Probe) *ffmpeg.Stream {
	for i := range p.Streams {
		if p.Streams[i].Type == "audio" {
			return &p.Streams[i]
		}
	}
	return nil
}

// decodeFiles runs ffmpeg once: frames as thumbs with their times, both sounds
// for comparison, and the stored one as it is, to count its samples.
func (v *verifier) decodeFiles(ctx context.Context, m *clipMedia, clip, sound string) error {
	// Errors end the run, so that a damaged clip is not passed over.
	args := []string{"-xerror"}
	inputs := 0
	input := func(path string, options ...string) (string, error) {
		more, err := ffmpeg.InputArgs(path, append(options, "-threads", "1")...)
		args = append(args, more...)
		inputs++
		return strconv.Itoa(inputs-1) + ":", err
	}
	var fromClip, fromSound string
	var err error
	if m.video != nil {
		fromClip, err = input(clip, "-err_detect", "explode")
	}
	if m.audio != nil && err == nil {
		fromSound, err = input(sound)
	}
	if err != nil {
		return err
	}
	outputs := 0
	add := func(o ...string) int {
		args = append(append(args, o...), ffmpeg.OutputURL(0, outputs))
		outputs++
		return outputs - 1
	}
	pcm := []string{"-ac", "1", "-ar", fmt.Sprint(soundRate), "-f", "f32le"}
	thumbs, heard, stored, samples := -1, -1, -1, -1
	if m.video != nil {
		thumbs = add("-map", fromClip+strconv.Itoa(m.video.Index), "-vf", fmt.Sprintf("scale=%d:%d:flags=area,format=gray", thumbW, thumbH),
			"-fps_mode", "passthrough", "-enc_time_base", "-1", "-c:v", "rawvideo", "-avoid_negative_ts", "disabled", "-write_index", "0", "-f", "nut")
	}
	if m.track != nil {
		// Sample 0 is heard with the clip's first frame.
		heard = add(append([]string{"-map", fromClip + strconv.Itoa(m.track.Index), "-af", "aresample=async=1:first_pts=0"}, pcm...)...)
	}
	if m.audio != nil {
		stored = add(append([]string{"-map", fromSound + "a:0"}, pcm...)...)
		samples = add("-map", fromSound+"a:0", "-c:a", "pcm_s16le", "-f", "s16le")
	}
	p, err := v.Tools.Start(ctx, ffmpeg.Job{Args: args, Outputs: outputs})
	if err != nil {
		return err
	}
	var g errgroup.Group
	read := func(i int, do func(io.Reader) error) {
		if i >= 0 {
			g.Go(func() error {
				err := do(p.Output(i))
				_, drained := io.Copy(io.Discard, p.Output(i)) // so that ffmpeg can end
				return errors.Join(err, drained)
			})
		}
	}
	read(thumbs, m.readThumbs)
	read(heard, func(r io.Reader) (err error) { m.heard, err = readFloats(r); return err })
	read(stored, func(r io.Reader) (err error) { m.stored, err = readFloats(r); return err })
	read(samples, func(r io.Reader) error {
		m.silence = measure.NewSilence(m.audio.Audio.SampleRate, m.audio.Audio.Channels)
		n, err := io.Copy(m.silence, r)
		m.samples = n / 2 / int64(max(1, m.audio.Audio.Channels))
		return err
	})
	readErr := g.Wait()
	if err := p.Wait(); err != nil {
		return broken(ctx, "video or audio", err)
	}
	return broken(ctx, "video", readErr)
}

// maxThumbs is how many frames of a clip are compared: 10 minutes, the longest clip
// that settings cut, at 60 a second, and 130 MB. Spans that a list gives may be longer;
// of frames after these only the times are checked.
const maxThumbs = 36_000

func (m *clipMedia) readThumbs(r io.Reader) error {
	frames, err := nut.NewReader(r, thumbSize)
	if err != nil {
		return err
	}
	base := frames.Streams()[0].TimeBase
	buf := make([]byte, 0, thumbSize)
	for {
		f, err := frames.Next(buf)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if len(f.Data) != thumbSize {
			return fmt.Errorf("%w: a frame of %d bytes", nut.ErrCorrupt, len(f.Data))
		}
		if len(m.thumbs) < maxThumbs {
			m.thumbs = append(m.thumbs, grayThumb(f.Data))
		}
		m.times = append(m.times, float64(f.PTS)*float64(base.Num)/float64(base.Den))
	}
}

func readFloats(r io.Reader) ([]float32, error) {
	data, err := io.ReadAll(r)
	out := make([]float32, len(data)/4)
	for i := range out {
		out[i] = math.Float32frombits(binary.LittleEndian.Uint32(data[4*i:]))
	}
	return out, err
}

// moovFirst tells whether a player can begin before it has the whole file.
func moovFirst(mp4 []byte) bool {
	for len(mp4) >= 8 {
		size, kind := uint64(binary.BigEndian.Uint32(mp4)), mp4[4:8]
		switch {
		case bytes.Equal(kind, []byte("moov")):
			return true
		case bytes.Equal(kind, []byte("mdat")), size < 8, size > uint64(len(mp4)):
			return false
		}
		mp4 = mp4[size:]
	}
	return false
}

// video checks the clip itself against the scalar columns.
func (c *check) video(m *clipMedia) {
	t, s := c.t, m.video
	if !m.front {
		c.problem("video", "its index stands behind its media (no faststart)")
	}
	if s.Codec != t.VideoCodec || s.Video.PixelFormat != "yuv420p" && s.Codec == "h264" {
		c.problem("video", "is %s %s, video_codec says %s", s.Codec, s.Video.PixelFormat, t.VideoCodec)
	}
	if s.Video.Width != int(t.Width) || s.Video.Height != int(t.Height) {
		c.problem("width and height", "the clip is %dx%d, the columns say %dx%d", s.Video.Width, s.Video.Height, t.Width, t.Height)
	}
	offset := 0.
	if m.track != nil {
		offset = 1000 * (m.track.Start - s.Start).Seconds()
	}
	if math.Abs(t.AudioOffsetMS-offset) > 1000*timeSlack {
		c.problem("audio_offset_ms", "is %v, measured %v", t.AudioOffsetMS, offset)
	}
	n := len(m.times)
	if n != int(t.FrameCount) {
		c.problem("frame_count", "%d frames decode, the column says %d", n, t.FrameCount)
	}
	if n == 0 || t.Duration <= 0 {
		return
	}
	if !near(t.FPS, float64(t.FrameCount)/t.Duration) {
		c.problem("fps", "is %v, frame_count over duration is %v", t.FPS, float64(t.FrameCount)/t.Duration)
	}
	frame := t.Duration / float64(n)
	if first := m.times[0]; first < -timeSlack || first > frame+timeSlack {
		c.problem("video", "its first frame is at %v s", first)
	}
	for i := 1; i < n; i++ {
		if m.times[i] <= m.times[i-1] {
			c.problem("video", "frame %d is at %v s, after one at %v s", i, m.times[i], m.times[i-1])
			return
		}
	}
	if last := m.times[n-1]; last >= t.Duration+timeSlack {
		c.problem("duration", "the last frame is at %v s, end - start is %v s", last, t.Duration)
	}
	if d := s.Duration.Seconds(); d > 0 && math.Abs(d-t.Duration) > frame+timeSlack {
		c.problem("duration", "the clip lasts %v s, end - start is %v s", d, t.Duration)
	}
}

// moments checks that every still shows the frame of its time.
func (c *check) moments(m *clipMedia, stills []still) {
	t := c.t
	n := len(m.times)
	if n == 0 {
		return
	}
	coarse := c.v.isCoarse(m.video)
	for i, s := range stills {
		k := nearest(m.times, s.time)
		if math.Abs(m.times[k]-s.time) > timeSlack {
			c.problem(s.what, "the clip has no frame at %v s; the nearest is at %v s", s.time, m.times[k])
			continue
		}
		if k >= len(m.thumbs) {
			continue
		}
		if other := closest(&s.luma, m.thumbs, k); other != k {
			c.problem(s.what, "shows frame %d (%v s), not frame %d of its time %v s", other, m.times[other], k, s.time)
		} else if d := unlike(&s.luma, &m.thumbs[k]); d > mostUnlike(variance(&s.luma), coarse) {
			c.problem(s.what, "does not show the clip's frame at %v s (%.2f unlike)", s.time, d)
		}
		if s.what == "frames" && len(stills) == len(t.Frames)+1 {
			c.spread(m, i-1, s.time)
		}
	}
}

// spread checks that uniform frame i lies near the middle of its segment, as far
// as the clip has a frame there. Extraction chooses among the first frames of each
// tenth of a second, of a long clip or of large pictures among fewer, but at least
// one a segment.
func (c *check) spread(m *clipMedia, i int, time float64) {
	middle := (float64(i) + 0.5) / float64(len(c.t.Frames)) * c.t.Duration
	there := math.Abs(m.times[nearest(m.times, middle)] - middle)
	if math.Abs(time-middle) > there+max(1./10, c.t.Duration/float64(2*len(c.t.Frames)))+timeSlack {
		c.problem("frames", "frame %d is at %v s, the middle of its segment at %v s", i, time, middle)
	}
}

// How unlike a picture may be to the frame that it shows. Measured on test pictures
// and film: scaling, colours and two encoders make 0.006 of it, 0.019 where it is
// nearly flat; pictures one second apart in a scene differ by 0.1 and more. Coarse
// clips, of few bits or few pixels, reach 0.1.
const (
	maxUnlike    = 0.05
	coarseUnlike = 0.25
	noiseLevels  = 2 // variance, in levels of gray squared, that encoders add
)

// mostUnlike is how unlike a picture of some variance may be to the frame that it
// shows.
func mostUnlike(variance float64, coarse bool) float64 {
	if coarse {
		return coarseUnlike
	}
	return min(max(maxUnlike, noiseLevels/variance), coarseUnlike)
}

// isCoarse tells whether clips are of poor quality by the set's settings, or
// too small for thumbs.
func (v *verifier) isCoarse(s *ffmpeg.Stream) bool {
	extracted := v.manifest.Stages[dataset.StageExtract]
	const goodCRF, fewLines = 28, 240
	lines := extracted.Int("clip_height")
	return extracted.Int("crf") > goodCRF || lines > 0 && lines < fewLines || isSmall(s)
}

// isSmall tells whether a video's pictures have few pixels for one of a thumb.
func isSmall(s *ffmpeg.Stream) bool { return min(s.Video.Width, s.Video.Height) < 4*thumbW }

// nearest is the index of the time nearest to t.
func nearest(times []float64, t float64) int {
	best := 0
	for i, v := range times {
		if math.Abs(v-t) < math.Abs(times[best]-t) {
			best = i
		}
	}
	return best
}

// closest is the frame among k and its two neighbours on each side that looks
// most like the still. A neighbour must be clearly closer, and be the still's
// picture: where little moves, or clips are poor, the encoders' noise decides, and
// nothing can be said, nor of a flat neighbour, as in a fade.
func closest(s *thumb, frames []grayThumb, k int) int {
	own := unlike(s, &frames[k])
	best, least := k, own
	for i := max(0, k-2); i <= min(len(frames)-1, k+2); i++ {
		if d := unlike(s, &frames[i]); d < least && variance(&frames[i]) >= flatVariance {
			best, least = i, d
		}
	}
	if least < own*clearly && own-least > noise && least < same {
		return best
	}
	return k
}

// Measured at CRF 23 on test pictures: the right frame is within 0.0005 of its
// still, a neighbour of a moving picture three times as far and more. Of film, right
// frames lie up to 0.006 off: which of them is which, only the source tells.
const (
	clearly = 0.6
	noise   = 0.0005
	same    = 4 * noise
)
