package shards

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"micodata/dataset"
	"micodata/internal/table"
	"micodata/storage"
)

// joined is one clip with all that other stages know of it.
type joined struct {
	source *dataset.Source
	clip   *dataset.Clip
	depth  *dataset.Depth  // nil if not asked for
	normal *dataset.Normal // nil if not asked for
}

// join zips the files of one part.
type join struct {
	store   storage.Store
	part    int
	row     int64
	sources map[string]*dataset.Source
	order   []*dataset.Source // as in the ingest part
	ingest  [sha256.Size]byte // digest of the ingest part
	clips   *dataset.PartReader[dataset.Clip]
	depth   *dataset.PartReader[dataset.Depth]
	normal  *dataset.PartReader[dataset.Normal]
}

// blobMode is what a join reads of blobs.
type blobMode int

const (
	noMedia blobMode = iota // no columns that have blobs
	noBlobs                 // these columns, without the blobs, which are read by their places
	allBlobs
)

// openJoin opens part i of all stages that env asks for.
func openJoin(ctx context.Context, env *Env, part int, blobs blobMode) (_ *join, err error) {
	j := &join{store: env.Dataset, part: part, sources: map[string]*dataset.Source{}}
	defer func() {
		if err != nil {
			j.close()
		}
	}()
	if err := j.readSources(ctx, env); err != nil {
		return nil, err
	}
	var leave []string // unread; frames must go with their maps
	for _, modality := range []string{"image", "video", "audio"} {
		if !env.Keeps(modality) {
			leave = append(leave, modality)
		}
	}
	if j.clips, err = openPart(ctx, env, dataset.ClipSchema, dataset.StageExtract, part, blobs, leave...); err != nil {
		return nil, err
	}
	if env.asked(dataset.StageDepth) {
		if j.depth, err = openPart(ctx, env, dataset.DepthSchema, dataset.StageDepth, part, blobs); err != nil {
			return nil, err
		}
	}
	if env.asked(dataset.StageNormal) {
		if j.normal, err = openPart(ctx, env, dataset.NormalSchema, dataset.StageNormal, part, blobs); err != nil {
			return nil, err
		}
	}
	return j, j.sameRows()
}

func (j *join) readSources(ctx context.Context, env *Env) error {
	r, err := dataset.OpenPart(ctx, env.Dataset, dataset.SourceSchema, dataset.StageIngest, j.part,
		"source_id", "uri", "title", "license", "status", "error_class", "error", "sha256", "text")
	if err != nil {
		return err
	}
	defer r.Close()
	if err := env.check(r.Info); err != nil {
		return err
	}
	j.ingest = r.Digest()
	for {
		s, err := r.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		j.order = append(j.order, s)
		if _, twice := j.sources[s.ID]; !twice {
			j.sources[s.ID] = s // a second one is an error row: the first keeps the clips
		}
	}
}

func openPart[R any](ctx context.Context, env *Env, schema *table.Schema[R], stage string, part int, blobs blobMode, leave ...string) (*dataset.PartReader[R], error) {
	media := schema.Blobs()
	columns := slices.DeleteFunc(schema.Columns(), func(c string) bool { return media[c] && blobs == noMedia || slices.Contains(leave, c) })
	open := dataset.OpenPart[R]
	if blobs == noBlobs {
		open = dataset.OpenPartWithoutBlobs[R]
	}
	r, err := open(ctx, env.Dataset, schema, stage, part, columns...)
	if err != nil {
		return nil, err
	}
	if err := env.check(r.Info); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}

// sameRows checks that the files have as many rows as each other.
func (j *join) sameRows() error {
	rows := j.clips.Rows()
	if j.depth != nil && j.depth.Rows() != rows {
		return j.misfit(dataset.StageDepth, fmt.Sprintf("has %d rows, %s %d", j.depth.Rows(), dataset.StageExtract, rows))
	}
	if j.normal != nil && j.normal.Rows() != rows {
		return j.misfit(dataset.StageNormal, fmt.Sprintf("has %d rows, %s %d", j.normal.Rows(), dataset.StageExtract, rows))
	}
	return nil
}

