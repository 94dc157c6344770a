package export

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"micodata/dataset"
	"micodata/internal/choice"
	"micodata/internal/ffmpeg"
	"micodata/internal/table"
	"micodata/shards"
	"micodata/storage"
)

// Env is what an export is made of, and how.
type Env struct {
	Set    storage.Store // a finished training set
	Out    storage.Store // a folder: trainers read files
	Format string        // of [Formats]
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
	// that is verbatim, or what becomes JSON.
	finish(lists map[string]int64) (map[string]any, error)
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
	// data makes the file's bytes; an [*unfitError] leaves the clip out. It is not
	// called if the file is there already.
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
	"onellm":           {open: newOneLLM, media: []string{"image", "depth", "normal"}, notes: oneLLMNotes},
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
var folders = []string{"annotations", "audio", "audios", "configs", "depth", "depth16", "images", "normal", "video", "videos"}

// exporter is an export at work.
type exporter struct {
	Env
	spec
	set    *shards.Manifest
	format format
	lists  *lists

	mu   sync.Mutex
	done Manifest // as far as counted
}

// Run exports a set and returns the export's manifest. An export that is there
// whole is left as it is. Errors: [*OtherFolderError]; [*NoClipsError]; a
// [*storage.Error]; what ffmpeg's absence gives.
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
		Tuples: m.Tuples, Skipped: map[string]int64{}, LeftOut: map[string]int64{}, Notes: x.notes}
	if whole, err := x.begin(ctx); err != nil || whole != nil {
		return whole, err
	}
	defer x.lists.abort()
	x.format = x.open(x)
	for i, shard := range m.Shards {
		if err := x.shard(ctx, shard); err != nil {
			return nil, err
		}
		if x.Progress != nil {
			x.Progress(i+1, len(m.Shards))
		}
	}
	if x.done.Clips == 0 {
		return nil, &NoClipsError{Format: x.Format, Skipped: x.done.Skipped}
	}
	return x.finish(ctx)
}

