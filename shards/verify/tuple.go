package verify

import (
	"context"
	"errors"
	"fmt"
	"math"
	"path"
	"slices"
	"strings"

	"micodata/dataset"
	"micodata/internal/origin"
	"micodata/internal/table"
	"micodata/shards"
)

// check is the check of one tuple.
type check struct {
	*shardCheck
	row int64
	t   *shards.Tuple
}

func (c *check) problem(promise, format string, args ...any) {
	c.shardCheck.problem(c.row, c.t.Key, promise, format, args...)
}

// scalars checks what needs no decoding. Every tuple gets this.
func (c *check) scalars() {
	t := c.t
	if id, _, err := dataset.SplitKey(t.Key); err != nil || id != t.SourceID {
		c.problem("key", "does not name clip and source %q", t.SourceID)
	}
	if c.v.excluded.Has(t) {
		c.problem("excluded", "was taken out of the set, and is in it")
	}
	if !c.v.split(c.Shard, t.SourceID) {
		c.problem("splits", "source %s does not belong to %s", t.SourceID, c.Split)
	}
	if !(t.End > t.Start && t.Start >= 0) || t.Duration != t.End-t.Start {
		c.problem("span", "start %v, end %v, duration %v", t.Start, t.End, t.Duration)
	}
	if want := shards.BestText(t.Captions); t.Text != want {
		c.problem("text", "is %q, the best of captions %q", t.Text, want)
	}
	for _, cue := range t.Subtitles {
		if !(cue.Start >= 0 && cue.Start <= cue.End && cue.End <= t.Duration+timeSlack) {
			c.problem("subtitles", "a cue from %v to %v in a clip of %v s", cue.Start, cue.End, t.Duration)
		}
	}
	for i, f := range t.Frames {
		if !(f.Time >= 0 && f.Time < t.Duration) || i > 0 && f.Time < t.Frames[i-1].Time {
			c.problem("frames", "frame %d of a clip of %v s is at %v s", i, t.Duration, f.Time)
		}
	}
	for modality, blob := range map[string]table.Blob{"image": t.Image, "video": t.Video, "depth": t.Depth, "normal": t.Normal} {
		wanted := modality == "image" || modality == "video" && c.v.asksVideo() || c.v.asked("label/"+modality)
		wanted = wanted && c.v.manifest.Settings.Keeps(modality)
		if wanted && blob.Bytes == nil && !isMissing(t, modality) {
			c.problem(modality, "is null, and status does not say why")
		}
	}
	if t.Text == "" && !isMissing(t, "text") {
		c.problem("text", "is empty, and status does not say why")
	}
	c.chosen()
	c.ranges()
	for modality, blob := range blobs(t) {
		c.named(modality, modality, blob, "")
		if blob.Bytes != nil && !c.v.manifest.Settings.Keeps(modality) {
			c.problem(modality, "is there, and the set's columns leave it out")
		}
	}
	if len(t.Frames) > 0 && !c.v.manifest.Settings.Keeps("frames") {
		c.problem("frames", "are there, and the set's columns leave them out")
	}
	c.madeOf(t.Image, t.Depth, t.Normal)
	depth, normal := t.Depth.Bytes != nil, t.Normal.Bytes != nil
	for i, f := range t.Frames {
		number := fmt.Sprintf(".%02d", i)
		c.named("frames", "image", f.Image, number)
		c.named("depth", "depth", f.Depth, number)
		c.named("normal", "normal", f.Normal, number)
		c.madeOf(f.Image, f.Depth, f.Normal)
		c.frameMap(dataset.StageDepth, i, f.Depth)
		c.frameMap(dataset.StageNormal, i, f.Normal)
		depth, normal = depth || f.Depth.Bytes != nil, normal || f.Normal.Bytes != nil
	}
	if depth && t.DepthMeta == nil || normal && t.NormalMeta == nil {
		c.problem("depth and normal", "a map without its model")
	}
}

