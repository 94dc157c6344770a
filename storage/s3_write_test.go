package storage

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"micodata/internal/s3test"
)

// uploads are the keys of all unfinished uploads of the bucket.
func uploads(t *testing.T, s *S3) (keys []string) {
	t.Helper()
	out, err := s.client.ListMultipartUploads(t.Context(), &s3.ListMultipartUploadsInput{Bucket: &s.bucket})
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range out.Uploads {
		keys = append(keys, aws.ToString(u.Key))
	}
	return keys
}

// pattern is data in which each part is another.
func pattern(n int) []byte {
	data := make([]byte, n)
	for i := range data {
		data[i] = byte(i>>20 ^ i)
	}
	return data
}

const (
	small = 1000
	large = 12 << 20
)

// A commit whose answer is lost is known for what it is: the writer's own.
func TestS3LostAnswers(t *testing.T) {
	isPut := func(r *http.Request) bool { return r.Method == http.MethodPut && !r.URL.Query().Has("uploadId") }
	isPart := func(r *http.Request) bool { return r.Method == http.MethodPut && r.URL.Query().Has("uploadId") }
	isCreate := func(r *http.Request) bool { return r.Method == http.MethodPost && r.URL.Query().Has("uploads") }
	isComplete := func(r *http.Request) bool { return r.Method == http.MethodPost && r.URL.Query().Has("uploadId") }
	for _, c := range []struct {
		name  string
		of    func(*http.Request) bool
		size  int
		again s3test.Fault // of the second request; Forget: none
	}{
		{"put", isPut, small, s3test.Forget},
		{"create", isCreate, large, s3test.Forget},
		{"part", isPart, large, s3test.Forget},
		// Servers differ in what they say of an upload that was ended before.
		{"complete", isComplete, large, s3test.Forget},
		{"complete, gone", isComplete, large, s3test.NoUpload},
		{"complete, taken", isComplete, large, s3test.Taken},
	} {
		for _, mode := range []Mode{Exclusive, Replace} {
			t.Run(fmt.Sprint(c.name, " ", mode), func(t *testing.T) {
				var asked atomic.Int32
				s := troubled(t, stallLimit, "", func(r *http.Request) (s3test.Fault, bool) {
					if !c.of(r) {
						return 0, false
					}
					switch asked.Add(1) {
					case 1:
						return s3test.Forget, true
					case 2:
						return c.again, c.again != s3test.Forget
					}
					return 0, false
				})
				want := pattern(c.size)
				if err := WriteAll(t.Context(), s, "x", mode, want); err != nil {
					t.Error(err)
				}
				if n := asked.Load(); n < 2 {
					t.Errorf("%d such requests, want the lost one and another", n)
				}
				if got, err := ReadAll(t.Context(), s, "x", 1<<30); err != nil || !bytes.Equal(got, want) {
					t.Errorf("%d bytes came back as %d (%v)", len(want), len(got), err)
				}
				if err := WriteAll(t.Context(), s, "x", Exclusive, want); !errors.Is(err, fs.ErrExist) {
					t.Errorf("another's commit of it: %v", err)
				}
				if left := uploads(t, s); mode == Exclusive && len(left) > 0 {
					t.Errorf("left the uploads of %q", left)
				}
			})
		}
	}
}

