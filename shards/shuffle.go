package shards

import (
	"bufio"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"

	"golang.org/x/sync/errgroup"

	"micodata/dataset"
	"micodata/internal/table"
	"micodata/storage"
)

// A shuffled set has the order of a hash of the seed and the key, so that it depends
// on nothing else. Rows are sorted outside memory: noted in a file for each stretch
// of hashes, which are sorted one after the other.

// sortFiles is how many stretches there are to a split: of a billion tuples each
// takes half a gigabyte of memory while it is sorted.
const sortFiles = 64

// shuffled is a tuple with its place in the order.
type shuffled struct {
	hash  uint64
	bytes int64 // that it takes in a file
	ref
	gone bool // excluded: it keeps its place, and is not written
}

// ref is a row of a part.
type ref struct{ part, row uint32 }

const shuffledBytes, refBytes = 25, 12

// orderHash is a tuple's place in the order of a seed.
func orderHash(seed int64, key string) uint64 {
	sum := sha256.Sum256(append(binary.BigEndian.AppendUint64(nil, uint64(seed)), key...))
	return binary.BigEndian.Uint64(sum[:])
}

// sorter sorts the tuples of a split.
type sorter struct {
	dir     string
	buckets [sortFiles]*bucket
}

type bucket struct {
	file *os.File
	w    *bufio.Writer
}

// noted is the error of a file in which an order is noted.
func noted(err error) error {
	var at *fs.PathError
	if !errors.As(err, &at) {
		return err
	}
	return &storage.Error{Op: "note the order of tuples in", Path: at.Path, Err: err}
}

func (s *sorter) add(x shuffled) error {
	b := &s.buckets[x.hash>>(64-6)]
	if *b == nil {
		f, err := os.CreateTemp(s.dir, "micodata-shuffle-*")
		if err != nil {
			return noted(err)
		}
		_ = os.Remove(f.Name()) // it goes with the process
		*b = &bucket{f, bufio.NewWriterSize(f, 64<<10)}
	}
	var rec [shuffledBytes]byte
	binary.LittleEndian.PutUint64(rec[0:], x.hash)
	binary.LittleEndian.PutUint64(rec[8:], uint64(x.bytes))
	binary.LittleEndian.PutUint32(rec[16:], x.part)
	binary.LittleEndian.PutUint32(rec[20:], x.row)
	if x.gone {
		rec[24] = 1
	}
	_, err := (*b).w.Write(rec[:])
	return noted(err)
}

// each calls do for all tuples in their order.
func (s *sorter) each(do func(shuffled) error) error {
	for _, b := range s.buckets {
		if b == nil {
			continue
		}
		list, err := b.read()
		if err != nil {
			return err
		}
		slices.SortFunc(list, func(x, y shuffled) int {
			return cmp.Or(cmp.Compare(x.hash, y.hash), cmp.Compare(x.part, y.part), cmp.Compare(x.row, y.row))
		})
		for _, x := range list {
			if err := do(x); err != nil {
				return err
			}
		}
	}
	return nil
}

func (b *bucket) read() (list []shuffled, err error) {
	if err := b.w.Flush(); err != nil {
		return nil, noted(err)
	}
	if _, err := b.file.Seek(0, io.SeekStart); err != nil {
		return nil, noted(err)
	}
	r := bufio.NewReaderSize(b.file, 1<<20)
	var rec [shuffledBytes]byte
	for {
		if _, err := io.ReadFull(r, rec[:]); err == io.EOF {
			return list, nil
		} else if err != nil {
			return nil, noted(err)
		}
		list = append(list, shuffled{
			hash: binary.LittleEndian.Uint64(rec[0:]), bytes: int64(binary.LittleEndian.Uint64(rec[8:])),
			ref:  ref{binary.LittleEndian.Uint32(rec[16:]), binary.LittleEndian.Uint32(rec[20:])},
			gone: rec[24] == 1,
		})
	}
}

func (s *sorter) close() {
	for _, b := range s.buckets {
		if b != nil {
			_ = b.file.Close() // it has no name any more
		}
	}
}

// rowList is where the rows of a shuffled shard are noted, in their order.
type rowList struct {
	file *os.File
	at   int64
	n    int64
}

