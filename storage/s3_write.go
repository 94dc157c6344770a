package storage

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"golang.org/x/sync/errgroup"
)

// partsInFlight are sent at a time: one connection seldom fills a link. With the
// one that is gathered, a writer holds four parts, 64 MiB, and of a smaller object
// no more than that.
const partsInFlight = 3

// Create implements [Store]. Uploads end with ctx.
func (s *S3) Create(ctx context.Context, name string, mode Mode) (Writer, error) {
	if err := checkName(name); err != nil {
		return nil, s.fail("create", name, err)
	}
	w := &s3Writer{store: s, name: name, mode: mode, mark: rand.Text(), free: make(chan []byte, partsInFlight+1)}
	ctx, w.cancel = context.WithCancel(ctx)
	w.sending, w.ctx = errgroup.WithContext(ctx)
	w.sending.SetLimit(partsInFlight)
	return w, nil
}

// s3Writer gathers a part in memory while those before are sent.
type s3Writer struct {
	store *S3
	name  string
	mode  Mode
	// mark is in the object's metadata, and tells whose an object is where the
	// answer to a commit was lost.
	mark    string
	ctx     context.Context //nolint:containedctx // io.Writer has none; it ends with the first error
	cancel  context.CancelFunc
	sending *errgroup.Group

	buffer []byte
	free   chan []byte // the buffers of parts that have arrived
	upload *string     // nil: nothing was sent yet
	parts  []*types.CompletedPart
	err    error // the first of all: nothing can be written after it
	ended  bool
}

const markKey = "micodata-writer"

func (w *s3Writer) Write(p []byte) (int, error) {
	if w.ended {
		return 0, w.store.fail("write", w.name, fs.ErrClosed)
	}
	written := 0
	for len(p) > 0 {
		if len(w.buffer) == w.store.partSize {
			w.send()
		}
		if w.err == nil && w.ctx.Err() != nil { // a part failed, or all was cancelled
			w.err = w.arrive()
		}
		if w.lost() {
			return written + len(p), nil
		}
		if w.err != nil {
			return written, w.store.fail("write", w.name, w.err)
		}
		if cap(w.buffer) < w.store.partSize {
			w.grow(len(p))
		}
		n := min(len(p), cap(w.buffer)-len(w.buffer))
		w.buffer = append(w.buffer, p[:n]...)
		p, written = p[n:], written+n
	}
	return written, nil
}

// lost tells that another writer has committed the object and dropped our upload.
// Commit says so, as it does to one that lost later.
func (w *s3Writer) lost() bool { return w.mode == Exclusive && isDropped(w.err) }

// grow makes room for n bytes, or for as many as a part has. Small objects stay
// small.
func (w *s3Writer) grow(n int) {
	select {
	case b := <-w.free:
		w.buffer = append(b[:0], w.buffer...)
	default:
		w.buffer = append(make([]byte, 0, min(max(2*cap(w.buffer), len(w.buffer)+n), w.store.partSize)), w.buffer...)
	}
}

// send begins to send what was gathered, once there are few enough on the way.
func (w *s3Writer) send() {
	if w.err != nil {
		return
	}
	if w.upload == nil {
		in := &s3.CreateMultipartUploadInput{Bucket: &w.store.bucket, Key: w.store.key(w.name), Metadata: w.metadata()}
		if w.store.checksums {
			in.ChecksumAlgorithm = types.ChecksumAlgorithmCrc32
		}
		out, err := w.store.client.CreateMultipartUpload(w.ctx, in)
		if err != nil {
			w.err = err
			return
		}
		w.upload = out.UploadId
	}
	number := len(w.parts) + 1
	if number > maxParts {
		w.err = fmt.Errorf("more than %d parts of %d bytes are no object", maxParts, w.store.partSize)
		return
	}
	part, body := &types.CompletedPart{PartNumber: aws.Int32(int32(number))}, w.buffer
	w.parts, w.buffer = append(w.parts, part), nil
	w.sending.Go(func() error {
		in := &s3.UploadPartInput{Bucket: &w.store.bucket, Key: w.store.key(w.name), UploadId: w.upload, PartNumber: part.PartNumber, Body: bytes.NewReader(body)}
		if w.store.checksums {
			in.ChecksumAlgorithm = types.ChecksumAlgorithmCrc32
		}
		out, err := w.store.client.UploadPart(w.ctx, in)
		if err != nil {
			return err
		}
		part.ETag, part.ChecksumCRC32 = out.ETag, out.ChecksumCRC32
		if cap(body) == w.store.partSize {
			w.free <- body // there is room for all that there are
		}
		return nil
	})
}

// arrive waits for the parts on the way. None can be sent after it.
func (w *s3Writer) arrive() error {
	cancelled := w.ctx.Err()
	if err := w.sending.Wait(); err != nil {
		return err
	}
	return cancelled
}

func (w *s3Writer) metadata() map[string]string { return map[string]string{markKey: w.mark} }

