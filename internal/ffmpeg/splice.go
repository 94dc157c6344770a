package ffmpeg

import "io"

// ReadFrom copies all that r gives. What it has of a child's output, as by
// [io.CopyN], does not come into this process.
func (in *input) ReadFrom(r io.Reader) (int64, error) {
	if n, ok, err := spliceFrom(in, r, nil); ok {
		return n, err
	}
	return copyFrom(in, r)
}

// A Tee writes to W and keeps what it has written. What comes from a child's
// output and goes to a child's input, as by [io.CopyN], is copied once instead
// of twice.
type Tee struct {
	W    io.Writer
	Kept []byte
}

func (t *Tee) Write(b []byte) (int, error) {
	n, err := t.W.Write(b)
	t.Kept = append(t.Kept, b[:n]...)
	return n, err
}

func (t *Tee) ReadFrom(r io.Reader) (int64, error) {
	if in, ok := t.W.(*input); ok {
		if n, ok, err := spliceFrom(in, r, &t.Kept); ok {
			return n, err
		}
	}
	return copyFrom(t, r)
}

// copyBuffer is in bytes.
const copyBuffer = 256 << 10

// copyFrom copies without w's own ReadFrom.
func copyFrom(w io.Writer, r io.Reader) (int64, error) {
	return io.CopyBuffer(struct{ io.Writer }{w}, r, make([]byte, copyBuffer))
}
