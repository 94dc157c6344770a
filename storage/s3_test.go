package storage_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"micodata/internal/s3test"
	"micodata/storage"
	"micodata/storage/storagetest"
)

// place gives each test a prefix of its own.
var place atomic.Int64

func openS3(t *testing.T) storage.Store {
	t.Helper()
	s, err := storage.New(t.Context(), fmt.Sprintf("s3://%s/of a test/%d/", s3test.Bucket, place.Add(1)))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestS3(t *testing.T) {
	s3test.Start(t)
	storagetest.Run(t, openS3)
}

// noise is what compresses to nothing smaller and repeats nowhere.
func noise(n int) []byte {
	r := rand.NewChaCha8([32]byte{byte(n)})
	data := make([]byte, n)
	_, _ = r.Read(data) // never fails
	return data
}

// An object of several parts is whole, at any offset.
func TestS3LargeObjects(t *testing.T) {
	s3test.Start(t)
	s, ctx := openS3(t), t.Context()
	for _, size := range []int{16<<20 - 1, 16 << 20, 16<<20 + 1, 50 << 20} {
		want, name := noise(size), fmt.Sprintf("large/%d", size)
		w, err := s.Create(ctx, name, storage.Exclusive)
		if err != nil {
			t.Fatal(err)
		}
		for rest := want; len(rest) > 0; {
			n := min(len(rest), 700_001)
			if _, err := w.Write(rest[:n]); err != nil {
				t.Fatal(err)
			}
			rest = rest[n:]
		}
		if err := w.Commit(ctx); err != nil {
			t.Fatal(err)
		}
		o, err := s.Open(ctx, name)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(o); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%d bytes came back as %d (%v)", size, len(got), err)
		}
		for _, at := range []int{0, 7, size / 2, size - 9} {
			for _, n := range []int{1, 9, 200_000, 9 << 20} {
				n = min(n, size-at)
				got := make([]byte, n)
				if _, err := o.ReadAt(got, int64(at)); err != nil || !bytes.Equal(got, want[at:at+n]) {
					t.Errorf("%d bytes at %d of %d: %v", n, at, size, err)
				}
			}
		}
		if err := o.Close(); err != nil {
			t.Error(err)
		}
	}
}

// What a walk over an object costs in requests.
func TestS3Requests(t *testing.T) {
	server := s3test.Start(t)
	s, ctx := openS3(t), t.Context()
	if err := storage.WriteAll(ctx, s, "x", storage.Exclusive, noise(12<<20)); err != nil {
		t.Fatal(err)
	}
	if n := len(server.Requests(t, "PutObject")); n != 1 {
		t.Errorf("a small object took %d requests", n)
	}
	count := func(read func(o storage.Object)) int {
		before := len(server.Requests(t, "GetObject"))
		o, err := s.Open(ctx, "x")
		if err != nil {
			t.Fatal(err)
		}
		read(o)
		return len(server.Requests(t, "GetObject")) - before
	}
	if n := count(func(o storage.Object) { _, _ = io.Copy(io.Discard, struct{ io.Reader }{o}) }); n > 8 {
		t.Errorf("a walk over 12 MB took %d requests", n)
	}
	if n := count(func(o storage.Object) {
		buf := make([]byte, 8)
		for i := range int64(1000) {
			_, _ = o.ReadAt(buf, 5<<20+i*8)
		}
	}); n != 1 {
		t.Errorf("a thousand small reads side by side took %d requests", n)
	}
	if heads := len(server.Requests(t, "HeadObject")); heads != 2 {
		t.Errorf("%d looks at the object's size, want one an opening", heads)
	}
}

// A range is one request, for these bytes and no others.
func TestS3ReadRange(t *testing.T) {
	server := s3test.Start(t)
	var mu sync.Mutex
	var asked []string
	proxy := s3test.NewProxy(t, server, func(r *http.Request) (s3test.Fault, bool) {
		mu.Lock()
		defer mu.Unlock()
		asked = append(asked, r.Method+" "+r.Header.Get("Range"))
		return 0, false
	})
	server.Use(t, proxy.Endpoint)
	s, data := openS3(t), noise(12<<20)
	if err := storage.WriteAll(t.Context(), s, "x", storage.Exclusive, data); err != nil {
		t.Fatal(err)
	}
	asked = nil
	got, err := s.ReadRange(t.Context(), "x", 1000, 3<<20)
	if err != nil || !bytes.Equal(got, data[1000:][:3<<20]) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if want := []string{"GET bytes=1000-3146727"}; !slices.Equal(asked, want) {
		t.Errorf("asked %q, want %q", asked, want)
	}
}

