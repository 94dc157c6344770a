package card

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"path"
	"slices"
	"strings"
)

// graph is what can be told of an ONNX file without running it.
type graph struct {
	outputs  []string
	external []string // files beside it that hold weights, as it names them
	half     uint64   // values of tensors in float16 or bfloat16
	single   uint64   // in float32
}

// add notes a name once.
func add(names *[]string, name string) error {
	if slices.Contains(*names, name) {
		return nil
	}
	if len(*names) == maxNames {
		return errNotONNX
	}
	*names = append(*names, name)
	return nil
}

// errNotONNX says that a file's bytes are no ONNX model.
var errNotONNX = errors.New("is no ONNX file, or is cut short: get it again, or export it anew")

// message is a kind of message of ONNX's protobuf, by its fields that lead to
// names of files or of outputs; all others are skipped.
type message struct {
	fields map[uint64]*message
	took   func(g *graph, m reader) error // takes the whole message; nil: its fields are followed
}

// The kinds of message that tensors may lie in, of onnx.proto.
var modelMessage = func() *message {
	var (
		tensor    = &message{took: takeTensor}
		sparse    = &message{fields: map[uint64]*message{1: tensor, 2: tensor}}
		attribute = &message{}
		node      = &message{fields: map[uint64]*message{5: attribute}}
		inner     = &message{fields: map[uint64]*message{1: node, 5: tensor, 15: sparse}}
		main      = &message{fields: map[uint64]*message{1: node, 5: tensor, 15: sparse, 12: {took: takeOutput}}}
		function  = &message{fields: map[uint64]*message{7: node, 11: attribute}}
		training  = &message{fields: map[uint64]*message{1: inner, 2: inner}}
	)
	attribute.fields = map[uint64]*message{5: tensor, 6: inner, 10: tensor, 11: inner, 22: sparse, 23: sparse}
	return &message{fields: map[uint64]*message{7: main, 20: training, 25: function}}
}()

// maxDeep is how deep messages may lie in each other; protobuf's own limit.
const maxDeep = 100

// Bounds of the names in a network, of outputs and of files beside it: how many,
// and bytes of one.
const (
	maxNames = 1000
	maxName  = 4096
)

