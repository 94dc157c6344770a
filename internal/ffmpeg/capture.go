package ffmpeg

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"
)

// captureLimits suit programs that only look: a probe reads some seconds of the
// file, and 2 min leaves room for a slow disk.
var captureLimits = Limits{Timeout: 2 * time.Minute}

// maxCapture bounds what is kept of standard output. ffprobe's JSON is about
// 2 KiB a stream, so that this is thousands of streams.
const maxCapture = 8 << 20

var errTooMuchOutput = errors.New("more than 8 MiB of output")

// capture runs a program and returns its standard output.
func capture(ctx context.Context, path string, args []string) ([]byte, error) {
	var out bounded
	p, err := Start(ctx, path, Job{Args: args, Stdout: &out, Limits: captureLimits})
	if err != nil {
		return nil, err
	}
	err = p.Wait()
	if out.over {
		return nil, fmt.Errorf("%s: %w", p.tool, errTooMuchOutput)
	}
	return out.buf.Bytes(), err
}

type bounded struct {
	buf  bytes.Buffer
	over bool
}

func (b *bounded) Write(p []byte) (int, error) {
	if b.buf.Len()+len(p) > maxCapture {
		b.over = true
		return 0, errTooMuchOutput
	}
	return b.buf.Write(p)
}
