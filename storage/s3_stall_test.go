package storage

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"micodata/internal/s3test"
)

type request = func(*http.Request) (s3test.Fault, bool)

// troubled is a store behind a proxy, with a limit that tests can wait for.
func troubled(t *testing.T, stall time.Duration, attempts string, choose request) *S3 {
	t.Helper()
	server := s3test.Start(t)
	server.Use(t, s3test.NewProxy(t, server, choose).Endpoint)
	t.Setenv("AWS_MAX_ATTEMPTS", attempts)
	s, err := newS3(t.Context(), "s3://"+s3test.Bucket+"/set", stall, soon)
	if err != nil {
		t.Fatal(err)
	}
	s.partSize = smallPart
	return s
}

// smallPart is the least that S3 takes.
const smallPart = 5 << 20

// soon is after what time tests try again.
const soon = 10 * time.Millisecond

// inTime fails the test if work goes on for ever.
func inTime(t *testing.T, what string, work func() error) error {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- work() }()
	select {
	case err := <-done:
		return err
	case <-time.After(20 * time.Second):
		t.Fatalf("%s: no end", what)
		return nil
	}
}

// A server that accepts requests and never answers ends each kind of them, and the
// user hears of it before.
func TestS3SilentServer(t *testing.T) {
	server := s3test.Start(t)
	server.Use(t, s3test.NewProxy(t, server, func(*http.Request) (s3test.Fault, bool) { return s3test.Silent, true }).Endpoint)
	t.Setenv("AWS_MAX_ATTEMPTS", "2")
	for what, work := range map[string]func(ctx context.Context, s *S3) error{
		"stat":  func(ctx context.Context, s *S3) error { _, err := s.Stat(ctx, "x"); return err },
		"open":  func(ctx context.Context, s *S3) error { _, err := s.Open(ctx, "x"); return err },
		"list":  func(ctx context.Context, s *S3) error { _, err := s.List(ctx, ""); return err },
		"range": func(ctx context.Context, s *S3) error { _, err := s.ReadRange(ctx, "x", 0, 9); return err },
		"small": func(ctx context.Context, s *S3) error { return WriteAll(ctx, s, "x", Exclusive, []byte("x")) },
		"large": func(ctx context.Context, s *S3) error {
			return WriteAll(ctx, s, "x", Exclusive, make([]byte, 17<<20))
		},
		"delete": func(ctx context.Context, s *S3) error { return s.Delete(ctx, "x") },
		"sweep":  func(ctx context.Context, s *S3) error { return s.Sweep(ctx, "media") },
	} {
		said := make(chan string, 10)
		ctx := WithNotice(t.Context(), func(msg string) { said <- msg })
		s, err := newS3(ctx, "s3://"+s3test.Bucket+"/set", 100*time.Millisecond, soon)
		if err != nil {
			t.Fatal(err)
		}
		err = inTime(t, what, func() error { return work(ctx, s) })
		if !errors.Is(err, errStalled) || !strings.Contains(err.Error(), "AWS_ENDPOINT_URL") {
			t.Errorf("%s: %v", what, err)
		}
		select {
		case msg := <-said:
			if !strings.HasPrefix(msg, "s3://bucket/set: ") || !strings.HasSuffix(msg, "trying again") || len(said) > 0 {
				t.Errorf("%s: %d more said, %q", what, len(said), msg)
			}
		default:
			t.Errorf("%s: nothing said", what)
		}
	}
}

// An answer that stops in its middle is asked for again, from there.
func TestS3AnswerStops(t *testing.T) {
	var mu sync.Mutex
	var asked []string
	halted := map[string]bool{}
	// Long enough that an answer is not late on a loaded machine.
	s := troubled(t, 2*time.Second, "3", func(r *http.Request) (s3test.Fault, bool) {
		mu.Lock()
		defer mu.Unlock()
		asked = append(asked, r.Method+" "+r.Header.Get("Range"))
		first := r.Method == http.MethodGet && !halted[r.URL.Path]
		halted[r.URL.Path] = halted[r.URL.Path] || first
		return s3test.Halt, first
	})
	want := bytes.Repeat([]byte("0123456789"), 100_000)
	if err := WriteAll(t.Context(), s, "x", Exclusive, want); err != nil {
		t.Fatal(err)
	}
	asked = nil
	err := inTime(t, "read", func() error {
		got, err := s.ReadRange(t.Context(), "x", 0, int64(len(want)))
		if !bytes.Equal(got, want) {
			t.Errorf("%d bytes came back as %d", len(want), len(got))
		}
		return err
	})
	if got := strings.Join(asked, ", "); err != nil || got != "GET bytes=0-999999, GET bytes=500000-999999" {
		t.Errorf("asked %s: %v", got, err)
	}
	err = inTime(t, "list", func() error {
		list, err := s.List(t.Context(), "")
		if len(list) != 1 {
			t.Errorf("listed %v", list)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// slowListener takes little at a time, so that what is sent waits at the sender.
type slowListener struct{ net.Listener }

func (l slowListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if tcp, ok := c.(*net.TCPConn); ok {
		err = errors.Join(err, tcp.SetReadBuffer(64<<10))
	}
	return c, err
}

// An upload over a slow link takes many times the limit, and is not given up.
func TestS3SlowUpload(t *testing.T) {
	const size, step, stall = 8 << 20, 128 << 10, time.Second
	slow := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		for {
			if _, err := io.CopyN(io.Discard, r.Body, step); err != nil {
				return
			}
			time.Sleep(60 * time.Millisecond)
		}
	}))
	slow.Listener = slowListener{slow.Listener}
	slow.Start()
	defer slow.Close()
	(&s3test.Server{}).Use(t, slow.URL)
	t.Setenv("AWS_MAX_ATTEMPTS", "1")
	s, err := newS3(t.Context(), "s3://bucket/set", stall, soon)
	if err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	if err := WriteAll(t.Context(), s, "x", Replace, make([]byte, size)); err != nil {
		t.Errorf("given up after %v: %v", time.Since(begin), err)
	}
	if took := time.Since(begin); took < 3*stall {
		t.Errorf("it took only %v", took)
	}
}

// Abort ends what is being sent instead of waiting for it.
func TestS3AbortWhileAPartIsSent(t *testing.T) {
	arrived := make(chan bool, 100)
	s := troubled(t, time.Hour, "3", func(r *http.Request) (s3test.Fault, bool) {
		part := r.URL.Query().Has("partNumber")
		if part {
			arrived <- true
		}
		return s3test.Silent, part
	})
	w, err := s.Create(t.Context(), "x", Exclusive)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(make([]byte, smallPart+1)); err != nil {
		t.Fatal(err)
	}
	<-arrived
	if err := inTime(t, "abort", w.Abort); err != nil {
		t.Error(err)
	}
	if left := uploads(t, s); len(left) > 0 {
		t.Errorf("left %q", left)
	}
}