// readGraph reads an ONNX file's outputs and the files that it takes weights
// from. Weights inside it are skipped, so it is quick whatever its size.
func readGraph(file string) (*graph, error) {
	f, err := openRegular(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	return parseGraph(f, info.Size())
}

func parseGraph(file io.ReadSeeker, size int64) (*graph, error) {
	g := &graph{}
	found := false
	all := reader{src: &source{file: file, buf: bufio.NewReader(file)}, end: size}
	err := all.fields(func(number uint64, m reader) error {
		found = found || number == 7
		return modelMessage.follow(g, number, m, 1)
	})
	if err == nil && !found {
		err = errNotONNX
	}
	if err != nil {
		return nil, err
	}
	return g, nil
}

// follow looks into a field's message.
func (kind *message) follow(g *graph, number uint64, m reader, deep int) error {
	next := kind.fields[number]
	switch {
	case next == nil:
		return nil
	case deep > maxDeep:
		return errNotONNX
	case next.took != nil:
		return next.took(g, m)
	}
	return m.fields(func(number uint64, m reader) error { return next.follow(g, number, m, deep+1) })
}

func takeOutput(g *graph, m reader) error {
	return m.fields(func(number uint64, m reader) error {
		if number != 1 {
			return nil
		}
		name, err := m.text()
		if err != nil {
			return err
		}
		return add(&g.outputs, name)
	})
}

// takeTensor counts a tensor's values by their type, and reads where they are if
// not here.
func takeTensor(g *graph, m reader) error {
	values, kind := uint64(1), uint64(0)
	err := m.walk(func(number, value uint64) {
		switch number {
		case 1: // a dimension
			values *= min(value, math.MaxUint64/max(values, 1))
		case 2:
			kind = value
		}
	}, func(number uint64, m reader) error {
		if number != 13 {
			return nil
		}
		return takeEntry(g, m)
	})
	switch kind {
	case 1:
		g.single += values
	case 10, 16:
		g.half += values
	}
	return err
}

// takeEntry reads a key and its value of where a tensor's values are.
func takeEntry(g *graph, m reader) error {
	var key, value string
	err := m.fields(func(number uint64, m reader) (err error) {
		switch number {
		case 1:
			key, err = m.text()
		case 2:
			value, err = m.text()
		}
		return err
	})
	if err != nil || key != "location" {
		return err
	}
	return add(&g.external, value)
}

// source is a file that is read from its beginning to its end, with leaps.
type source struct {
	file io.ReadSeeker
	buf  *bufio.Reader
	at   int64
}

func (s *source) ReadByte() (byte, error) {
	b, err := s.buf.ReadByte()
	if err == nil {
		s.at++
	}
	return b, err
}

// leap goes on at a later place.
func (s *source) leap(to int64) error {
	if n := to - s.at; n <= int64(s.buf.Buffered()) {
		_, err := s.buf.Discard(int(n))
		s.at = to
		return err
	}
	if _, err := s.file.Seek(to, io.SeekStart); err != nil {
		return err
	}
	s.buf.Reset(s.file)
	s.at = to
	return nil
}

// reader reads a message that ends at a place.
type reader struct {
	src *source
	end int64
}

// varint reads a number.
func (r reader) varint() (uint64, error) {
	v, err := binary.ReadUvarint(r.src)
	if err != nil || r.src.at > r.end {
		return 0, errNotONNX
	}
	return v, nil
}

// fields calls do with each field that is a message, a text or bytes, and skips
// what do leaves of it.
func (r reader) fields(do func(number uint64, m reader) error) error {
	return r.walk(func(_, _ uint64) {}, do)
}

// walk is fields, and calls whole with each field that is a whole number.
func (r reader) walk(whole func(number, value uint64), do func(number uint64, m reader) error) error {
	for r.src.at < r.end {
		tag, err := r.varint()
		if err != nil {
			return err
		}
		number, to := tag>>3, r.src.at
		switch tag & 7 {
		case 0:
			value, err := r.varint()
			if err != nil {
				return err
			}
			whole(number, value)
			continue
		case 1:
			to += 8
		case 5:
			to += 4
		case 2:
			size, err := r.varint()
			if err != nil || size > uint64(r.end-r.src.at) {
				return errNotONNX
			}
			to = r.src.at + int64(size)
			if err := do(number, reader{r.src, to}); err != nil {
				return err
			}
		default:
			return errNotONNX
		}
		if number == 0 || to > r.end {
			return errNotONNX
		}
		if err := r.src.leap(to); err != nil {
			return err
		}
	}
	return nil
}

func (r reader) text() (string, error) {
	size := r.end - r.src.at
	if size > maxName {
		return "", errNotONNX
	}
	text := make([]byte, size)
	for i := range text {
		b, err := r.src.ReadByte()
		if err != nil {
			return "", errNotONNX
		}
		text[i] = b
	}
	return string(text), nil
}

// disguise knows what is often found where a model's file should be, and says
// what to do.
func disguise(begin string) (problem string) {
	lower := strings.ToLower(strings.TrimSpace(begin))
	switch {
	case begin == "":
		return "is empty: get it again"
	case strings.HasPrefix(begin, "version https://git-lfs"):
		return "only points to the file, for git lfs: run git lfs pull where it is from"
	case strings.HasPrefix(lower, "<!doctype html"), strings.HasPrefix(lower, "<html"):
		return "is a web page: a download of it went wrong, get it again"
	}
	return ""
}

// Half tells a network's file whose weights are in half precision, most of them at
// least. Errors: of reading it; [Card.Verify] tells a file that is no network's.
func (c *Card) Half(file File) (bool, error) {
	g, err := readGraph(c.FilePath(file))
	if err != nil {
		return false, err
	}
	return g.half > g.single, nil
}

// verifyGraph compares a network's file with the card: its outputs, and that all
// files it takes weights from are files of the card. Such a file that is not
// listed has no checksum, so that nobody would see it change.
func (c *Card) verifyGraph(file string, outputs ...string) error {
	f, ok := c.File(file)
	if !ok {
		return nil // Parse sees to it
	}
	name := c.FilePath(f)
	g, err := readGraph(name)
	if errors.Is(err, errNotONNX) {
		return &FileError{c.Name, name, err.Error()}
	}
	if err != nil {
		return err
	}
	for _, location := range g.external {
		beside := path.Join(path.Dir(file), location)
		if _, ok := c.File(beside); !ok || path.IsAbs(location) {
			return c.Wrong(fmt.Errorf("%s takes weights from %q, which is not among files: list it there with its sha256", file, location))
		}
	}
	for _, output := range outputs {
		if !slices.Contains(g.outputs, output) {
			return c.Wrong(fmt.Errorf("%s has no output %q; it has %s", file, output, strings.Join(g.outputs, ", ")))
		}
	}
	return nil
}
