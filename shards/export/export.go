package export

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"micodata/dataset"
	"micodata/internal/choice"
	"micodata/internal/ffmpeg"
	"micodata/internal/table"
	"micodata/shards"
	"micodata/storage"
)

// Env is what an export is made of, and how.
type Env struct {
	Set    storage.Store  // a finished training set
	Out    *storage.Local // trainers read files
	Format string         // of [Formats]
	// Workers is the number of tuples worked on at once.
	Workers int
	// Tools finds ffmpeg. It is called, from several goroutines, only if sound
	// must be decoded from or encoded as MP3.
	Tools func(context.Context) (ffmpeg.Tools, error)
	// Progress, if set, is told of each shard of the set that is done.
	Progress func(done, total int)
}

// format turns tuples into what one trainer reads.
type format interface {
	// take decides what is made of a clip. It may be called from several
	// goroutines.
	take(c *clip) product
	// finish gives the files that tell of the whole, by the lines of the lists: text
	// that is verbatim, or what becomes JSON. It says which there are none of, and why.
	finish(lists map[string]int64) (files map[string]any, missing []string)
}

// product is what a format makes of a clip: nothing for a reason, or files and
// lines of lists.
type product struct {
	skipped string
	files   []file
	lines   []line
	// notes are reasons why the clip is missing from some list.
	notes []string
}

// file is one of a clip's files, or a member of its shard's tar file.
type file struct {
	name string
	// data makes the file's bytes; with an [*unfitError] the clip has failed.
	data func(context.Context) ([]byte, error)
}

// kept is a file of bytes that the set holds.
func kept(name string, b table.Blob) file {
	return file{name, func(context.Context) ([]byte, error) { return b.Bytes, nil }}
}

// spec describes a format.
type spec struct {
	open func(*exporter) format
	// media are the columns of blobs that it needs.
	media []string
	// tars says that a clip's files go into one tar file a shard of the set.
	tars bool
	// notes tell in the manifest what the files' values mean.
	notes map[string]string
}

var formats = map[string]spec{
	"mico":             {open: newMiCo, media: allMedia, notes: mapNotes},
	"vast":             {open: newVAST, media: []string{"video", "audio"}},
	"gram":             {open: newGRAM, media: []string{"video", "audio", "depth", "frames"}, notes: gramNotes},
	"onellm":           {open: newOneLLM, media: allMedia, notes: oneLLMNotes},
	"meta-transformer": {open: newMetaTransformer, media: []string{"image", "video", "audio"}, notes: metaTransformerNotes},
	"webdataset":       {open: newWebDataset, media: allMedia, tars: true, notes: memberNotes},
}

var allMedia = []string{"image", "video", "audio", "depth", "normal"}

// Formats are the names of the formats.
func Formats() []string { return slices.Sorted(maps.Keys(formats)) }

// scalars are a set's columns without media.
var scalars = strings.Fields(`key clip_id source_id source_uri source_sha256 title license start end text captions subtitles
	image_time depth_meta normal_meta width height fps frame_count video_codec audio_rate audio_channels audio_offset_ms
	motion sharpness brightness phash silence duration status`)

// folders are the top folders of all formats, where interrupted writers leave
// files.
var folders = []string{"annotations", "audio", "audios", "configs", "depth", "depth16", "export.parts", "images", "normal", "video", "videos"}

// exporter is an export at work.
type exporter struct {
	Env
	spec
	set    *shards.Manifest
	format format
	lists  *lists
	done   Manifest // as far as counted
}

// Run exports a set and returns the export's manifest. An export that is there
// whole, by the names and sizes of its files, is left as it is; of another the parts
// that are not whole are made. Clips whose media are broken are counted as failed.
// Errors: [*OtherFolderError]; [*NoClipsError]; a [*storage.Error]; what ffmpeg's
// absence gives.
func Run(ctx context.Context, env Env) (*Manifest, error) {
	if err := choice.OneOf("the format", env.Format, Formats()...); err != nil {
		return nil, err
	}
	m, err := shards.ReadManifest(ctx, env.Set)
	if err != nil {
		return nil, err
	}
	x := &exporter{Env: env, spec: formats[env.Format], set: m, lists: &lists{env.Out, map[string]*openList{}}}
	x.done = Manifest{identity: identity{Format: env.Format, Set: m.Index.SHA256, Layout: layout}, Micodata: m.Micodata,
		Tuples: m.Tuples, Skipped: map[string]int64{}, Failed: map[string]int64{}, LeftOut: map[string]int64{}, Notes: x.notes}
	if whole, err := x.begin(ctx); err != nil || whole != nil {
		return whole, err
	}
	defer x.lists.abort()
	x.format = x.open(x)
	for i, shard := range m.Shards {
		p, err := x.part(ctx, shard)
		if err != nil {
			return nil, err
		}
		if err := x.add(ctx, p); err != nil {
			return nil, err
		}
		if x.Progress != nil {
			x.Progress(i+1, len(m.Shards))
		}
	}
	if x.done.Clips == 0 {
		return nil, errors.Join(&NoClipsError{x.Format, x.done.Skipped, x.done.Failed}, x.withdraw(ctx))
	}
	return x.finish(ctx)
}

