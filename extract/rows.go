package extract

import (
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"micodata/dataset"
	"micodata/internal/table"
)

// rows writes the rows of a part in order: by source, then by clip. Sources run
// at the same time, and what is damaged of one is known when it has ended, so that
// rows wait until then in a temporary file, one a source: no memory grows with the
// number of clips. The files have no name from the moment they are made: nothing is
// left of them, however the process ends.
type rows struct {
	writer  interface{ Write(*dataset.Clip) error }
	tempDir string

	mu      sync.Mutex
	turn    int // the source whose rows are written next
	sources []sourceRows
	report  dataset.Report
}

// sourceRows are the rows of one source.
type sourceRows struct {
	waiting map[int]place // by number
	file    *os.File      // nil: no row yet
	size    int64
	ended   bool
	damage  *damage
}

// place is where a row waits in the file.
type place struct{ at, size int64 }

func newRows(w interface{ Write(*dataset.Clip) error }, tempDir string, sources int) *rows {
	return &rows{writer: w, tempDir: tempDir, sources: make([]sourceRows, sources)}
}

// add takes the row of a source's clip, by number from 0. Each number must be
// added once.
func (r *rows) add(source, number int, c *dataset.Clip) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.wait(&r.sources[source], number, c)
}

// end says that all rows of a source have been added, and what of it is damaged.
func (r *rows) end(source int, d *damage) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sources[source].ended, r.sources[source].damage = true, d
	return r.catchUp()
}

// missing lists the clips of a source, out of n, that have not been added.
func (r *rows) missing(source, n int) []int {
	r.mu.Lock()
	defer r.mu.Unlock()
	var numbers []int
	for i := range n {
		if _, ok := r.sources[source].waiting[i]; !ok {
			numbers = append(numbers, i)
		}
	}
	return numbers
}

// close frees what is still waiting.
func (r *rows) close() error {
	var err error
	for i := range r.sources {
		err = errors.Join(err, r.sources[i].close())
	}
	return err
}

func (s *sourceRows) close() error {
	if s.file == nil {
		return nil
	}
	f := s.file
	s.file = nil
	return tempError("close", f.Name(), f.Close())
}

// catchUp writes the rows of all sources that need not wait any more.
func (r *rows) catchUp() error {
	for r.turn < len(r.sources) && r.sources[r.turn].ended {
		s := &r.sources[r.turn]
		for number := range len(s.waiting) {
			p, ok := s.waiting[number]
			if !ok {
				return fmt.Errorf("clip %d of source %d is missing", number, r.turn)
			}
			c, err := s.read(p)
			if err != nil {
				return err
			}
			s.damage.mark(c)
			if err := r.write(c); err != nil {
				return err
			}
		}
		if err := s.close(); err != nil {
			return err
		}
		*s = sourceRows{}
		r.turn++
	}
	return nil
}

// write writes a row; one that is too large for the format becomes a failed one.
func (r *rows) write(c *dataset.Clip) error {
	err := r.writer.Write(c)
	var large *table.TooLargeError
	if errors.As(err, &large) {
		*c = dataset.Clip{Key: c.Key, ClipID: c.ClipID, SourceID: c.SourceID, Start: c.Start, End: c.End, Text: c.Text,
			Outcome: dataset.OutcomeOf(dataset.Failed, dataset.Fail(dataset.TooLarge, "%w", large))}
		err = r.writer.Write(c)
	}
	if err != nil {
		return err
	}
	r.report.Count(c.Outcome)
	if c.Status == dataset.OK {
		r.report.Seconds += c.End - c.Start
	}
	return nil
}

func (r *rows) wait(s *sourceRows, number int, c *dataset.Clip) error {
	if s.file == nil {
		f, err := createTemp(r.tempDir, "micodata-rows-*")
		if err != nil {
			return err
		}
		s.file, s.waiting = f, map[int]place{}
		if err := os.Remove(f.Name()); err != nil {
			return tempError("remove", f.Name(), err)
		}
	}
	out := io.NewOffsetWriter(s.file, s.size)
	if err := gob.NewEncoder(tempWriter{out, s.file.Name()}).Encode(c); err != nil {
		return fmt.Errorf("keep a waiting row: %w", err)
	}
	end, err := out.Seek(0, io.SeekCurrent)
	if err != nil {
		return tempError("write", s.file.Name(), err)
	}
	s.waiting[number] = place{at: s.size, size: end}
	s.size += end
	return nil
}

func (s *sourceRows) read(p place) (*dataset.Clip, error) {
	c := new(dataset.Clip)
	if err := gob.NewDecoder(tempReader{io.NewSectionReader(s.file, p.at, p.size), s.file.Name()}).Decode(c); err != nil {
		return nil, fmt.Errorf("read a waiting row: %w", err)
	}
	return c, nil
}