// Commit implements [Writer].
func (w *s3Writer) Commit(ctx context.Context) error {
	if w.ended {
		return w.store.fail("commit", w.name, fs.ErrClosed)
	}
	defer context.AfterFunc(ctx, w.cancel)() // parts are sent with Create's context
	err := ctx.Err()
	if err == nil {
		err = w.publish(ctx)
	}
	if err != nil || w.upload != nil && w.mode == Exclusive {
		err = w.settle(ctx, err)
	}
	if err != nil {
		_ = w.Abort() // a sweep removes what this leaves
		return w.store.fail("commit", w.name, err)
	}
	w.end()
	if w.upload != nil {
		w.dropOthers(ctx)
	}
	return nil
}

// publish makes the object appear.
func (w *s3Writer) publish(ctx context.Context) error {
	var condition *string
	if w.mode == Exclusive {
		condition = aws.String("*")
	}
	if w.upload == nil && w.err == nil {
		_, err := w.store.client.PutObject(ctx, &s3.PutObjectInput{Bucket: &w.store.bucket, Key: w.store.key(w.name), Body: bytes.NewReader(w.buffer),
			Metadata: w.metadata(), IfNoneMatch: condition})
		return err
	}
	if len(w.buffer) > 0 {
		w.send()
	}
	if w.err == nil {
		w.err = w.arrive()
	}
	if w.err != nil {
		return w.err
	}
	parts := make([]types.CompletedPart, len(w.parts))
	for i, p := range w.parts {
		parts[i] = *p
	}
	_, err := w.store.client.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{Bucket: &w.store.bucket, Key: w.store.key(w.name), UploadId: w.upload,
		IfNoneMatch: condition, MultipartUpload: &types.CompletedMultipartUpload{Parts: parts}})
	return err
}

// An object that a server says is there, and that is not seen, is looked for again
// after pauses from firstLook to lastLook, each twice the one before: 2.5 s in all.
const (
	firstLook = 20 * time.Millisecond
	lastLook  = 64 * firstLook
)

// settle finds out what became of a commit that ended with an error: its request
// may have been carried out although the answer was lost, and then repeating it
// finds its own object there, or its upload gone. Nor is the end of an upload
// believed that went well: where the winner dropped the upload, there are servers
// (versitygw) that see an object and say that all is done.
func (w *s3Writer) settle(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		// Nobody knows, but a caller that is told of an interrupt looks again at the
		// next run.
		return ctx.Err()
	}
	head, problem := w.store.head(ctx, w.name)
	saidThere := w.mode == Exclusive && (err == nil || isTaken(err) || isConflict(err))
	// Servers that keep an object's attributes beside it refuse the one who comes
	// second before the first one's object can be seen.
	for wait := firstLook; saidThere && isNotFound(problem) && wait <= lastLook; wait *= 2 {
		select {
		case <-ctx.Done():
		case <-time.After(wait):
			head, problem = w.store.head(ctx, w.name)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	switch {
	case problem == nil && head.Metadata[markKey] == w.mark:
		return nil
	case problem == nil && (saidThere || w.mode == Exclusive && (isNotFound(err) || isDropped(err))):
		return fs.ErrExist
	case saidThere && isNotFound(problem):
		return errors.New("the server said that the object is there, and then that it is not: was it removed just now? (run it again)")
	case err == nil:
		return problem
	}
	return err
}

// tidyPatience is how long tidying up may take, after an interrupt too.
const tidyPatience = 10 * time.Second

// dropOthers drops other uploads of the committed object: those of runs that were
// killed, and of our own where the answer that named it was lost. Who else wants to
// commit exclusively can't any more, and its writer is told at its commit; where
// objects are replaced, a living one can, so only old ones go. A sweep removes what
// stays.
func (w *s3Writer) dropOthers(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, tidyPatience)
	defer cancel()
	var ours bool
	_ = w.store.dropUploads(ctx, w.name, nil, func(name string, age time.Duration) bool {
		if name != w.name {
			return false // "x/10" begins as "x/1" does
		}
		if w.mode == Replace {
			return age > w.store.staleAfter
		}
		if !ours { // not deleted since, so that none of these began after it
			head, err := w.store.head(ctx, w.name)
			ours = err == nil && head.Metadata[markKey] == w.mark
		}
		return ours
	})
}

// end lets go of what the writer holds.
func (w *s3Writer) end() {
	w.ended = true
	w.cancel()
	_ = w.sending.Wait() // whatever came of it, it is dropped
	w.buffer, w.free = nil, nil
}

// Abort implements [Writer].
func (w *s3Writer) Abort() error {
	if w.ended {
		return nil
	}
	w.end()
	if w.upload == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(w.ctx), tidyPatience)
	defer cancel()
	return w.store.fail("abort", w.name, w.store.dropUpload(ctx, *w.store.key(w.name), *w.upload))
}