// begin marks the folder as this export's, or returns the manifest of an export
// that is whole.
func (x *exporter) begin(ctx context.Context) (*Manifest, error) {
	var began identity
	err := readJSON(ctx, x.Out, BeganName, &began)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if began != x.done.identity {
		others, err := x.Out.List(ctx, "")
		if err != nil {
			return nil, err
		}
		others = slices.DeleteFunc(others, func(o storage.Info) bool { return o.Name == BeganName })
		switch {
		case len(others) == 0: // a mark alone is none: that export did not come to anything
			return nil, writeJSON(ctx, x.Out, BeganName, x.done.identity)
		case began == identity{}:
			return nil, &OtherFolderError{x.Out.Path(""), "it has files and is no export: name a new or an empty folder"}
		}
		return nil, &OtherFolderError{x.Out.Path(""), began.differs(x.done.identity)}
	}
	m := new(Manifest)
	switch err := readJSON(ctx, x.Out, ManifestName, m); {
	case errors.Is(err, fs.ErrNotExist):
		return nil, x.Out.Sweep(ctx, folders...)
	case err != nil:
		return nil, err
	}
	if whole, err := x.finished(ctx, m); err != nil || whole {
		return m, err
	}
	// From here on it is unfinished.
	return nil, errors.Join(x.Out.Delete(ctx, ManifestName), x.Out.Sweep(ctx, folders...))
}

// finished tells whether all is there that a manifest and the parts name.
func (x *exporter) finished(ctx context.Context, m *Manifest) (bool, error) {
	if whole, err := x.whole(ctx, m.Texts); err != nil || !whole {
		return false, err
	}
	for _, shard := range x.set.Shards {
		if p, err := x.readPart(ctx, shard.Name); err != nil || p == nil {
			return false, err
		}
	}
	return true, nil
}

// add adds a part to the whole.
func (x *exporter) add(ctx context.Context, p *part) error {
	x.done.Clips += p.Clips
	for reason, n := range p.Skipped {
		x.done.Skipped[reason] += n
	}
	for reason, n := range p.Failed {
		x.done.Failed[reason] += n
	}
	for reason, n := range p.LeftOut {
		x.done.LeftOut[reason] += n
	}
	for _, f := range p.Files {
		x.done.Files++
		x.done.Bytes += f.Size
	}
	for name, l := range p.Lists {
		if err := x.lists.add(ctx, name, l); err != nil {
			return err
		}
	}
	return nil
}

// withdraw takes the mark of an export from a folder into which nothing came.
func (x *exporter) withdraw(ctx context.Context) error {
	parts, err := x.Out.List(ctx, partsFolder)
	if err != nil {
		return err
	}
	for _, p := range parts {
		if err := x.Out.Delete(ctx, p.Name); err != nil {
			return err
		}
	}
	return x.Out.Delete(ctx, BeganName)
}

// finish writes the lists, what tells of the whole, and last the manifest.
func (x *exporter) finish(ctx context.Context) (*Manifest, error) {
	var err error
	if x.done.Lists, err = x.lists.commit(ctx); err != nil {
		return nil, err
	}
	texts := slices.Collect(maps.Keys(x.done.Lists))
	whole, missing := x.format.finish(x.done.Lists)
	x.done.Missing = missing
	for _, name := range slices.Sorted(maps.Keys(whole)) {
		if err := writeWhole(ctx, x.Out, name, whole[name]); err != nil {
			return nil, err
		}
		texts = append(texts, name)
	}
	slices.Sort(texts)
	for _, name := range texts {
		info, err := x.Out.Stat(ctx, name)
		if err != nil {
			return nil, err
		}
		x.done.Texts = append(x.done.Texts, storedFile{name, info.Size})
	}
	return &x.done, writeJSON(ctx, x.Out, ManifestName, &x.done)
}

// hasMaps tells whether the set has depth maps, and of how many pictures a clip:
// of its frames, or of its key frame alone.
func (x *exporter) hasMaps() (depth bool, frames int) {
	stage, ok := x.set.Stages[dataset.StageDepth]
	if !ok || !x.set.Settings.Keeps("depth") {
		return false, 0
	}
	if stage.MapsFrames() && x.set.Settings.Keeps("frames") {
		frames = x.set.Stages[dataset.StageExtract].Int("frames")
	}
	return true, frames
}
