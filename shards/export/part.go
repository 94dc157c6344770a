package export

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"micodata/internal/table"
	"micodata/shards"
	"micodata/storage"
)

// partsFolder holds a file a shard of the set.
const partsFolder = "export.parts/"

// part is what an export has of a shard of the set. It is written once the shard's
// files are durable: what it names is whole, and what no part names is made again.
// So files need not be synced one by one, and of an export that was interrupted only
// the shards without a part are read.
type part struct {
	Clips   int64               `json:"clips"`
	Skipped map[string]int64    `json:"skipped"`
	Failed  map[string]int64    `json:"failed"`
	LeftOut map[string]int64    `json:"left_out"`
	Files   []storedFile        `json:"files"`
	Lists   map[string]partList `json:"lists"` // by object name
}

// storedFile is a file of an export.
type storedFile struct {
	Name string `json:"name"`
	Size int64  `json:"size"` // in bytes
}

// partList are a part's lines of a list.
type partList struct {
	Style style    `json:"style"`
	Lines []string `json:"lines"`
}

func partName(shard string) string {
	return partsFolder + strings.TrimSuffix(path.Base(shard), ".parquet") + ".json"
}

func newPart() *part {
	return &part{Skipped: map[string]int64{}, Failed: map[string]int64{}, LeftOut: map[string]int64{}, Lists: map[string]partList{}}
}

// add adds a line to its list.
func (p *part) add(n line) error {
	text, err := n.render()
	if err != nil {
		return err
	}
	l := p.Lists[n.list]
	p.Lists[n.list] = partList{n.style, append(l.Lines, text)}
	return nil
}

// whole tells whether all of an export's files of these names are there, by their
// sizes.
func (x *exporter) whole(ctx context.Context, files []storedFile) (bool, error) {
	for _, f := range files {
		info, err := x.Out.Stat(ctx, f.Name)
		if errors.Is(err, fs.ErrNotExist) || err == nil && info.Size != f.Size {
			return false, nil
		}
		if err != nil {
			return false, err
		}
	}
	return true, ctx.Err()
}

// readPart returns what the export has of a shard, nil if that is not there or not
// whole.
func (x *exporter) readPart(ctx context.Context, shard string) (*part, error) {
	text, err := storage.ReadAll(ctx, x.Out, partName(shard), math.MaxInt64) // its writer had it in memory, too
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	p := newPart()
	if json.Unmarshal(text, p) != nil {
		return nil, nil //nolint:nilerr // it is broken, so that nothing is known of the files
	}
	if whole, err := x.whole(ctx, p.Files); err != nil || !whole {
		return nil, err
	}
	return p, nil
}

// part returns what the export has of a shard, made if it is not there.
func (x *exporter) part(ctx context.Context, shard shards.Shard) (*part, error) {
	p, err := x.readPart(ctx, shard.Name)
	if err != nil || p != nil {
		return p, err
	}
	// A note of files that are not whole would name those that are made in their
	// place, of the same sizes, before they are durable.
	if err := x.Out.Delete(ctx, partName(shard.Name)); err != nil {
		return nil, err
	}
	if p, err = x.makePart(ctx, shard); err != nil {
		return nil, err
	}
	if err := x.Out.Sync(); err != nil {
		return nil, err
	}
	text, err := marshal(p)
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", partName(shard.Name), err)
	}
	return p, storage.WriteAll(ctx, x.Out, partName(shard.Name), storage.Replace, text)
}

// makePart exports the tuples of a shard, a row group at a time.
func (x *exporter) makePart(ctx context.Context, shard shards.Shard) (*part, error) {
	o, err := x.Set.Open(ctx, shard.Name)
	if err != nil {
		return nil, shards.Damaged(x.Set, shard.Name, err)
	}
	defer o.Close()
	r, err := shards.NewTupleSchema(x.set.AudioRate).NewReader(o, table.ReaderOptions{Columns: append(slices.Clone(scalars), x.media...)})
	if err != nil {
		return nil, shards.Damaged(x.Set, shard.Name, err)
	}
	defer r.Close()
	if !shard.Is(o, r) {
		return nil, &storage.Error{Op: "read", Path: x.Set.Path(shard.Name),
			Err: errors.New("it is not the file that the manifest had as the export began: the set has changed meanwhile (export it again, into a new folder)")}
	}
	tar, err := x.newSink(ctx, shard.Name)
	if err != nil {
		return nil, err
	}
	defer tar.abort()
	p := newPart()
	for _, rows := range r.RowGroups() {
		if err := x.group(ctx, r, rows, shard, p, tar); err != nil {
			return nil, err
		}
	}
	if there, err := tar.commit(ctx); err != nil || !there {
		return p, err
	}
	p.Files = []storedFile{{tarName(shard.Name), tar.bytes}}
	return p, p.add(line{inSplit(tarsName, shard.Split), jsonArray, linked + tarName(shard.Name)})
}

// made is a clip's product with the bytes for its tar file, or the files that it has.
type made struct {
	product
	clip   *clip
	failed string // why its media cannot be used; then there are no files
	data   [][]byte
	stored []storedFile
}

// group makes the products of a row group's tuples beside each other, and then
// notes in order what has an order.
func (x *exporter) group(ctx context.Context, r *table.Reader[shards.Tuple], rows int64, shard shards.Shard, p *part, tar *sink) error {
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
		if err := p.note(m, tar); err != nil {
			return err
		}
	}
	return nil
}

// note adds a clip to a part.
func (p *part) note(m made, tar *sink) error {
	if m.failed != "" {
		p.Failed[m.failed]++
		return p.add(line{FailedName, lines, failedRow{m.clip.Key, m.failed}})
	}
	for _, reason := range m.notes {
		p.LeftOut[reason]++
	}
	if m.skipped != "" {
		p.Skipped[m.skipped]++
		return nil
	}
	p.Clips++
	p.Files = append(p.Files, m.stored...)
	if err := tar.add(m); err != nil {
		return err
	}
	for _, l := range append(m.lines, line{clipsName, lines, newClipRow(m.clip)}) {
		if err := p.add(l); err != nil {
			return err
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
	m.data = make([][]byte, len(m.files))
	for i, f := range m.files {
		m.data[i], err = f.data(ctx)
		var unfit *unfitError
		if errors.As(err, &unfit) {
			m.failed = unfit.reason
			return m, nil
		}
		if err != nil {
			return m, fmt.Errorf("%s: %w", t.Key, err)
		}
	}
	if x.tars {
		return m, nil
	}
	for i, f := range m.files {
		if err := x.Out.WriteLoose(ctx, f.name, m.data[i]); err != nil {
			return m, err
		}
		m.stored = append(m.stored, storedFile{f.name, int64(len(m.data[i]))})
	}
	m.data = nil
	return m, nil
}
