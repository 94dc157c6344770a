package shards

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"os"
	"slices"
	"strings"

	"micodata/dataset"
	"micodata/internal/table"
	"micodata/storage"
)

// notebook keeps the tuples of a shuffled set, without their blobs, and the places of
// these, in a file, some 1.5 KB a tuple. Without it a shard, whose rows are of as many
// parts, would open them all again: twice the requests that the blobs themselves take.
type notebook struct {
	schema        *table.Schema[Tuple]
	tuples, lists *os.File
	w, listW      *bufio.Writer
	at, listed    int64 // ends of both
}

// note is where a tuple is noted.
type note struct {
	at   int64
	size uint32
}

// scratch makes a file that goes with the process.
func scratch(dir string) (*os.File, error) {
	f, err := os.CreateTemp(dir, "micodata-shuffle-*")
	if err == nil {
		_ = os.Remove(f.Name())
	}
	return f, noted(err)
}

func newNotebook(dir string, schema *table.Schema[Tuple]) (*notebook, error) {
	b := &notebook{schema: schema}
	var err, also error
	b.tuples, err = scratch(dir)
	b.lists, also = scratch(dir)
	if err = errors.Join(err, also); err != nil {
		b.close()
		return nil, err
	}
	b.w, b.listW = bufio.NewWriterSize(b.tuples, 1<<20), bufio.NewWriterSize(b.lists, 1<<20)
	return b, nil
}

func (b *notebook) close() {
	for _, f := range []*os.File{b.tuples, b.lists} {
		if f != nil {
			_ = f.Close() // it has no name any more
		}
	}
}

// add notes a tuple.
func (b *notebook) add(data []byte) (note, error) {
	n := note{b.at, uint32(len(data))}
	b.at += int64(len(data))
	_, err := b.w.Write(data)
	return n, noted(err)
}

// list notes that a tuple is the next in the order of the set.
func (b *notebook) list(n note, bytes uint32) error {
	var rec [listedBytes]byte
	binary.LittleEndian.PutUint64(rec[0:], uint64(n.at))
	binary.LittleEndian.PutUint32(rec[8:], n.size)
	binary.LittleEndian.PutUint32(rec[12:], bytes)
	b.listed += listedBytes
	_, err := b.listW.Write(rec[:])
	return noted(err)
}

func (b *notebook) flush() error { return noted(errors.Join(b.w.Flush(), b.listW.Flush())) }

// rowList is where the rows of a shuffled shard are listed, in their order.
type rowList struct {
	book *notebook
	at   int64
	n    int64
}

const listedBytes = 16

// listRow is a row of a list.
type listRow struct {
	note
	bytes int64 // that it takes in a file
}

func (l *rowList) rows() (rows []listRow, err error) {
	b := make([]byte, l.n*listedBytes)
	if _, err := l.book.lists.ReadAt(b, l.at); err != nil {
		return nil, noted(err)
	}
	for ; len(b) > 0; b = b[listedBytes:] {
		rows = append(rows, listRow{note{int64(binary.LittleEndian.Uint64(b)), binary.LittleEndian.Uint32(b[8:])}, int64(binary.LittleEndian.Uint32(b[12:]))})
	}
	return rows, nil
}

// notedBlobs are the columns of blobs by their numbers in a note.
var notedBlobs = []string{"image", "video", "audio", "depth", "normal", framesPath + "image", framesPath + "depth", framesPath + "normal"}

// encodeNote notes a tuple of a part, whose blobs, as far as it has any, are at places.
func encodeNote(schema *table.Schema[Tuple], part int, t *Tuple, places []table.BlobPlace) []byte {
	var list []byte
	n := 0
	for _, p := range places {
		b := t.blob(p)
		if b == nil || b.Path == "" { // it is not written
			continue
		}
		b.Bytes = []byte{} // it is there
		column := slices.Index(notedBlobs, strings.TrimSuffix(p.Column, ".bytes"))
		for _, v := range []int64{int64(column), int64(p.Elem), p.Offset, p.Size} {
			list = binary.AppendUvarint(list, uint64(v))
		}
		n++
	}
	data := binary.AppendUvarint(nil, uint64(part))
	data = binary.AppendUvarint(data, uint64(n))
	return schema.AppendRow(append(data, list...), t)
}

var errNote = errors.New("the note of a tuple in the folder for temporary files is broken")

// decode reads a note.
func (b *notebook) decode(data []byte) (part int, places []table.BlobPlace, t *Tuple, err error) {
	broken := false
	next := func() int64 {
		v, n := binary.Uvarint(data)
		if n <= 0 {
			broken = true
			return 0
		}
		data = data[n:]
		return int64(v)
	}
	part = int(next())
	for n := next(); n > 0 && !broken; n-- {
		column := next()
		if column >= int64(len(notedBlobs)) {
			return 0, nil, nil, errNote
		}
		places = append(places, table.BlobPlace{Column: notedBlobs[column], Elem: int(next()), Offset: next(), Size: next()})
	}
	if broken {
		return 0, nil, nil, errNote
	}
	if t, err = b.schema.DecodeRow(data); err != nil {
		return 0, nil, nil, errors.Join(errNote, err)
	}
	return part, places, t, nil
}

// tuple reads a tuple that was noted, with its blobs from the parts' files.
func (b *notebook) tuple(ctx context.Context, s storage.Store, n note) (*Tuple, error) {
	data := make([]byte, n.size)
	if _, err := b.tuples.ReadAt(data, n.at); err != nil {
		return nil, noted(err)
	}
	part, places, t, err := b.decode(data)
	if err != nil {
		return nil, err
	}
	for _, stage := range []string{dataset.StageExtract, dataset.StageDepth, dataset.StageNormal} {
		var of []table.BlobPlace
		for _, p := range places {
			if stageOf(p.Column) == stage {
				of = append(of, p)
			}
		}
		if len(of) == 0 {
			continue
		}
		blobs, err := readBlobs(ctx, s, dataset.PartName(stage, part), of)
		if err != nil {
			return nil, dataset.Damaged(s, dataset.PartName(stage, part), err)
		}
		for i, p := range of {
			blob := t.blob(p)
			if blob == nil {
				return nil, errNote
			}
			blob.Bytes = blobs[i]
		}
	}
	return t, nil
}

// stageOf is the stage whose parts have a column of blobs.
func stageOf(column string) string {
	switch strings.TrimPrefix(column, framesPath) {
	case "depth":
		return dataset.StageDepth
	case "normal":
		return dataset.StageNormal
	}
	return dataset.StageExtract
}