// Where the answer to a commit is lost and the object is another's, it is not taken
// for the writer's own.
func TestS3LostAnswerOfALoser(t *testing.T) {
	for _, size := range []int{small, large} {
		var forget atomic.Bool
		s := troubled(t, stallLimit, "", func(r *http.Request) (s3test.Fault, bool) {
			ends := r.Method == http.MethodPut && !r.URL.Query().Has("uploadId") || r.Method == http.MethodPost && r.URL.Query().Has("uploadId")
			return s3test.Forget, ends && forget.CompareAndSwap(true, false)
		})
		if err := WriteAll(t.Context(), s, "x", Exclusive, []byte("another's")); err != nil {
			t.Fatal(err)
		}
		forget.Store(true)
		if err := WriteAll(t.Context(), s, "x", Exclusive, pattern(size)); !errors.Is(err, fs.ErrExist) || forget.Load() {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
}

// Who comes second is told so too by a server that refuses it before the first one's
// object can be seen. One that is never seen is no winner's.
func TestS3TakenBeforeSeen(t *testing.T) {
	for _, size := range []int{small, large} {
		for _, seen := range []int32{1, 3, 1 << 20} {
			if size == large && seen > 3 {
				continue // it takes seconds
			}
			var looks, refused atomic.Int32
			s := troubled(t, stallLimit, "", func(r *http.Request) (s3test.Fault, bool) {
				if r.Method == http.MethodHead {
					return s3test.NoUpload, looks.Add(1) <= seen // 404 without a body
				}
				ends := r.Method == http.MethodPut && !r.URL.Query().Has("uploadId") || r.Method == http.MethodPost && r.URL.Query().Has("uploadId")
				return s3test.Taken, ends && refused.Add(1) > 1
			})
			if err := WriteAll(t.Context(), s, "x", Replace, []byte("another's")); err != nil {
				t.Fatal(err)
			}
			err := WriteAll(t.Context(), s, "x", Exclusive, pattern(size))
			if exist := errors.Is(err, fs.ErrExist); err == nil || exist != (seen < 10) {
				t.Errorf("%d bytes, seen after %d looks: %v", size, seen, err)
			}
			if n := looks.Load(); n < 2 || n > 10 {
				t.Errorf("%d looks", n)
			}
		}
	}
}

// One that was told that all is done, and does not see its object at once, looks again.
func TestS3DoneBeforeSeen(t *testing.T) {
	var looks atomic.Int32
	s := troubled(t, stallLimit, "", func(r *http.Request) (s3test.Fault, bool) {
		return s3test.NoUpload, r.Method == http.MethodHead && looks.Add(1) <= 2
	})
	if err := WriteAll(t.Context(), s, "x", Exclusive, pattern(large)); err != nil || looks.Load() < 3 {
		t.Errorf("%v after %d looks", err, looks.Load())
	}
}

// An interrupt ends the looking, and is what the commit ends with.
func TestS3InterruptWhileLooking(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var looks atomic.Int32
	s := troubled(t, stallLimit, "", func(r *http.Request) (s3test.Fault, bool) {
		if r.Method == http.MethodHead && looks.Add(1) == 3 {
			cancel()
		}
		return map[string]s3test.Fault{http.MethodHead: s3test.NoUpload, http.MethodPut: s3test.Taken}[r.Method], r.Method == http.MethodHead || r.Method == http.MethodPut
	})
	if err := WriteAll(ctx, s, "x", Exclusive, pattern(small)); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if n := looks.Load(); n != 3 {
		t.Errorf("%d looks", n)
	}
}

// A commit drops what is left of other uploads of its object, and no others. A
// living writer that so lost is told at its own commit, as if it had come second.
func TestS3CommitDropsOtherUploads(t *testing.T) {
	s := troubled(t, stallLimit, "", func(*http.Request) (s3test.Fault, bool) { return 0, false })
	ctx := t.Context()
	for _, key := range []string{"set/x", "set/x/1", "set/xy", "x"} { // of killed runs
		if _, err := s.client.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: &s.bucket, Key: &key}); err != nil {
			t.Fatal(err)
		}
	}
	half := func(name string, mode Mode) Writer {
		w, err := s.Create(ctx, name, mode)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(pattern(large / 2)); err != nil {
			t.Fatal(err)
		}
		return w
	}
	loser := half("x", Exclusive)
	if err := WriteAll(ctx, s, "x", Exclusive, pattern(large)); err != nil {
		t.Fatal(err)
	}
	if got, want := uploads(t, s), []string{"set/x/1", "set/xy", "x"}; !slices.Equal(got, want) {
		t.Errorf("left %q, want %q", got, want)
	}
	for range 8 {
		if _, err := loser.Write(pattern(large / 2)); err != nil {
			t.Fatalf("the loser's write: %v", err)
		}
	}
	if err := loser.Commit(ctx); !errors.Is(err, fs.ErrExist) {
		t.Errorf("the loser's commit: %v", err)
	}
	// Of those who replace, both are right.
	other := half("x", Replace)
	if err := WriteAll(ctx, s, "x", Replace, pattern(large+1)); err != nil {
		t.Fatal(err)
	}
	if err := other.Commit(ctx); err != nil {
		t.Errorf("a living writer's commit: %v", err)
	}
	half("x", Replace) // and is killed
	s.staleAfter = -time.Hour
	if err := WriteAll(ctx, s, "x", Replace, pattern(large)); err != nil {
		t.Fatal(err)
	}
	if got, want := uploads(t, s), []string{"set/x/1", "set/xy", "x"}; !slices.Equal(got, want) {
		t.Errorf("left %q, want %q", got, want)
	}
}

// A writer whose upload the winner drops just before its end has lost, whatever the
// server says to it.
func TestS3EndOfADroppedUpload(t *testing.T) {
	var first atomic.Bool
	win := make(chan func() error, 1)
	var won error
	s := troubled(t, stallLimit, "", func(r *http.Request) (s3test.Fault, bool) {
		if r.Method == http.MethodPost && r.URL.Query().Has("uploadId") && first.CompareAndSwap(false, true) {
			won = (<-win)()
		}
		return 0, false
	})
	winner := pattern(large)
	win <- func() error { return WriteAll(t.Context(), s, "x", Exclusive, winner) }
	if err := WriteAll(t.Context(), s, "x", Exclusive, pattern(large+1)); !errors.Is(err, fs.ErrExist) || won != nil {
		t.Errorf("the loser got %v, the winner %v", err, won)
	}
	if got, err := ReadAll(t.Context(), s, "x", 1<<30); err != nil || !bytes.Equal(got, winner) {
		t.Errorf("the winner's %d bytes came back as %d (%v)", len(winner), len(got), err)
	}
}