// blobs are those of the tuple's own columns, without those of its frames.
func blobs(t *shards.Tuple) map[string]table.Blob {
	return map[string]table.Blob{"image": t.Image, "video": t.Video, "audio": t.Audio, "depth": t.Depth, "normal": t.Normal}
}

// named checks that a blob has the name of its tuple; number is that of its frame.
func (c *check) named(promise, modality string, blob table.Blob, number string) {
	suffix := map[string]string{"image": ".jpg", "video": ".mp4", "depth": ".depth.png", "normal": ".normal.png"}[modality]
	if modality == "audio" {
		suffix = "." + c.v.audioFormat()
	}
	if want := c.t.Key + number + suffix; blob.Bytes != nil && blob.Path != want {
		c.problem(promise, "its path is %q, not %q", blob.Path, want)
	}
}

// madeOf checks that maps were made of the very picture that they stand beside, which
// they name. Of a picture that the set leaves out nothing can be said, nor of maps that
// name none, as those of earlier builds: these are counted.
func (c *check) madeOf(picture, depth, normal table.Blob) {
	if picture.Bytes == nil || depth.Bytes == nil && normal.Bytes == nil {
		return
	}
	sum := origin.Sum(picture.Bytes)
	of := func(promise string, m table.Blob) {
		if m.Bytes == nil {
			return
		}
		switch named, ok := origin.Of(m.Bytes); {
		case !ok:
			c.unnamed++
		case named != sum:
			c.problem(promise, "%s was made of another picture than %s", m.Path, picture.Path)
		}
	}
	of("depth", depth)
	of("normal", normal)
}

// chosen checks that the tuple is one of those that the settings ask for.
func (c *check) chosen() {
	s, t := &c.v.manifest.Settings, c.t
	if keeps, err := c.v.filter.Keeps(t); err != nil {
		c.problem("where", "%v", err)
	} else if !keeps {
		c.problem("where", "%s is not true of it", s.Where)
	}
	for _, name := range s.Require {
		blob, isBlob := blobs(t)[name]
		if isBlob && s.Keeps(name) && blob.Bytes == nil || name == "text" && t.Text == "" || name == "subtitles" && len(t.Subtitles) == 0 {
			c.problem("require", "it has no %s", name)
		}
	}
}

// ranges checks that numbers and words are among those that there are.
func (c *check) ranges() {
	t := c.t
	for name, v := range map[string]float64{"motion": t.Motion, "silence": t.Silence, "brightness": t.Brightness} {
		if !(v >= 0 && v <= 1) {
			c.problem(name, "is %v, not 0 to 1", v)
		}
	}
	if !(t.Sharpness >= 0) || math.IsInf(t.Sharpness, 1) {
		c.problem("sharpness", "is %v", t.Sharpness)
	}
	if !(math.Abs(t.AudioOffsetMS) <= 1000*t.Duration) {
		c.problem("audio_offset_ms", "is %v in a clip of %v s", t.AudioOffsetMS, t.Duration)
	}
	kinds := shards.CaptionKinds()
	for i, caption := range t.Captions {
		if !slices.Contains(kinds, caption.Kind) {
			c.problem("captions", "caption %d is of the kind %q", i, caption.Kind)
		}
	}
	if m := t.DepthMeta; m != nil {
		if m.Kind != dataset.AffineInvariantDepth && m.Kind != dataset.InverseDepth && m.Kind != dataset.MetricDepth {
			c.problem("depth", "depth_meta.kind is %q", m.Kind)
		}
		least, most := m.Min, m.Max
		if m.Kind == dataset.InverseDepth { // what is near is more
			least, most = most, least
		}
		if !(least <= most) || math.IsInf(float64(m.Min), 0) || math.IsInf(float64(m.Max), 0) {
			c.problem("depth", "depth_meta is from %v to %v", m.Min, m.Max)
		}
		c.byModel("depth", m.Model, m.WeightsSHA256)
	}
	if m := t.NormalMeta; m != nil {
		c.byModel("normal", m.Model, m.WeightsSHA256)
	}
}

