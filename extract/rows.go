package extract

import (
	"bytes"
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
// at the same time, and some clips of a source end before others that come
// first. What cannot be written yet waits in a temporary file, one a source, so
// that no memory grows with the number of clips. The files have no name from the
// moment they are made: nothing is left of them, however the process ends.
type rows struct {
	writer  interface{ Write(*dataset.Clip) error }
	tempDir string

	mu      sync.Mutex
	turn    int // the source whose rows are being written
	sources []sourceRows
	report  dataset.Report
}

// sourceRows are the rows of one source.
type sourceRows struct {
	next    int // clip to write next
	waiting map[int]place
	file    *os.File // nil: nothing has had to wait
	size    int64
	ended   bool
}

// place is where a row waits in the file.
type place struct{ at, size int64 }

func newRows(w interface{ Write(*dataset.Clip) error }, tempDir string, sources int) *rows {
	return &rows{writer: w, tempDir: tempDir, sources: make([]sourceRows, sources)}
}

// add takes the row of a source's clip, by number from 0. Each number must be
// added once. The row may be kept until the part is written.
func (r *rows) add(source, number int, c *dataset.Clip) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := &r.sources[source]
	if source != r.turn || number != s.next {
		return r.wait(s, number, c)
	}
	s.next++
	if err := r.write(c); err != nil {
		return err
	}
	return r.catchUp()
}

// end says that all rows of a source have been added.
func (r *rows) end(source int) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sources[source].ended = true
	return r.catchUp()
}

// missing lists the clips of a source, out of n, that have not been added.
func (r *rows) missing(source, n int) []int {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := &r.sources[source]
	var numbers []int
	for i := s.next; i < n; i++ {
		if _, ok := s.waiting[i]; !ok {
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

// catchUp writes all that need not wait any more.
func (r *rows) catchUp() error {
	for r.turn < len(r.sources) {
		s := &r.sources[r.turn]
		for p, ok := s.waiting[s.next]; ok; p, ok = s.waiting[s.next] {
			c, err := s.read(p)
			if err != nil {
				return err
			}
			if err := r.write(c); err != nil {
				return err
			}
			delete(s.waiting, s.next)
			s.next++
		}
		if !s.ended {
			return nil
		}
		if len(s.waiting) > 0 {
			return fmt.Errorf("clip %d of source %d is missing", s.next, r.turn)
		}
		if err := s.close(); err != nil {
			return err
		}
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
	var buf bytes.Buffer
	if err := gob.NewEncoder(&buf).Encode(c); err != nil {
		return fmt.Errorf("encode a waiting row: %w", err)
	}
	if _, err := s.file.WriteAt(buf.Bytes(), s.size); err != nil {
		return tempError("write", s.file.Name(), err)
	}
	s.waiting[number] = place{at: s.size, size: int64(buf.Len())}
	s.size += int64(buf.Len())
	return nil
}

func (s *sourceRows) read(p place) (*dataset.Clip, error) {
	c := new(dataset.Clip)
	// A buffered reader, or gob would read the file by small pieces.
	data, err := io.ReadAll(io.NewSectionReader(s.file, p.at, p.size))
	if err != nil {
		return nil, tempError("read", s.file.Name(), err)
	}
	if err := gob.NewDecoder(bytes.NewReader(data)).Decode(c); err != nil {
		return nil, fmt.Errorf("decode a waiting row: %w", err)
	}
	return c, nil
}