// digest identifies the content of all files of the part.
func (j *join) digest() (sum [sha256.Size]byte) {
	all := [][sha256.Size]byte{j.ingest, j.clips.Digest()}
	if j.depth != nil {
		all = append(all, j.depth.Digest())
	}
	if j.normal != nil {
		all = append(all, j.normal.Digest())
	}
	h := sha256.New()
	for _, d := range all {
		h.Write(d[:])
	}
	h.Sum(sum[:0])
	return sum
}

// misfit is the error of parts that do not belong together. No row is matched
// by guessing.
func (j *join) misfit(stage, what string) error {
	return dataset.Damaged(j.store, dataset.PartName(stage, j.part), fmt.Errorf("does not fit the part it was made from: it %s", what))
}

// skip passes over rows.
func (j *join) skip(n int64) error {
	j.row += n
	err := j.clips.Skip(n)
	if err == nil && j.depth != nil {
		err = j.depth.Skip(n)
	}
	if err == nil && j.normal != nil {
		err = j.normal.Skip(n)
	}
	return err
}

// next returns the next clip, io.EOF after the last.
func (j *join) next() (*joined, error) {
	clip, err := j.clips.Next()
	if err != nil {
		return nil, err
	}
	out := &joined{clip: clip, source: j.sources[clip.SourceID]}
	if out.source == nil {
		return nil, j.misfit(dataset.StageExtract, fmt.Sprintf("has in row %d a clip of source %q, which ingest's part has not", j.row, clip.SourceID))
	}
	if id, _, err := dataset.SplitKey(clip.Key); err != nil || id != clip.SourceID {
		return nil, j.misfit(dataset.StageExtract, fmt.Sprintf("has in row %d the key %q for source %q", j.row, clip.Key, clip.SourceID))
	}
	if j.depth != nil {
		if out.depth, err = j.depth.Next(); err != nil {
			return nil, err
		}
		if out.depth.Key != clip.Key {
			return nil, j.misfit(dataset.StageDepth, fmt.Sprintf("has in row %d the key %q where %s has %q", j.row, out.depth.Key, dataset.StageExtract, clip.Key))
		}
		if err := j.sameFrames(dataset.StageDepth, clip, out.depth.Frames); err != nil {
			return nil, err
		}
	}
	if j.normal != nil {
		if out.normal, err = j.normal.Next(); err != nil {
			return nil, err
		}
		if out.normal.Key != clip.Key {
			return nil, j.misfit(dataset.StageNormal, fmt.Sprintf("has in row %d the key %q where %s has %q", j.row, out.normal.Key, dataset.StageExtract, clip.Key))
		}
		if err := j.sameFrames(dataset.StageNormal, clip, out.normal.Frames); err != nil {
			return nil, err
		}
	}
	j.row++
	return out, nil
}

// sameFrames checks that a label row has a map, or its place, for each frame of the
// clip, or none at all.
func (j *join) sameFrames(stage string, clip *dataset.Clip, maps []dataset.FrameMap) error {
	if len(maps) == 0 || len(maps) == len(clip.Frames) {
		return nil
	}
	return j.misfit(stage, fmt.Sprintf("has in row %d (%s) maps of %d frames where %s has %d", j.row, clip.Key, len(maps), dataset.StageExtract, len(clip.Frames)))
}

// blobsOf is what a file's footer tells of a row's blobs.
type blobsOf struct {
	bytes   int64             // that they take in a file
	columns []string          // that have one; frames' are not among them
	places  []table.BlobPlace // of those that are written
}

// blobs tells of the blobs of each row, which are not read.
func (j *join) blobs(s *Settings) ([]blobsOf, error) {
	rows := make([]blobsOf, j.clips.Rows())
	keeps := func(column string) bool {
		top, _, _ := strings.Cut(column, ".")
		return s.Keeps(top)
	}
	add := func(places []table.BlobPlace, err error) error {
		for _, p := range places {
			row, column := &rows[p.Row], strings.TrimSuffix(p.Column, ".bytes")
			if keeps(column) {
				row.bytes += p.Size + blobOverhead
				row.places = append(row.places, p)
			}
			if !strings.Contains(column, ".") {
				row.columns = append(row.columns, column)
			}
		}
		return err
	}
	err := add(j.clips.Blobs())
	if err == nil && j.depth != nil {
		err = add(j.depth.Blobs())
	}
	if err == nil && j.normal != nil {
		err = add(j.normal.Blobs())
	}
	return rows, err
}