// begin marks the folder as this export's, or returns the manifest of an export
// that is whole.
func (x *exporter) begin(ctx context.Context) (whole *Manifest, err error) {
	var began identity
	switch err := readJSON(ctx, x.Out, BeganName, &began); {
	case errors.Is(err, fs.ErrNotExist):
		others, err := x.Out.List(ctx, "")
		if err != nil {
			return nil, err
		}
		if len(others) > 0 {
			return nil, &OtherFolderError{x.Out.Path(""), "it has files and is no export: name a new or an empty folder"}
		}
		return nil, writeJSON(ctx, x.Out, BeganName, x.done.identity)
	case err != nil:
		return nil, err
	case began != x.done.identity:
		return nil, &OtherFolderError{x.Out.Path(""), began.differs(x.done.identity)}
	}
	m := new(Manifest)
	switch err := readJSON(ctx, x.Out, ManifestName, m); {
	case err == nil:
		return m, nil
	case !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	return nil, x.Out.Sweep(ctx, folders...)
}

// shard exports the tuples of a shard, a row group at a time.
func (x *exporter) shard(ctx context.Context, shard shards.Shard) error {
	o, err := x.Set.Open(ctx, shard.Name)
	if err != nil {
		return shards.Damaged(x.Set, shard.Name, err)
	}
	defer o.Close()
	r, err := shards.NewTupleSchema(x.set.AudioRate).NewReader(o, table.ReaderOptions{Columns: append(slices.Clone(scalars), x.media...)})
	if err != nil {
		return shards.Damaged(x.Set, shard.Name, err)
	}
	defer r.Close()
	tar, err := x.newSink(ctx, shard.Name)
	if err != nil {
		return err
	}
	defer tar.abort()
	for _, rows := range r.RowGroups() {
		if err := x.group(ctx, r, rows, shard, tar); err != nil {
			return err
		}
	}
	if err := tar.commit(ctx); err != nil || !tar.there() {
		return err
	}
	return x.lists.add(ctx, line{inSplit(tarsName, shard.Split), jsonArray, linked + tarName(shard.Name)})
}

// made is a clip's product with the bytes for its tar file.
type made struct {
	product
	clip *clip
	data [][]byte
}

// group makes the products of a row group's tuples beside each other, and then
// writes in order what has an order.
func (x *exporter) group(ctx context.Context, r *table.Reader[shards.Tuple], rows int64, shard shards.Shard, tar *sink) error {
	out := make([]made, rows)
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(max(1, x.Workers))
	for i := range out {
		t, err := r.Next()
		if err != nil {
			return errors.Join(shards.Damaged(x.Set, shard.Name, err), g.Wait())
		}
		g.Go(func() (err error) {
			out[i], err = x.make(gctx, t, shard.Split)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	for _, m := range out {
		for _, reason := range m.notes {
			x.done.LeftOut[reason]++
		}
		if m.skipped != "" {
			x.done.Skipped[m.skipped]++
			continue
		}
		x.done.Clips++
		if err := tar.add(m); err != nil {
			return err
		}
		for _, l := range append(m.lines, line{clipsName, lines, newClipRow(m.clip)}) {
			if err := x.lists.add(ctx, l); err != nil {
				return err
			}
		}
	}
	return nil
}

// make makes a clip's product: the bytes of all its files before the first of
// them is written, since one that is unfit leaves all of them out.
func (x *exporter) make(ctx context.Context, t *shards.Tuple, split string) (m made, err error) {
	m.clip = &clip{Tuple: t, split: split}
	if m.clip.id, err = ID(t.Key); err != nil {
		return m, err
	}
	m.product = x.format.take(m.clip)
	if m.skipped != "" {
		return m, nil
	}
	sizes := make([]int64, len(m.files))
	m.data = make([][]byte, len(m.files))
	for i, f := range m.files {
		if !x.tars {
			info, err := x.Out.Stat(ctx, f.name)
			if err == nil {
				sizes[i] = info.Size
				continue
			}
			if !errors.Is(err, fs.ErrNotExist) {
				return m, err
			}
		}
		m.data[i], err = f.data(ctx)
		var unfit *unfitError
		if errors.As(err, &unfit) {
			m.skipped = unfit.reason
			return m, nil
		}
		if err != nil {
			return m, fmt.Errorf("%s: %w", t.Key, err)
		}
		sizes[i] = int64(len(m.data[i]))
	}
	if x.tars {
		return m, nil
	}
	for i, f := range m.files {
		if m.data[i] == nil {
			continue
		}
		if err := storage.WriteAll(ctx, x.Out, f.name, storage.Replace, m.data[i]); err != nil {
			return m, err
		}
	}
	m.data = nil
	x.count(sizes...)
	return m, nil
}

// count adds files of these sizes.
func (x *exporter) count(sizes ...int64) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, n := range sizes {
		x.done.Files++
		x.done.Bytes += n
	}
}

// finish writes the lists, what tells of the whole, and last the manifest.
func (x *exporter) finish(ctx context.Context) (*Manifest, error) {
	var err error
	if x.done.Lists, err = x.lists.commit(ctx); err != nil {
		return nil, err
	}
	whole, err := x.format.finish(x.done.Lists)
	if err != nil {
		return nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(whole)) {
		if err := writeWhole(ctx, x.Out, name, whole[name]); err != nil {
			return nil, err
		}
	}
	return &x.done, writeJSON(ctx, x.Out, ManifestName, &x.done)
}

// hasMaps tells whether the set has depth maps, and of how many pictures a clip:
// of its frames, or of its key frame alone.
func (x *exporter) hasMaps() (depth bool, frames int) {
	stage, ok := x.set.Stages[dataset.StageDepth]
	columns := x.set.Settings.Columns
	if !ok || len(columns) > 0 && !slices.Contains(columns, "depth") {
		return false, 0
	}
	if stage.Settings["geometry"] == "frames" && (len(columns) == 0 || slices.Contains(columns, "frames")) {
		if n, ok := x.set.Stages[dataset.StageExtract].Settings["frames"].(float64); ok {
			return true, int(n)
		}
	}
	return true, 0
}
