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
)

// Create implements [Store]. Uploads end with ctx.
func (s *S3) Create(ctx context.Context, name string, mode Mode) (Writer, error) {
	if err := checkName(name); err != nil {
		return nil, s.fail("create", name, err)
	}
	return &s3Writer{store: s, name: name, mode: mode, ctx: ctx, mark: rand.Text()}, nil
}

// s3Writer gathers a part in memory while the one before is sent.
type s3Writer struct {
	store *S3
	name  string
	mode  Mode
	ctx   context.Context //nolint:containedctx // io.Writer has none
	// mark is in the object's metadata, and tells whose an object is where the
	// answer to a commit was lost.
	mark   string
	buffer []byte
	upload *string // nil: nothing was sent yet
	parts  []types.CompletedPart
	sent   chan error // of the part that is being sent; nil: none is
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
			if err := w.send(); err != nil {
				return written, w.store.fail("write", w.name, err)
			}
		}
		if cap(w.buffer) < w.store.partSize { // small objects stay small
			w.buffer = append(make([]byte, 0, min(max(2*cap(w.buffer), len(w.buffer)+len(p)), w.store.partSize)), w.buffer...)
		}
		n := min(len(p), cap(w.buffer)-len(w.buffer))
		w.buffer = append(w.buffer, p[:n]...)
		p, written = p[n:], written+n
	}
	return written, nil
}

// send starts the upload of a part once the one before has arrived.
func (w *s3Writer) send() error {
	if w.upload == nil {
		in := &s3.CreateMultipartUploadInput{Bucket: &w.store.bucket, Key: w.store.key(w.name), Metadata: w.metadata()}
		if w.store.checksums {
			in.ChecksumAlgorithm = types.ChecksumAlgorithmCrc32
		}
		out, err := w.store.client.CreateMultipartUpload(w.ctx, in)
		if err != nil {
			return err
		}
		w.upload = out.UploadId
	}
	if err := w.arrive(); err != nil {
		return err
	}
	number := len(w.parts) + 1
	if number > maxParts {
		return fmt.Errorf("more than %d parts of %d bytes are no object", maxParts, w.store.partSize)
	}
	w.parts = append(w.parts, types.CompletedPart{PartNumber: aws.Int32(int32(number))})
	part, body, sent := &w.parts[number-1], w.buffer, make(chan error, 1)
	w.buffer, w.sent = nil, sent
	go func() {
		in := &s3.UploadPartInput{Bucket: &w.store.bucket, Key: w.store.key(w.name), UploadId: w.upload, PartNumber: part.PartNumber, Body: bytes.NewReader(body)}
		if w.store.checksums {
			in.ChecksumAlgorithm = types.ChecksumAlgorithmCrc32
		}
		out, err := w.store.client.UploadPart(w.ctx, in)
		if err == nil {
			part.ETag, part.ChecksumCRC32 = out.ETag, out.ChecksumCRC32
		}
		sent <- err
	}()
	return nil
}

// arrive waits for the part that is being sent.
func (w *s3Writer) arrive() error {
	if w.sent == nil {
		return nil
	}
	err := <-w.sent
	w.sent = nil
	return err
}

func (w *s3Writer) metadata() map[string]string { return map[string]string{markKey: w.mark} }

// Commit implements [Writer].
func (w *s3Writer) Commit(ctx context.Context) error {
	if w.ended {
		return w.store.fail("commit", w.name, fs.ErrClosed)
	}
	if err := ctx.Err(); err != nil {
		return w.store.fail("commit", w.name, errors.Join(err, w.Abort()))
	}
	err := w.publish(ctx)
	if err != nil {
		err = w.settle(ctx, err)
	}
	if err != nil {
		_ = w.Abort() // a sweep removes what this leaves
		return w.store.fail("commit", w.name, err)
	}
	w.ended, w.buffer = true, nil
	return nil
}

// publish makes the object appear.
func (w *s3Writer) publish(ctx context.Context) error {
	var condition *string
	if w.mode == Exclusive {
		condition = aws.String("*")
	}
	if w.upload == nil {
		return w.insist(ctx, func() error {
			in := &s3.PutObjectInput{Bucket: &w.store.bucket, Key: w.store.key(w.name), Body: bytes.NewReader(w.buffer), Metadata: w.metadata(), IfNoneMatch: condition}
			_, err := w.store.client.PutObject(ctx, in)
			return err
		})
	}
	if len(w.buffer) > 0 {
		if err := w.send(); err != nil {
			return err
		}
	}
	if err := w.arrive(); err != nil {
		return err
	}
	return w.insist(ctx, func() error {
		in := &s3.CompleteMultipartUploadInput{Bucket: &w.store.bucket, Key: w.store.key(w.name), UploadId: w.upload, IfNoneMatch: condition,
			MultipartUpload: &types.CompletedMultipartUpload{Parts: w.parts}}
		_, err := w.store.client.CompleteMultipartUpload(ctx, in)
		return err
	})
}

// insist repeats a request that met another of the same key.
func (w *s3Writer) insist(ctx context.Context, request func() error) error {
	for attempt := 1; ; attempt++ {
		err := request()
		if !isConflict(err) || attempt >= w.store.attempts || !sleep(ctx, backoff(attempt)) {
			return err
		}
	}
}

// settle finds out what became of a commit that ended with an error: its request
// may have been carried out although the answer was lost, and then repeating it
// finds its own object there, or its upload gone.
func (w *s3Writer) settle(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		// Nobody knows, but a caller that is told of an interrupt looks again at the
		// next run.
		return ctx.Err()
	}
	head, problem := w.store.head(ctx, w.name)
	switch {
	case problem == nil && head.Metadata[markKey] == w.mark:
		return nil
	case problem == nil && w.mode == Exclusive && (isTaken(err) || isConflict(err) || isNotFound(err)):
		return fs.ErrExist
	}
	return err
}

// abortPatience is how long an abort may take after an interrupt.
const abortPatience = 10 * time.Second

// Abort implements [Writer].
func (w *s3Writer) Abort() error {
	if w.ended {
		return nil
	}
	w.ended, w.buffer = true, nil
	_ = w.arrive() // whatever came of it, it is dropped
	if w.upload == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(w.ctx), abortPatience)
	defer cancel()
	return w.store.fail("abort", w.name, w.store.dropUpload(ctx, *w.store.key(w.name), *w.upload))
}