// A walk has the block after it fetched while it reads one.
func TestS3ReadsAhead(t *testing.T) {
	server := s3test.Start(t)
	asked := make(chan string, 100)
	proxy := s3test.NewProxy(t, server, func(r *http.Request) (s3test.Fault, bool) {
		if r.Method == http.MethodGet {
			asked <- r.Header.Get("Range")
		}
		return 0, false
	})
	server.Use(t, proxy.Endpoint)
	s, data := openS3(t), noise(12<<20)
	if err := storage.WriteAll(t.Context(), s, "x", storage.Exclusive, data); err != nil {
		t.Fatal(err)
	}
	o, err := s.Open(t.Context(), "x")
	if err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(data))
	const most = 2 << 20 // is read: blocks of 128, 256 and 512 KiB, 1 MiB and a part of 2
	for at := 0; at < most; at += 64 << 10 {
		if _, err := io.ReadFull(o, got[at:][:64<<10]); err != nil {
			t.Fatal(err)
		}
	}
	for want := range slices.Values([]string{"0-131071", "131072-393215", "393216-917503", "917504-1966079", "1966080-4063231", "4063232-8257535"}) {
		select {
		case got := <-asked:
			if got != "bytes="+want {
				t.Errorf("asked for %s, want %s", got, want)
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("%s is not asked for", want)
		}
	}
	if _, err := io.ReadFull(o, got[most:]); err != nil || !bytes.Equal(got, data) {
		t.Errorf("it came back otherwise (%v)", err)
	}
	// What is fetched and not read is dropped.
	if _, err := o.ReadAt(got[:9], 6<<20); err != nil || !bytes.Equal(got[:9], data[6<<20:][:9]) {
		t.Errorf("a jump back: %v", err)
	}
	if err := o.Close(); err != nil {
		t.Error(err)
	}
	if _, err := o.ReadAt(got[:9], 0); err == nil {
		t.Error("a closed object was read")
	}
}

// What cannot become better is asked once, and what can as often as is set.
func TestS3ReadsAreTriedAgainWhereItHelps(t *testing.T) {
	server := s3test.Start(t)
	var asked atomic.Int32
	var busy atomic.Bool
	proxy := s3test.NewProxy(t, server, func(*http.Request) (s3test.Fault, bool) {
		asked.Add(1)
		return s3test.Internal, busy.Load()
	})
	server.Use(t, proxy.Endpoint)
	t.Setenv("AWS_MAX_ATTEMPTS", "3")
	if err := storage.WriteAll(t.Context(), openS3(t), "x", storage.Exclusive, []byte("0123456789")); err != nil {
		t.Fatal(err)
	}
	at := fmt.Sprintf("s3://%s/of a test/%d/", s3test.Bucket, place.Load())
	read := func(name string, off int64) (int32, error) {
		s, err := storage.New(t.Context(), at)
		if err != nil {
			t.Fatal(err)
		}
		asked.Store(0)
		_, err = s.ReadRange(t.Context(), name, off, 5)
		return asked.Load(), err
	}
	if n, err := read("y", 0); n != 1 || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("404: %d requests: %v", n, err)
	}
	if n, err := read("x", 20); n != 1 || err == nil || !strings.Contains(err.Error(), "shorter") {
		t.Errorf("416: %d requests: %v", n, err)
	}
	busy.Store(true)
	if n, err := read("x", 5); n != 3 || err == nil || !strings.Contains(err.Error(), "InternalError") {
		t.Errorf("500: %d requests: %v", n, err)
	}
	busy.Store(false)
	t.Setenv("AWS_SECRET_ACCESS_KEY", "wrong")
	if n, err := read("x", 5); n != 1 || !errors.Is(err, fs.ErrPermission) {
		t.Errorf("403: %d requests: %v", n, err)
	}
}

// A server that answers a range with the whole object gives no wrong bytes.
func TestS3ServerWithoutRanges(t *testing.T) {
	asked := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked++
		_, _ = io.WriteString(w, "0123456789abcdef")
	}))
	defer server.Close()
	(&s3test.Server{}).Use(t, server.URL)
	s := openS3(t)
	if got, err := s.ReadRange(t.Context(), "x", 0, 5); string(got) != "01234" || err != nil {
		t.Errorf("the begin: %q, %v", got, err)
	}
	asked = 0
	if got, err := s.ReadRange(t.Context(), "x", 10, 5); err == nil || asked != 1 {
		t.Errorf("the middle: %q, by %d requests", got, asked)
	}
}