// byModel checks that the manifest names the model of a map.
func (c *check) byModel(task, name, weights string) {
	if !slices.ContainsFunc(c.v.manifest.Models, func(m shards.Model) bool { return m.Task == task && m.Name == name && m.WeightsSHA256 == weights }) {
		c.problem(task, "%s_meta names the model %q with weights %.12q, which is none of the manifest's", task, name, weights)
	}
}

// frameMap checks that frame i has the map of a label stage if it was asked for.
func (c *check) frameMap(stage string, i int, m table.Blob) {
	wanted := c.v.manifest.Stages[stage].MapsFrames() && c.v.manifest.Settings.Keeps(path.Base(stage))
	if wanted && m.Bytes == nil && !slices.ContainsFunc(c.t.Status, func(e dataset.StageError) bool { return e.OfFrame(stage, i) }) {
		c.problem(path.Base(stage), "of frame %d is null, and status does not say why", i)
	}
}

// timeSlack is for times that went through a container's milliseconds.
const timeSlack = 0.001

// blobEnds are where the blobs of a shard end, as its pages were met.
type blobEnds struct {
	r     *table.Reader[shards.Tuple]
	rows  int64 // of the row group, still to come
	next  map[string][]int64
	group int
}

// row moves on to the next row.
func (b *blobEnds) row() {
	if b.rows == 0 {
		for ; b.rows == 0; b.group++ {
			b.rows = b.r.RowGroups()[b.group]
		}
		b.next = map[string][]int64{}
	}
	b.rows--
}

// take is the end of the leaf's next blob, -1 if it is not known.
func (b *blobEnds) take(leaf string) int64 {
	ends, begun := b.next[leaf]
	if !begun {
		ends = b.r.BlobEnds(leaf)
	}
	if len(ends) == 0 {
		return -1
	}
	b.next[leaf] = ends[1:]
	return ends[0]
}

// places checks that the index points at the very bytes of each blob.
func (c *check) places(ends *blobEnds, x *shards.IndexRow) {
	ends.row()
	same := func(leaf, what string, p shards.Place, blob table.Blob) {
		end := int64(0)
		if blob.Bytes != nil {
			end = ends.take(leaf + ".bytes")
		}
		switch {
		case p.Offset == nil || p.Size == nil:
			if blob.Bytes != nil {
				c.problem("index", "%s has no place", what)
			}
		case blob.Bytes == nil || int64(len(blob.Bytes)) != *p.Size || *p.Offset+*p.Size != end:
			c.problem("index", "the %d bytes at %d are not %s", *p.Size, *p.Offset, what)
		}
	}
	t := c.t
	same("image", "image", x.Image, t.Image)
	same("video", "video", x.Video, t.Video)
	same("audio", "audio", x.Audio, t.Audio)
	same("depth", "depth", x.Depth, t.Depth)
	same("normal", "normal", x.Normal, t.Normal)
	element := table.ElementPath("frames")
	for i, f := range t.Frames {
		p := x.Frames[i]
		same(element+".image", fmt.Sprintf("image of frame %d", i), p.Image, f.Image)
		same(element+".depth", fmt.Sprintf("depth of frame %d", i), p.Depth, f.Depth)
		same(element+".normal", fmt.Sprintf("normal of frame %d", i), p.Normal, f.Normal)
	}
}

// media decodes a tuple's media and checks them against each other and against
// the source.
func (c *check) media(ctx context.Context, src **source) error {
	stills := c.stills()
	clip, err := c.v.decode(ctx, c.t)
	if broken := new(brokenMedia); errors.As(err, &broken) {
		c.problem(broken.modality, "does not decode: %s", strings.TrimSpace(broken.err.Error()))
		return nil
	}
	if err != nil {
		return err
	}
	if clip.video != nil {
		c.video(clip)
		c.moments(clip, stills)
	}
	c.sound(clip)
	return c.source(ctx, src, clip, stills)
}
