package ingest

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
)

// lines reads lines of bounded length.
type lines struct {
	r   *bufio.Reader
	max int
	n   int // lines read
	buf []byte
}

var errLongLine = errors.New("line is too long")

// next returns the next line without its end, valid until the call after. An
// overlong line is skipped to its end and gives errLongLine.
func (l *lines) next() ([]byte, error) {
	l.buf = l.buf[:0]
	long := false
	for {
		chunk, err := l.r.ReadSlice('\n')
		if long = long || len(l.buf)+len(chunk) > l.max; !long {
			l.buf = append(l.buf, chunk...)
		}
		if err == bufio.ErrBufferFull {
			continue
		}
		if err == io.EOF && (len(chunk) > 0 || len(l.buf) > 0 || long) {
			err = nil // the last line has no end
		}
		if err != nil {
			return nil, err
		}
		l.n++
		if long {
			return nil, errLongLine
		}
		return bytes.TrimRight(l.buf, "\r\n"), nil
	}
}

func (l *lines) at() string { return fmt.Sprintf("line %d", l.n) }

func tooLong(max int) error {
	return fmt.Errorf("longer than %d bytes", max)
}

// textRows are the lines of a plain list: a URL or path each, without blanks
// around it. Empty lines and those that begin with # are no rows.
type textRows struct{ lines }

func (t *textRows) columns() ([]string, error) { return nil, nil }

func (t *textRows) next() (record, error) {
	for {
		line, err := t.lines.next()
		if err == errLongLine {
			return record{at: t.at(), err: tooLong(t.max)}, nil
		}
		if err != nil {
			return record{}, err
		}
		line = bytes.TrimSpace(line)
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		return record{at: t.at(), cells: map[string]any{"url": string(line)}}, nil
	}
}
