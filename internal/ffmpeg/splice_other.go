//go:build !linux

package ffmpeg

import "io"

// splice moves up to n bytes from a child's output, appending them to kept, too,
// if that is not nil. Less than n without an error is the end of the output.
func (in *input) splice(out *output, n int64, kept *[]byte) (int64, error) {
	if kept != nil {
		t := &Tee{W: in, Kept: *kept}
		n, err := copyFrom(t, io.LimitReader(out, n))
		*kept = t.Kept
		return n, err
	}
	return copyFrom(in, io.LimitReader(out, n))
}
