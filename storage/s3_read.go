package storage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
)

// Small reads are served from a block that was fetched ahead: at first of a few
// pages, and twice as large each time a read goes on where the block ended, so that
// a look into many small columns costs little and a walk over large ones few
// requests. From streamBlock on it is a walk, and the block after is fetched while
// one is read: an object holds 16 MiB at most.
const (
	minBlock    = 128 << 10
	streamBlock = 1 << 20
	maxBlock    = 8 << 20
)

// s3Object is an object of known size and version.
type s3Object struct {
	store *S3
	name  string
	ctx   context.Context //nolint:containedctx // io's interfaces have none
	close context.CancelFunc
	size  int64
	etag  string

	mu     sync.Mutex
	at     int64   // of Read
	block  block   // what was fetched ahead
	coming *coming // the block after; nil: none is fetched
	next   int     // how much is fetched next if the reads go on where block ends
}

// block is a piece of an object.
type block struct {
	start int64
	data  []byte
}

func (b block) end() int64 { return b.start + int64(len(b.data)) }

// coming is a block that is being fetched.
type coming struct {
	block
	cancel context.CancelFunc
	done   chan error
}

// Open implements [Store]. Reads end with ctx.
func (s *S3) Open(ctx context.Context, name string) (Object, error) {
	head, err := s.head(ctx, name)
	if err != nil {
		return nil, s.fail("open", name, err)
	}
	o := &s3Object{store: s, name: name, size: aws.ToInt64(head.ContentLength), etag: aws.ToString(head.ETag), next: minBlock}
	o.ctx, o.close = context.WithCancel(ctx)
	return o, nil
}

func (o *s3Object) Size() int64 { return o.size }

func (o *s3Object) Close() error {
	o.close()
	return nil
}

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
	for n < len(p) {
		if err := o.ahead(off+int64(n), len(p)-n); err != nil {
			return n, err
		}
		n += o.fromBlock(p[n:], off+int64(n))
	}
	return n, end
}

func (o *s3Object) fromBlock(p []byte, off int64) int {
	if off < o.block.start || off >= o.block.end() {
		return 0
	}
	return copy(p, o.block.data[off-o.block.start:])
}

// ahead gets a block that begins with the byte at off or has it: the one that is
// coming, or else one of at least n bytes.
func (o *s3Object) ahead(off int64, n int) error {
	goesOn := o.block.data != nil && off == o.block.end()
	if goesOn {
		o.next = min(2*o.next, maxBlock)
	} else {
		o.next = minBlock
	}
	spare, next := o.block.data, o.coming
	o.coming = nil
	if next != nil {
		defer next.cancel()
		if goesOn { // what is not read next is not waited for
			if err := <-next.done; err != nil {
				return err
			}
			o.block = next.block
			o.begin(spare)
			return nil
		}
	}
	// Of the end a whole block: what reads there goes backwards, as from Parquet's
	// last bytes to its footer.
	size := int64(max(n, o.next))
	off = max(0, min(off, o.size-size))
	size = min(size, o.size-off)
	o.block = block{off, room(spare, size)}
	if err := o.store.fetch(o.ctx, o.name, o.etag, o.block.data, off); err != nil {
		o.block = block{}
		return err
	}
	if goesOn && o.next >= streamBlock {
		o.begin(nil)
	}
	return nil
}

// begin begins to fetch the block after, into spare if it is large enough.
func (o *s3Object) begin(spare []byte) {
	start := o.block.end()
	size := min(int64(min(2*o.next, maxBlock)), o.size-start)
	if size <= 0 {
		return
	}
	ctx, cancel := context.WithCancel(o.ctx)
	c := &coming{block{start, room(spare, size)}, cancel, make(chan error, 1)}
	o.coming = c
	go func() { c.done <- o.store.fetch(ctx, o.name, o.etag, c.data, c.start) }()
}

// room is a slice of some bytes, in spare if there is room.
func room(spare []byte, size int64) []byte {
	if int64(cap(spare)) >= size {
		return spare[:size]
	}
	return make([]byte, size)
}

// ReadRange implements [Store].
func (s *S3) ReadRange(ctx context.Context, name string, off, size int64) ([]byte, error) {
	if err := checkName(name); err != nil {
		return nil, s.fail("read", name, err)
	}
	data := make([]byte, size)
	if err := s.fetch(ctx, name, "", data, off); err != nil {
		return nil, err
	}
	return data, nil
}

// fetch fills p from an offset of an object, of the version that etag names if it
// is not "". An answer that stalls or is cut off is asked for again from where it
// ended.
func (s *S3) fetch(ctx context.Context, name, etag string, p []byte, off int64) error {
	attempt := 0
	for got := 0; got < len(p); {
		n, err := s.fetchOnce(ctx, name, etag, p[got:], off+int64(got))
		got += n
		if n > 0 {
			attempt = 0 // it goes on
		}
		attempt++
		if err != nil {
			err = s.retryer.pause(ctx, attempt, err)
		}
		if isTaken(err) {
			err = errors.New("it was replaced while it was read")
		}
		if err != nil {
			return s.fail("read", name, err)
		}
	}
	return nil
}

// fetchOnce makes one request. How often is for [S3.fetch] to say, which knows what
// of the answer came.
func (s *S3) fetchOnce(ctx context.Context, name, etag string, p []byte, off int64) (int, error) {
	in := &s3.GetObjectInput{Bucket: &s.bucket, Key: s.key(name), Range: aws.String(fmt.Sprintf("bytes=%d-%d", off, off+int64(len(p))-1))}
	if etag != "" {
		in.IfMatch = &etag
	}
	out, err := s.client.GetObject(ctx, in, func(o *s3.Options) { o.Retryer = aws.NopRetryer{} })
	if err != nil {
		return 0, err
	}
	defer out.Body.Close()
	// Without a range the answer is the whole object, which begins at 0.
	if r := aws.ToString(out.ContentRange); !strings.HasPrefix(r, fmt.Sprintf("bytes %d-", off)) && (r != "" || off != 0) {
		return 0, fmt.Errorf("the server answered %q where bytes from %d on were asked for: it is no S3 server, or something before it takes ranges away", r, off)
	}
	n, err := io.ReadFull(out.Body, p)
	if err != nil {
		return n, &smithy.DeserializationError{Err: err}
	}
	return n, nil
}