// blob is the tuple's own that a place is of, nil if it has none.
func (t *Tuple) blob(p table.BlobPlace) *table.Blob {
	column := strings.TrimSuffix(p.Column, ".bytes")
	field, ofFrame := strings.CutPrefix(column, framesPath)
	if ofFrame {
		if p.Elem >= len(t.Frames) {
			return nil
		}
		f := &t.Frames[p.Elem]
		return map[string]*table.Blob{"image": &f.Image, "depth": &f.Depth, "normal": &f.Normal}[field]
	}
	return map[string]*table.Blob{"image": &t.Image, "video": &t.Video, "audio": &t.Audio, "depth": &t.Depth, "normal": &t.Normal}[column]
}

// blobOverhead is more than what a blob takes beside its bytes: a page header of
// some 33, its place in the footer of some 16, and its path.
const blobOverhead = 96

func (j *join) close() {
	// They were only read, so closing them loses nothing.
	if j.clips != nil {
		_ = j.clips.Close()
	}
	if j.depth != nil {
		_ = j.depth.Close()
	}
	if j.normal != nil {
		_ = j.normal.Close()
	}
}

// tuple makes the set's row of a clip that is OK.
func (j *joined) tuple() *Tuple {
	c, s := j.clip, j.source
	t := &Tuple{
		Key: c.Key, ClipID: c.ClipID, SourceID: c.SourceID, SourceURI: s.URI, SourceSHA256: s.SHA256,
		Title: s.Title, License: s.License, Start: c.Start, End: c.End,
		Captions: captionsOf(c, s), Subtitles: c.Subtitles,
		Image: c.Image, ImageTime: c.ImageTime, Video: c.Video, Audio: c.Audio,
		Width: c.Width, Height: c.Height, FPS: c.FPS, FrameCount: c.FrameCount, VideoCodec: c.VideoCodec,
		AudioRate: c.AudioRate, AudioChannels: c.AudioChannels, AudioOffsetMS: c.AudioOffsetMS,
		Motion: c.Motion, Sharpness: c.Sharpness, Brightness: c.Brightness, PHash: c.PHash, Silence: c.Silence,
		Duration: c.End - c.Start, Status: slices.Clone(c.Errors),
	}
	if t.ClipID == "" {
		t.ClipID = t.Key
	}
	for _, f := range c.Frames {
		t.Frames = append(t.Frames, Frame{Time: f.Time, Image: f.Image})
	}
	if j.depth != nil {
		t.Depth, t.DepthMeta = j.depth.Depth, j.depth.Meta
		for i, m := range j.depth.Frames {
			t.Frames[i].Depth = m.Map
		}
		t.note(dataset.StageDepth, j.depth.Outcome)
		t.Status = append(t.Status, j.depth.Errors...)
	}
	if j.normal != nil {
		t.Normal, t.NormalMeta = j.normal.Normal, j.normal.Meta
		for i, m := range j.normal.Frames {
			t.Frames[i].Normal = m.Map
		}
		t.note(dataset.StageNormal, j.normal.Outcome)
		t.Status = append(t.Status, j.normal.Errors...)
	}
	if t.Text = BestText(t.Captions); t.Text == "" {
		t.note("text", dataset.Outcome{Status: dataset.Skipped, Class: dataset.NotFound, Error: "neither captions nor subtitles nor a title"})
	}
	return t
}

// note puts a modality that is missing into the tuple's status.
func (t *Tuple) note(stage string, o dataset.Outcome) {
	if o.Status != dataset.OK {
		t.Status = append(t.Status, dataset.StageError{Stage: stage, Class: o.Class, Error: o.Error})
	}
}
