package storage

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/smithy-go"
)

const (
	// defaultAttempts of a request: with the pauses between them they outlast a
	// minute of an overloaded bucket. AWS_MAX_ATTEMPTS is heeded.
	defaultAttempts = 10
	// maxBackoff is the longest pause before a request is made again.
	maxBackoff = 20 * time.Second
	// quietAttempts may fail before anybody is told: a busy bucket is everyday.
	quietAttempts = 2
	// noticeEvery is how often it is told again.
	noticeEvery = 30 * time.Second
)

type noticeKey struct{}

// WithNotice returns a context in which an S3 store, opened with it, says in one
// line that requests fail and are tried again: now and then, from any goroutine.
func WithNotice(ctx context.Context, say func(msg string)) context.Context {
	return context.WithValue(ctx, noticeKey{}, say)
}

// retryer decides for all requests what is tried again, and when: what the
// library takes for passing (a lost connection, 5xx, SlowDown), an answer that
// breaks off, and a request that met another of the same key. All else is final.
type retryer struct {
	*retry.Standard
	location string
	say      func(string) // nil: nobody listens
	quiet    atomic.Bool  // it was said just now
}

func newRetryer(ctx context.Context, location string, attempts int, backoff time.Duration) *retryer {
	if attempts == 0 {
		attempts = defaultAttempts
	}
	say, _ := ctx.Value(noticeKey{}).(func(string))
	return &retryer{location: location, say: say, Standard: retry.NewStandard(func(r *retry.StandardOptions) {
		r.MaxAttempts, r.MaxBackoff = attempts, backoff
		// The default gives up on all requests of a process when many fail at once,
		// as they do while a bucket says SlowDown.
		r.RateLimiter = ratelimit.None
		r.Retryables = append(slices.Clone(r.Retryables), retry.IsErrorRetryableFunc(func(err error) aws.Ternary {
			var cut *smithy.DeserializationError
			if errors.As(err, &cut) || isConflict(err) {
				return aws.TrueTernary
			}
			return aws.UnknownTernary
		}))
	})}
}

// RetryDelay implements [aws.Retryer].
func (r *retryer) RetryDelay(attempt int, err error) (time.Duration, error) {
	if attempt > quietAttempts || errors.Is(err, errStalled) {
		r.notice(err)
	}
	return r.Standard.RetryDelay(attempt, err)
}

func (r *retryer) notice(err error) {
	if r.say == nil || !r.quiet.CompareAndSwap(false, true) {
		return
	}
	time.AfterFunc(noticeEvery, func() { r.quiet.Store(false) })
	r.say(fmt.Sprintf("%s: %v; trying again", r.location, s3Cause(err)))
}

// pause waits before a request is made again that failed for the time with that
// number. It returns the error if that is final, or ctx's.
func (r *retryer) pause(ctx context.Context, attempt int, err error) error {
	if attempt >= r.MaxAttempts() || ctx.Err() == nil && !r.IsErrorRetryable(err) {
		return err
	}
	delay, problem := r.RetryDelay(attempt, err)
	if problem != nil {
		return err
	}
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
