// Package y4m reads YUV4MPEG2, a container of raw frames without times. ffmpeg
// writes it straight from the frames that its filters give, where its encoder
// for raw video, which other containers need, would copy each of them first.
//
// What enters a [Reader] is the output of `ffmpeg -pix_fmt yuv420p -f
// yuv4mpegpipe pipe:N`: a line of text with the size of pictures, and for each
// frame a line that begins with FRAME and then its samples, Y, U, V. The format
// is described in yuv4mpeg(5) of mjpegtools.
package y4m

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// ErrCorrupt is wrapped by errors about bytes that are not what was asked for.
var ErrCorrupt = errors.New("corrupt YUV4MPEG2 stream")

// A Reader reads frames of 4:2:0 with 8 bits a sample.
type Reader struct {
	in     *bufio.Reader
	source io.Reader // of in
	size   int       // of a frame, in bytes
}

// readBuffer is for lines: of a frame, no more than came along with its line is
// copied through it.
const readBuffer = 4 << 10

// NewReader reads the header of a stream whose pictures must have the given width
// and height in pixels.
func NewReader(in io.Reader, width, height int) (*Reader, error) {
	r := &Reader{in: bufio.NewReaderSize(in, readBuffer), source: in,
		size: width*height + 2*((width+1)/2)*((height+1)/2)}
	line, err := r.line("YUV4MPEG2")
	if err != nil {
		return nil, fmt.Errorf("read YUV4MPEG2 header: %w", noEOF(err))
	}
	has := map[byte]string{}
	for _, parameter := range strings.Fields(line) {
		has[parameter[0]] = parameter[1:]
	}
	if has['W'] != strconv.Itoa(width) || has['H'] != strconv.Itoa(height) ||
		!slices.Contains([]string{"420", "420jpeg", "420mpeg2", "420paldv"}, has['C']) {
		return nil, fmt.Errorf("%w: %q, not of %dx%d in 4:2:0", ErrCorrupt, line, width, height)
	}
	return r, nil
}

// line reads a line and returns it without its first word.
func (r *Reader) line(first string) (string, error) {
	line, err := r.in.ReadSlice('\n')
	if err == io.EOF && len(line) == 0 {
		return "", io.EOF
	}
	if err == bufio.ErrBufferFull || err == nil && !strings.HasPrefix(string(line), first) {
		return "", fmt.Errorf("%w: a line that does not begin with %s", ErrCorrupt, first)
	}
	if err != nil {
		return "", noEOF(err)
	}
	return string(line[len(first) : len(line)-1]), nil
}

// FrameBytes is the size of each frame.
func (r *Reader) FrameBytes() int { return r.size }

// Next goes to the next frame, which is then to be taken by one call of
// ReadFrame or CopyTo. The error is io.EOF after the last frame, and wraps io.ErrUnexpectedEOF
// when the stream ends elsewhere.
func (r *Reader) Next() error {
	_, err := r.line("FRAME")
	if err != nil && err != io.EOF {
		return fmt.Errorf("read YUV4MPEG2 frame: %w", err)
	}
	return err
}

// ReadFrame reads the frame, into buf if that is large enough.
func (r *Reader) ReadFrame(buf []byte) ([]byte, error) {
	if cap(buf) < r.size {
		buf = make([]byte, r.size)
	}
	buf = buf[:r.size]
	if _, err := io.ReadFull(r.in, buf); err != nil {
		return nil, fmt.Errorf("read YUV4MPEG2 frame: %w", noEOF(err))
	}
	return buf, nil
}

// CopyTo writes the frame to w, most of it by [io.CopyN] from the reader below, so
// that what can move between pipes by itself does.
func (r *Reader) CopyTo(w io.Writer) (int64, error) {
	head, _ := r.in.Peek(min(r.size, r.in.Buffered()))
	k, err := w.Write(head)
	n := int64(k)
	if err != nil {
		return n, err
	}
	_, _ = r.in.Discard(k) // they are there
	rest, err := io.CopyN(w, r.source, int64(r.size-k))
	return n + rest, noEOF(err)
}

func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
