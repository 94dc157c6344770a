package storage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// Small reads are served from a block that was fetched ahead: at first of a few
// pages, and twice as large each time a read goes on where the block ended, so that
// a look into many small columns costs little and a walk over large ones few
// requests.
const (
	minBlock = 128 << 10
	maxBlock = 8 << 20
)

// s3Object is an object of known size and version.
type s3Object struct {
	store *S3
	name  string
	ctx   context.Context //nolint:containedctx // io's interfaces have none
	size  int64
	etag  string

	mu    sync.Mutex
	at    int64  // of Read
	block []byte // what was fetched ahead
	start int64  // of block
	next  int    // how much is fetched next if the reads go on where block ends
}

// Open implements [Store]. Reads end with ctx.
func (s *S3) Open(ctx context.Context, name string) (Object, error) {
	head, err := s.head(ctx, name)
	if err != nil {
		return nil, s.fail("open", name, err)
	}
	return &s3Object{store: s, name: name, ctx: ctx, size: aws.ToInt64(head.ContentLength), etag: aws.ToString(head.ETag), next: minBlock}, nil
}

func (o *s3Object) Size() int64 { return o.size }

func (o *s3Object) Close() error { return nil }

func (o *s3Object) Seek(offset int64, whence int) (int64, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch whence {
	case io.SeekCurrent:
		offset += o.at
	case io.SeekEnd:
		offset += o.size
	}
	if offset < 0 {
		return 0, o.store.fail("seek", o.name, fs.ErrInvalid)
	}
	o.at = offset
	return offset, nil
}

func (o *s3Object) Read(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	n, err := o.readAt(p, o.at)
	o.at += int64(n)
	if n > 0 && errors.Is(err, io.EOF) {
		err = nil
	}
	return n, err
}

// ReadAt implements [io.ReaderAt]. Reads of a block's size and more are a request
// each, and do not wait for others.
func (o *s3Object) ReadAt(p []byte, off int64) (int, error) {
	if len(p) < maxBlock {
		o.mu.Lock()
		defer o.mu.Unlock()
	}
	return o.readAt(p, off)
}

func (o *s3Object) readAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, o.store.fail("read", o.name, fs.ErrInvalid)
	}
	if off >= o.size {
		return 0, io.EOF
	}
	var end error
	if rest := o.size - off; int64(len(p)) > rest {
		p, end = p[:rest], io.EOF
	}
	if len(p) >= maxBlock {
		if err := o.store.fetch(o.ctx, o.name, o.etag, p, off); err != nil {
			return 0, err
		}
		return len(p), end
	}
	n := o.fromBlock(p, off)
	if n < len(p) {
		if err := o.ahead(off+int64(n), len(p)-n); err != nil {
			return n, err
		}
		n += o.fromBlock(p[n:], off+int64(n))
	}
	return n, end
}

func (o *s3Object) fromBlock(p []byte, off int64) int {
	if off < o.start || off >= o.start+int64(len(o.block)) {
		return 0
	}
	return copy(p, o.block[off-o.start:])
}

// ahead fetches a block of at least n bytes.
func (o *s3Object) ahead(off int64, n int) error {
	if off == o.start+int64(len(o.block)) && o.block != nil {
		o.next = min(2*o.next, maxBlock)
	} else {
		o.next = minBlock
	}
	// Of the end a whole block: what reads there goes backwards, as from Parquet's
	// last bytes to its footer.
	size := int64(max(n, o.next))
	off = max(0, min(off, o.size-size))
	size = min(size, o.size-off)
	if int64(cap(o.block)) < size {
		o.block = make([]byte, size)
	}
	o.block, o.start = o.block[:size], off
	if err := o.store.fetch(o.ctx, o.name, o.etag, o.block, off); err != nil {
		o.block = nil
		return err
	}
	return nil
}

// ReadRange reads size bytes of an object at an offset, with one request where the
// store is an object store.
func ReadRange(ctx context.Context, s Store, name string, off, size int64) (_ []byte, err error) {
	data := make([]byte, size)
	if remote, ok := s.(*S3); ok {
		if err := checkName(name); err != nil {
			return nil, remote.fail("read", name, err)
		}
		return data, remote.fetch(ctx, name, "", data, off)
	}
	o, err := s.Open(ctx, name)
	if err != nil {
		return nil, err
	}
	defer o.Close()
	if n, err := o.ReadAt(data, off); n < len(data) {
		return nil, &Error{Op: "read", Path: s.Path(name), Err: err}
	}
	return data, nil
}

// fetch fills p from an offset of an object, of the version that etag names if it
// is not "". An answer that stalls or is cut off is asked for again from where it
// ended.
func (s *S3) fetch(ctx context.Context, name, etag string, p []byte, off int64) error {
	if len(p) == 0 {
		return nil
	}
	got := 0
	for attempt := 1; ; attempt++ {
		n, err := s.fetchOnce(ctx, name, etag, p[got:], off+int64(got))
		got += n
		if err == nil || ctx.Err() != nil || isNotFound(err) || isTaken(err) || attempt >= s.attempts {
			if ctx.Err() != nil {
				err = ctx.Err()
			}
			if isTaken(err) {
				err = errors.New("it was replaced while it was read")
			}
			return s.fail("read", name, err)
		}
		if n > 0 {
			attempt = 0 // it goes on
		}
		if !sleep(ctx, backoff(attempt)) {
			return s.fail("read", name, ctx.Err())
		}
	}
}

func (s *S3) fetchOnce(ctx context.Context, name, etag string, p []byte, off int64) (int, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stalled := time.AfterFunc(s.stall, func() { cancel(errStalled) })
	defer stalled.Stop()
	in := &s3.GetObjectInput{Bucket: &s.bucket, Key: s.key(name), Range: aws.String(fmt.Sprintf("bytes=%d-%d", off, off+int64(len(p))-1))}
	if etag != "" {
		in.IfMatch = &etag
	}
	out, err := s.client.GetObject(ctx, in)
	if err != nil {
		return 0, because(ctx, err)
	}
	defer out.Body.Close()
	n := 0
	for n < len(p) {
		k, err := out.Body.Read(p[n:min(n+1<<20, len(p))])
		n += k
		stalled.Reset(s.stall)
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		if n < len(p) && err != nil {
			return n, because(ctx, err)
		}
	}
	return n, nil
}

var errStalled = errors.New("the server sent nothing for too long")

// because prefers why a context was ended to the error that this made.
func because(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

// backoff is the pause after a failed attempt; 0 is one that got on.
func backoff(attempt int) time.Duration {
	return min(100*time.Millisecond<<min(attempt, 10), maxBackoff)
}

// sleep pauses, and tells whether ctx let it.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
