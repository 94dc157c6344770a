package shards

import (
	"bufio"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"os"
	"slices"

	"micodata/internal/table"
	"micodata/storage"
)

// A shuffled set has the order of a hash of the seed and the key, so that it depends
// on nothing else. Rows are sorted outside memory: noted in a file for each stretch
// of hashes, which are sorted one after the other.

// sortFiles is how many stretches there are to a split: of a billion tuples each
// takes 0.6 GB of memory while it is sorted.
const sortFiles = 64

// shuffled is a tuple with its place in the order.
type shuffled struct {
	hash uint64
	note note
	ref
	source uint32 // its number
	bytes  uint32 // that it takes in a file
	gone   bool   // excluded: it keeps its place, and is not written
}

// ref is a row of a part.
type ref struct{ part, row uint32 }

const shuffledBytes = 37

func (x shuffled) compare(y shuffled) int {
	return cmp.Or(cmp.Compare(x.hash, y.hash), cmp.Compare(x.part, y.part), cmp.Compare(x.row, y.row))
}

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
	n    int64 // tuples
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
		f, err := scratch(s.dir)
		if err != nil {
			return err
		}
		*b = &bucket{file: f, w: bufio.NewWriterSize(f, 64<<10)}
	}
	(*b).n++
	var rec [shuffledBytes]byte
	binary.LittleEndian.PutUint64(rec[0:], x.hash)
	binary.LittleEndian.PutUint64(rec[8:], uint64(x.note.at))
	for i, v := range []uint32{x.note.size, x.part, x.row, x.source, x.bytes} {
		binary.LittleEndian.PutUint32(rec[16+4*i:], v)
	}
	if x.gone {
		rec[36] = 1
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
		slices.SortFunc(list, shuffled.compare)
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
		n := func(at int) uint32 { return binary.LittleEndian.Uint32(rec[at:]) }
		list = append(list, shuffled{
			hash: binary.LittleEndian.Uint64(rec[0:]), note: note{int64(binary.LittleEndian.Uint64(rec[8:])), n(16)},
			ref: ref{n(20), n(24)}, source: n(28), bytes: n(32), gone: rec[36] == 1,
		})
	}
}

// nth is the tuple in a place, from 1, of the order of all splits; ok is false if there
// are fewer.
func nth(sorters map[string]*sorter, place int64) (x shuffled, ok bool, err error) {
	for i := range sortFiles {
		var all []shuffled
		n := int64(0)
		for _, s := range sorters {
			if b := s.buckets[i]; b != nil {
				n += b.n
			}
		}
		if place > n {
			place -= n
			continue
		}
		for _, s := range sorters {
			if b := s.buckets[i]; b != nil {
				list, err := b.read()
				if err != nil {
					return x, false, err
				}
				all = append(all, list...)
			}
		}
		slices.SortFunc(all, shuffled.compare)
		return all[place-1], true, nil
	}
	return x, false, nil
}

func (s *sorter) close() {
	for _, b := range s.buckets {
		if b != nil {
			_ = b.file.Close() // it has no name any more
		}
	}
}

// arrange puts the tuples of the sorters into shards, a split after the other. A limit
// is of the first of all splits.
func (p *planner) arrange(ctx context.Context) error {
	var last shuffled
	limited := false
	if p.env.Limit > 0 {
		var err error
		if last, limited, err = nth(p.sorters, p.env.Limit); err != nil {
			return err
		}
	}
	sum := sha256.New() // of the shard's rows and parts
	for _, split := range []string{Train, Validation, Test} {
		s := p.sorters[split]
		if s == nil {
			continue
		}
		var shard *shardPlan
		err := s.each(func(x shuffled) error {
			if limited && x.compare(last) > 0 {
				p.leave("limit")
				return nil
			}
			if next := p.place(split, int64(x.bytes)); next != shard {
				if shard != nil {
					sum.Sum(shard.sum[:0])
				}
				sum.Reset()
				shard = next
				shard.list = &rowList{book: p.plan.noted, at: p.plan.noted.listed}
			}
			if !p.settle(shard, x.source, x.gone) {
				return nil
			}
			rec := binary.LittleEndian.AppendUint32(nil, x.part)
			rec = binary.LittleEndian.AppendUint32(rec, x.row)
			sum.Write(append(rec, p.digests[x.part][:]...))
			shard.list.n++
			return errors.Join(p.plan.noted.list(x.note, x.bytes), ctx.Err())
		})
		if err != nil {
			return err
		}
		if shard != nil {
			sum.Sum(shard.sum[:0])
		}
	}
	return p.plan.noted.flush()
}

// Tuples that are read ahead of the writing: so many, since each waits for some
// answers, one after the other, and of so many bytes, a usual row group's, beside the
// one that the writer holds.
const tuplesAhead, bytesAhead = 32, 128 << 20

// copyShuffled adds the rows of a shuffled shard.
func (e *Env) copyShuffled(ctx context.Context, w *table.Writer[Tuple], list *rowList) error {
	rows, err := list.rows()
	if err != nil {
		return err
	}
	ahead := window{values: tuplesAhead, weight: bytesAhead, of: func(i int) int64 { return rows[i].bytes }}
	return inOrder(ctx, len(rows), ahead, func(ctx context.Context, i int) (*Tuple, error) {
		return list.book.tuple(ctx, e.Dataset, rows[i].note)
	}, func(_ int, t *Tuple) error { return w.Write(t) })
}
