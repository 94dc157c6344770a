package ingest

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
)

// jsonSource yields one JSON object a call.
type jsonSource interface {
	object() (data []byte, at string, err error)
}

// jsonRows reads objects. Their keys are the columns, as far as the first rows
// show them.
type jsonRows struct {
	src   jsonSource
	ahead []record
	err   error // of reading ahead
}

// Columns are looked for in the first rows: a key may be missing from some.
const (
	headRows  = 100
	headBytes = 16 << 20
)

func (j *jsonRows) columns() ([]string, error) {
	seen := map[string]bool{}
	size := 0
	for len(j.ahead) < headRows && size < headBytes {
		rec, n, err := j.read()
		if err != nil {
			j.err = err
			break
		}
		size += n
		j.ahead = append(j.ahead, rec)
		for k := range rec.cells {
			seen[k] = true
		}
	}
	if len(j.ahead) == 0 && j.err != nil && j.err != io.EOF {
		return nil, j.err
	}
	names := slices.AppendSeq([]string{}, maps.Keys(seen)) // never nil: it has columns
	slices.Sort(names)
	return names, nil
}

func (j *jsonRows) next() (record, error) {
	if len(j.ahead) > 0 {
		rec := j.ahead[0]
		j.ahead = j.ahead[1:]
		return rec, nil
	}
	if j.err != nil {
		return record{}, j.err
	}
	rec, _, err := j.read()
	return rec, err
}

func (j *jsonRows) read() (rec record, size int, err error) {
	data, at, err := j.src.object()
	rec.at = at
	if errors.Is(err, errLongLine) {
		rec.err = err
		return rec, 0, nil
	}
	if err != nil {
		return rec, 0, err
	}
	rec.cells, rec.err = parseObject(data)
	return rec, len(data), nil
}

func parseObject(data []byte) (map[string]any, error) {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	var cells map[string]any
	var other *json.UnmarshalTypeError
	if err := dec.Decode(&cells); errors.As(err, &other) {
		return nil, fmt.Errorf("not a JSON object but a JSON %s", other.Value)
	} else if err != nil {
		return nil, fmt.Errorf("not a JSON object: %w", err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, errors.New("more than one JSON object")
	}
	if cells == nil {
		return nil, errors.New("not a JSON object: null")
	}
	return cells, nil
}

// jsonLines are JSON Lines: an object a line.
type jsonLines struct{ lines }

func (j *jsonLines) object() ([]byte, string, error) {
	for {
		line, err := j.next()
		if err == errLongLine {
			return nil, j.at(), fmt.Errorf("%w: more than %d bytes", err, j.max)
		}
		if err != nil || len(bytes.TrimSpace(line)) > 0 {
			return line, j.at(), err
		}
	}
}

// jsonValues are the objects of a .json file: an array of them, or one after
// the other however they are laid out.
type jsonValues struct {
	in    *budgetReader
	dec   *json.Decoder
	max   int
	n     int
	array bool
}

func newJSONValues(r *bufio.Reader, max int) *jsonValues {
	in := &budgetReader{r: r, left: max}
	return &jsonValues{in: in, dec: json.NewDecoder(in), max: max}
}

func (j *jsonValues) object() ([]byte, string, error) {
	if j.n == 0 {
		first, err := firstByte(j.in.r)
		if err != nil {
			return nil, "", err
		}
		if j.array = first == '['; j.array {
			if _, err := j.dec.Token(); err != nil {
				return nil, "", err
			}
		}
	}
	j.n++
	at := fmt.Sprintf("row %d", j.n)
	j.in.left = j.max
	if j.array && !j.dec.More() {
		if _, err := j.dec.Token(); err != nil {
			return nil, "", fmt.Errorf("after %s: %w", at, noEOF(err))
		}
		return nil, "", io.EOF
	}
	var data json.RawMessage
	if err := j.dec.Decode(&data); err == io.EOF && !j.array {
		return nil, "", err
	} else if err != nil {
		return nil, "", fmt.Errorf("%s: %w", at, noEOF(err))
	}
	return data, at, nil
}

func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