// An upload that somebody else ends, such as a rule of the bucket, is no object that is
// not there: callers take that for another's business.
func TestS3UploadThatIsEnded(t *testing.T) {
	for _, of := range []string{"partNumber", "complete"} {
		for _, mode := range []Mode{Exclusive, Replace} {
			s := troubled(t, stallLimit, "", func(r *http.Request) (s3test.Fault, bool) {
				query := r.URL.Query()
				return s3test.NoUpload, of == "partNumber" && query.Has(of) || of == "complete" && r.Method == http.MethodPost && query.Has("uploadId")
			})
			err := WriteAll(t.Context(), s, "x", mode, pattern(large))
			if err == nil || errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "the upload was ended") {
				t.Errorf("%s, mode %v: %v", of, mode, err)
			}
		}
	}
}

// A writer whose part failed fails from then on: what is written is whole or
// nothing.
func TestS3WriterStaysFailed(t *testing.T) {
	var failed atomic.Bool
	s := troubled(t, stallLimit, "1", func(r *http.Request) (s3test.Fault, bool) {
		first := r.URL.Query().Get("partNumber") == "1"
		if first {
			failed.Store(true)
		}
		return s3test.Internal, first
	})
	w, err := s.Create(t.Context(), "x", Exclusive)
	if err != nil {
		t.Fatal(err)
	}
	fails := 0
	for i := range 20 {
		_, err := w.Write(pattern(smallPart / 2))
		if err == nil && fails > 0 {
			t.Errorf("write %d went on after a failed one", i)
		}
		if err != nil {
			fails++
		}
	}
	if fails == 0 || !failed.Load() {
		t.Errorf("%d writes failed", fails)
	}
	if err := w.Commit(t.Context()); err == nil {
		t.Error("it was committed")
	}
	if _, err := s.Stat(t.Context(), "x"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("what is there: %v", err)
	}
}

// Several parts are on the way at a time, and no more are held than is said.
func TestS3WriterHoldsFewParts(t *testing.T) {
	var parts atomic.Int32
	arrived, release := make(chan bool, 100), make(chan bool)
	var once sync.Once
	open := func() { once.Do(func() { close(release) }) }
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		switch query := r.URL.Query(); {
		case query.Has("uploads"):
			_, _ = io.WriteString(w, "<InitiateMultipartUploadResult><UploadId>1</UploadId></InitiateMultipartUploadResult>")
		case query.Has("partNumber"):
			parts.Add(1)
			arrived <- true
			<-release
			w.Header().Set("ETag", `"1"`)
		case r.Method == http.MethodPost:
			_, _ = io.WriteString(w, "<CompleteMultipartUploadResult/>")
		}
	}))
	defer server.Close()
	defer open()
	(&s3test.Server{}).Use(t, server.URL)
	s, err := NewS3(t.Context(), "s3://bucket/set")
	if err != nil {
		t.Fatal(err)
	}
	memory := func() (held, allocated int64) {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc), int64(m.TotalAlloc)
	}
	piece := make([]byte, 1<<20)
	heldBefore, allocatedBefore := memory()
	w, err := s.Create(t.Context(), "x", Replace)
	if err != nil {
		t.Fatal(err)
	}
	written := make(chan error, 1)
	go func() {
		for range 200 {
			if _, err := w.Write(piece); err != nil {
				written <- err
				return
			}
		}
		written <- w.Commit(t.Context())
	}()
	for range partsInFlight {
		<-arrived
	}
	time.Sleep(100 * time.Millisecond) // for more to come that must not
	const most = (partsInFlight + 1) * defaultPartSize
	if n := parts.Load(); n != partsInFlight {
		t.Errorf("%d parts on the way, want %d", n, partsInFlight)
	}
	held, _ := memory()
	if got := held - heldBefore; got > most+most/16 || got < most/2 {
		t.Errorf("it holds %d MiB, want about %d", got>>20, most>>20)
	}
	open()
	if err := <-written; err != nil {
		t.Error(err)
	}
	if got := parts.Load(); got != 13 {
		t.Errorf("%d parts of 200 MiB", got)
	}
	// Buffers are used again: without that each part allocates its own. The first grow
	// to their size, by doubling.
	_, allocated := memory()
	if got := allocated - allocatedBefore; got > 2*most {
		t.Errorf("%d MiB were allocated, want %d at most", got>>20, int64(2*most)>>20)
	}
}