// rows reads the list; bytes are what each takes in a file.
func (l *rowList) rows() (refs []ref, bytes []int64, err error) {
	b := make([]byte, l.n*refBytes)
	if _, err := l.file.ReadAt(b, l.at); err != nil {
		return nil, nil, noted(err)
	}
	for ; len(b) > 0; b = b[refBytes:] {
		refs = append(refs, ref{binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[4:])})
		bytes = append(bytes, int64(binary.LittleEndian.Uint32(b[8:])))
	}
	return refs, bytes, nil
}

// arrange puts the tuples of the sorters into shards, a split after the other.
func (p *planner) arrange(ctx context.Context) (err error) {
	if p.plan.lists, err = os.CreateTemp(p.env.TempDir, "micodata-shuffle-*"); err != nil {
		return noted(err)
	}
	_ = os.Remove(p.plan.lists.Name())
	w := bufio.NewWriterSize(p.plan.lists, 1<<20)
	at := int64(0)
	for _, split := range []string{Train, Validation, Test} {
		s := p.sorters[split]
		if s == nil {
			continue
		}
		err := s.each(func(x shuffled) error {
			if p.env.Limit > 0 && p.placed >= p.env.Limit {
				p.leave("limit")
				return nil
			}
			shard := p.place(split, x.bytes)
			if shard.list == nil {
				shard.list = &rowList{file: p.plan.lists, at: at}
				shard.sum = sha256.New()
			}
			if !p.settle(shard, x.gone) {
				return nil
			}
			var rec [refBytes]byte
			binary.LittleEndian.PutUint32(rec[0:], x.part)
			binary.LittleEndian.PutUint32(rec[4:], x.row)
			binary.LittleEndian.PutUint32(rec[8:], uint32(min(x.bytes, 1<<32-1)))
			shard.sum.Write(rec[:])
			shard.list.n++
			at += refBytes
			_, err := w.Write(rec[:])
			return errors.Join(noted(err), ctx.Err())
		})
		if err != nil {
			return err
		}
	}
	return noted(w.Flush())
}

// copyShuffled adds the rows of a shuffled shard, a row group's worth at a time: they
// are read part by part, and written in their order.
func (e *Env) copyShuffled(ctx context.Context, w *table.Writer[Tuple], list *rowList) error {
	refs, bytes, err := list.rows()
	if err != nil {
		return err
	}
	for i := 0; i < len(refs); {
		n, sum := i+1, bytes[i]
		for n < len(refs) && sum+bytes[n] <= e.RowGroupBytes {
			sum += bytes[n]
			n++
		}
		tuples, err := e.fetch(ctx, refs[i:n])
		if err != nil {
			return err
		}
		for _, t := range tuples {
			if err := w.Write(t); err != nil {
				return err
			}
		}
		i = n
	}
	return nil
}

// fetchers is how many parts are read at once: each read waits for a server.
const fetchers = 8

// fetch reads rows of any parts.
func (e *Env) fetch(ctx context.Context, refs []ref) ([]*Tuple, error) {
	tuples := make([]*Tuple, len(refs))
	byPart := map[uint32][]int{} // places in refs
	for i, r := range refs {
		byPart[r.part] = append(byPart[r.part], i)
	}
	work, ctx := errgroup.WithContext(ctx)
	work.SetLimit(fetchers)
	for part, places := range byPart {
		work.Go(func() error {
			slices.SortFunc(places, func(a, b int) int { return cmp.Compare(refs[a].row, refs[b].row) })
			j, err := openJoin(ctx, e, int(part), noBlobs)
			if err != nil {
				return err
			}
			defer j.close()
			rows := map[int64]*Tuple{}
			for _, i := range places {
				if err := j.skip(int64(refs[i].row) - j.row); err != nil {
					return err
				}
				row, err := j.next()
				if err == io.EOF || err == nil && row.clip.Status != dataset.OK {
					return j.misfit(dataset.StageExtract, fmt.Sprintf("has no row %d that is ok, as a moment ago", refs[i].row))
				}
				if err != nil {
					return err
				}
				tuples[i] = e.trim(row.tuple())
				rows[int64(refs[i].row)] = tuples[i]
			}
			return j.fill(ctx, rows)
		})
	}
	return tuples, work.Wait()
}
