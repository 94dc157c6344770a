package storage

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"golang.org/x/sys/unix"
)

// stallLimit is how long nothing may move of a request. S3 itself gives up on a
// sender after 20 s, and sends blanks while the end of a large upload takes longer.
const stallLimit = 30 * time.Second

var errStalled = errors.New("the server was silent for too long (AWS_ENDPOINT_URL says which)")

// stallGuard ends requests of which no byte moves, neither of the request nor of
// its answer. It puts no limit to those that move, however slowly. AWS' library has
// timeouts of the dial and of TLS alone.
type stallGuard struct {
	client aws.HTTPClient
	limit  time.Duration
}

// unsentLimit bounds what the kernel takes of a request and has not sent. Without it
// that is some MB, which a slow link takes longer for than stallLimit, and nothing
// would seem to move.
const unsentLimit = 256 << 10

func keepUnsentLow(d *net.Dialer) {
	d.Control = func(_, _ string, c syscall.RawConn) error {
		return c.Control(func(fd uintptr) {
			// A kernel that does not know it is no reason to fail.
			_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, unsentLimit)
		})
	}
}

// Do implements [aws.HTTPClient].
func (g stallGuard) Do(r *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(r.Context())
	w := &watch{ctx: ctx, cancel: cancel, limit: g.limit}
	w.timer = time.AfterFunc(g.limit, func() { cancel(errStalled) })
	w.waiting = true
	r = r.WithContext(ctx)
	if r.Body != nil && r.Body != http.NoBody {
		r.Body = sentBody{r.Body, w}
	}
	answer, err := g.client.Do(r)
	w.wait(false)
	if err != nil {
		defer cancel(nil)
		return answer, w.because(err)
	}
	answer.Body = answerBody{answer.Body, w}
	return answer, nil
}

// watch cancels a request if nothing moves while somebody waits for it.
type watch struct {
	ctx    context.Context //nolint:containedctx // the request's own
	cancel context.CancelCauseFunc
	limit  time.Duration

	mu      sync.Mutex
	timer   *time.Timer
	waiting bool
}

// wait begins or ends a time in which something must move.
func (w *watch) wait(on bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.waiting = on
	if on {
		w.timer.Reset(w.limit)
	} else {
		w.timer.Stop()
	}
}

// moved says that something did.
func (w *watch) moved() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.waiting { // an answer may come before all of its request is read
		w.timer.Reset(w.limit)
	}
}

// because prefers why the request was cancelled to the error that this made.
func (w *watch) because(err error) error {
	if errors.Is(context.Cause(w.ctx), errStalled) {
		return errStalled
	}
	return err
}

type sentBody struct {
	io.ReadCloser
	w *watch
}

func (b sentBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if n > 0 {
		b.w.moved()
	}
	return n, err
}

type answerBody struct {
	io.ReadCloser
	w *watch
}

func (b answerBody) Read(p []byte) (int, error) {
	b.w.wait(true)
	defer b.w.wait(false) // how long the reader takes is not the server's fault
	n, err := b.ReadCloser.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = b.w.because(err)
	}
	return n, err
}

func (b answerBody) Close() error {
	defer b.w.cancel(nil)
	return b.ReadCloser.Close()
}