// Over a connection on which a third of all goes wrong, in all ways, what is
// committed is whole and has one winner, who knows it.
func TestS3Trouble(t *testing.T) {
	server := s3test.Start(t)
	proxy := s3test.NewProxy(t, server, s3test.Trouble(0.3, 7))
	server.Use(t, proxy.Endpoint)
	t.Setenv("AWS_MAX_ATTEMPTS", "30")
	s, ctx := openS3(t), t.Context()
	want := noise(20 << 20)
	for i := range 12 {
		name := fmt.Sprintf("x/%d", i)
		size := []int{100, 1 << 20, 20 << 20}[i%3]
		wins := make([]error, 2)
		var both sync.WaitGroup
		for k := range wins {
			both.Go(func() { wins[k] = storage.WriteAll(ctx, s, name, storage.Exclusive, want[k:size]) })
		}
		both.Wait()
		winner := slices.Index(wins, nil)
		if winner < 0 || !errors.Is(wins[1-winner], fs.ErrExist) {
			t.Fatalf("%s: %v", name, wins)
		}
		got, err := storage.ReadAll(ctx, s, name, 1<<30)
		if err != nil || !bytes.Equal(got, want[winner:size]) {
			t.Errorf("%s: the winner's %d bytes came back as %d (%v)", name, size-winner, len(got), err)
		}
		if err := storage.WriteAll(ctx, s, name, storage.Replace, want[:50]); err != nil {
			t.Errorf("replace %s: %v", name, err)
		}
		if got, err := storage.ReadAll(ctx, s, name, 1<<30); err != nil || !bytes.Equal(got, want[:50]) {
			t.Errorf("%s was not replaced (%v)", name, err)
		}
	}
	if list, err := s.List(ctx, "x/"); err != nil || len(list) != 12 {
		t.Errorf("%d objects, %v", len(list), err)
	}
	total, each := proxy.Counts()
	for f, n := range each {
		if n == 0 {
			t.Errorf("fault %d of %d did not happen", f, total)
		}
	}
	t.Logf("%d faults: %v", total, each)
}

// What goes on going wrong ends, with a line that says what to do.
func TestS3Errors(t *testing.T) {
	server := s3test.Start(t)
	t.Setenv("AWS_MAX_ATTEMPTS", "2")
	ctx := context.Background()
	read := func(location string) error {
		s, err := storage.New(ctx, location)
		if err != nil {
			return err
		}
		_, err = storage.ReadAll(ctx, s, "dataset.json", 1<<20)
		return err
	}
	list := func(location string) error {
		s, err := storage.New(ctx, location)
		if err != nil {
			return err
		}
		_, err = s.List(ctx, "")
		return err
	}
	expect := func(what string, err error, kind error, words string) {
		t.Helper()
		var own *storage.Error
		if !errors.As(err, &own) || kind != nil && !errors.Is(err, kind) || !strings.Contains(err.Error(), words) || strings.Contains(err.Error(), "\n") || len(err.Error()) > 300 {
			t.Errorf("%s: %v", what, err)
		}
	}
	expect("no object", read("s3://"+s3test.Bucket), fs.ErrNotExist, "s3://bucket/dataset.json")
	expect("no bucket", list("s3://absent/x"), nil, "no such bucket")
	for _, location := range []string{"s3://", "s3:///x", "s3://b/../x", "s3://b/a//x", "s3://k:s@b/x"} {
		expect(location, read(location), fs.ErrInvalid, "")
	}
	dead := s3test.NewProxy(t, server, func(*http.Request) (s3test.Fault, bool) { return s3test.Busy, true })
	server.Use(t, dead.Endpoint)
	t.Setenv("AWS_MAX_ATTEMPTS", "2")
	expect("a busy bucket", list("s3://"+s3test.Bucket), nil, "SlowDown")
	server.Use(t, server.Endpoint)
	t.Setenv("AWS_SECRET_ACCESS_KEY", "wrong")
	expect("a wrong secret", list("s3://"+s3test.Bucket), fs.ErrPermission, "AWS_ACCESS_KEY_ID")
	t.Setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
	t.Setenv("AWS_MAX_ATTEMPTS", "2")
	expect("nobody there", list("s3://"+s3test.Bucket), nil, "AWS_ENDPOINT_URL")
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Amz-Bucket-Region", "eu-west-1")
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, "<Error><Code>AuthorizationHeaderMalformed</Code><Message>the region is wrong; expecting 'eu-west-1'</Message></Error>")
	}))
	defer elsewhere.Close()
	t.Setenv("AWS_ENDPOINT_URL", elsewhere.URL)
	expect("another region", list("s3://"+s3test.Bucket), nil, "set AWS_REGION to eu-west-1")
	// Settings that make no sense are named.
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, set := range [][3]string{
		{"AWS_ENDPOINT_URL", "localhost", "http://"},
		{"AWS_CA_BUNDLE", "/nonexistent", "no such file"},
		{"AWS_CA_BUNDLE", empty, "no certificates"},
		{"AWS_PROFILE", "nobody", "no such profile"},
		{"AWS_MAX_ATTEMPTS", "many", ""},
	} {
		t.Run(set[0], func(t *testing.T) {
			t.Setenv(set[0], set[1])
			_, err := storage.New(ctx, "s3://"+s3test.Bucket)
			expect(set[0], err, fs.ErrInvalid, set[0]+"="+set[1])
			expect(set[0], err, fs.ErrInvalid, set[2])
		})
	}
}
