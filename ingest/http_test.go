package ingest

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"micodata/dataset"
	"micodata/internal/testmedia"
)

// host serves one handler and counts its requests.
type host struct {
	*httptest.Server
	mu       sync.Mutex
	requests []http.Header
}

func serve(t testing.TB, handler func(n int, w http.ResponseWriter, r *http.Request)) *host {
	t.Helper()
	h := &host{}
	h.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.mu.Lock()
		h.requests = append(h.requests, r.Header.Clone())
		n := len(h.requests)
		h.mu.Unlock()
		handler(n, w, r)
	}))
	t.Cleanup(h.Close)
	return h
}

func (h *host) seen() []http.Header {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.requests
}

func hashOf(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

func checkFetched(t *testing.T, env Env, s dataset.Source, data []byte) {
	t.Helper()
	if s.Status != dataset.OK {
		t.Fatalf("%s: %s", s.Class, s.Error)
	}
	if s.SHA256 != hashOf(data) || s.Bytes != int64(len(data)) || s.ID != s.SHA256[:16] || s.Media != dataset.MediaName(s.SHA256, ".mp4") {
		t.Errorf("row %+v", s)
	}
	if got := readObject(t, env, s.Media); !bytes.Equal(got, data) {
		t.Errorf("%d bytes kept of %d", len(got), len(data))
	}
}

func TestFetch(t *testing.T) {
	data := readAll(t, testmedia.File(t, "plain"))
	h := serve(t, func(n int, w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v.mp4" {
			http.Redirect(w, r, "/v.mp4", http.StatusFound)
			return
		}
		http.ServeContent(w, r, "v.mp4", time.Time{}, bytes.NewReader(data))
	})
	env := testEnv(t)
	rows := ingested(t, env, Item{URI: h.URL + "/moved"}, Item{ID: "x", URI: h.URL + "/v.mp4"})
	checkFetched(t, env, rows[0], data)
	if rows[1].ID != "x" || rows[1].Media != rows[0].Media {
		t.Errorf("row %+v", rows[1])
	}
}

func TestStatusClasses(t *testing.T) {
	for code, c := range map[int]struct {
		class    dataset.Class
		requests int
	}{
		404: {dataset.NotFound, 1}, 410: {dataset.NotFound, 1}, 401: {dataset.Forbidden, 1}, 403: {dataset.Forbidden, 1}, 451: {dataset.Forbidden, 1},
		429: {dataset.RateLimited, 3}, 500: {dataset.Network, 3}, 503: {dataset.Network, 3}, 504: {dataset.Timeout, 3}, 418: {dataset.Network, 1}, 204: {dataset.Network, 1}, 206: {dataset.Network, 1},
	} {
		t.Run(strconv.Itoa(code), func(t *testing.T) {
			h := serve(t, func(n int, w http.ResponseWriter, r *http.Request) { w.WriteHeader(code) })
			s := ingestOne(t, testEnv(t), Item{URI: h.URL})
			if s.Class != c.class || len(h.seen()) != c.requests || !strings.Contains(s.Error, strconv.Itoa(code)) || s.ID != dataset.IDFromURI(h.URL) || s.Media != "" {
				t.Errorf("%s after %d requests: %s", s.Class, len(h.seen()), s.Error)
			}
		})
	}
}

func TestRecovers(t *testing.T) {
	data := readAll(t, testmedia.File(t, "plain"))
	h := serve(t, func(n int, w http.ResponseWriter, r *http.Request) {
		switch n {
		case 1:
			w.Header().Set("Retry-After", "3600") // bounded by MaxBackoff
			w.WriteHeader(http.StatusTooManyRequests)
		case 2:
			w.WriteHeader(http.StatusBadGateway)
		default:
			_, _ = w.Write(data)
		}
	})
	env := testEnv(t)
	checkFetched(t, env, ingestOne(t, env, Item{URI: h.URL}), data)
}

// breaking serves data, cut after a third on the first two requests; head sets
// the answer's headers.
func breaking(t *testing.T, data []byte, ranges bool, head func(n int, h http.Header)) *host {
	return serve(t, func(n int, w http.ResponseWriter, r *http.Request) {
		head(n, w.Header())
		from := 0
		if rg := r.Header.Get("Range"); rg != "" && ranges && r.Header.Get("If-Range") == w.Header().Get("ETag") {
			if _, err := fmt.Sscanf(rg, "bytes=%d-", &from); err != nil {
				t.Errorf("range %q", rg)
			}
			w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, len(data)-1, len(data)))
			w.Header().Set("Content-Length", strconv.Itoa(len(data)-from))
			w.WriteHeader(http.StatusPartialContent)
		} else {
			w.Header().Set("Content-Length", strconv.Itoa(len(data)))
		}
		to := len(data)
		if n <= 2 {
			to = min(from+len(data)/3, to)
		}
		_, _ = w.Write(data[from:to])
	})
}

func TestResume(t *testing.T) {
	data := readAll(t, testmedia.File(t, "plain"))
	third := len(data) / 3
	for name, c := range map[string]struct {
		ranges bool
		head   func(n int, h http.Header)
		want   []string // Range of each request
	}{
		"etag":      {true, func(_ int, h http.Header) { h.Set("ETag", `"a"`) }, []string{"", fmt.Sprintf("bytes=%d-", third), fmt.Sprintf("bytes=%d-", 2*third)}},
		"weak etag": {true, func(_ int, h http.Header) { h.Set("ETag", `W/"a"`) }, []string{"", "", ""}},
		"no ranges": {false, func(_ int, h http.Header) { h.Set("ETag", `"a"`) }, []string{"", fmt.Sprintf("bytes=%d-", third), fmt.Sprintf("bytes=%d-", third)}},
		"changed":   {true, func(n int, h http.Header) { h.Set("ETag", fmt.Sprintf(`"%d"`, n)) }, []string{"", fmt.Sprintf("bytes=%d-", third), fmt.Sprintf("bytes=%d-", third)}},
	} {
		t.Run(name, func(t *testing.T) {
			h := breaking(t, data, c.ranges, c.head)
			env := testEnv(t)
			checkFetched(t, env, ingestOne(t, env, Item{URI: h.URL}), data)
			for i, want := range c.want {
				if seen := h.seen(); len(seen) != len(c.want) || seen[i].Get("Range") != want {
					t.Errorf("%d requests; request %d asked for %q, want %q", len(seen), i, seen[i].Get("Range"), want)
				}
			}
		})
	}
}

// A range that is not the one asked for must not be glued on.
func TestWrongRange(t *testing.T) {
	data := readAll(t, testmedia.File(t, "plain"))
	h := serve(t, func(n int, w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"a"`)
		switch n {
		case 1:
			w.Header().Set("Content-Length", strconv.Itoa(len(data)))
			_, _ = w.Write(data[:1000])
		case 2:
			w.Header().Set("Content-Range", fmt.Sprintf("bytes 0-%d/%d", len(data)-1, len(data)))
			w.WriteHeader(http.StatusPartialContent)
			_, _ = w.Write(data)
		default:
			_, _ = w.Write(data)
		}
	})
	env := testEnv(t)
	checkFetched(t, env, ingestOne(t, env, Item{URI: h.URL}), data)
	if seen := h.seen(); len(seen) != 3 || seen[2].Get("Range") != "" {
		t.Errorf("requests %v", seen)
	}
}

// A server may send less of a range than was asked for, and end its answer well:
// that is not the end of the source.
func TestShortRange(t *testing.T) {
	data := readAll(t, testmedia.File(t, "plain"))
	for name, total := range map[string]string{"total": strconv.Itoa(len(data)), "unknown total": "*"} {
		t.Run(name, func(t *testing.T) {
			h := serve(t, func(n int, w http.ResponseWriter, r *http.Request) {
				w.Header().Set("ETag", `"a"`)
				from, to := 0, 1000
				if n == 1 {
					w.Header().Set("Content-Length", strconv.Itoa(len(data)))
				} else {
					if _, err := fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-", &from); err != nil {
						t.Errorf("range %q", r.Header.Get("Range"))
					}
					to = min(from+(len(data)-from+1)/2, len(data))
					if n == 3 {
						to = len(data)
					}
					w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%s", from, to-1, total))
					w.WriteHeader(http.StatusPartialContent)
				}
				_, _ = w.Write(data[from:to])
			})
			env := testEnv(t)
			checkFetched(t, env, ingestOne(t, env, Item{URI: h.URL}), data)
			if n := len(h.seen()); n != 3 {
				t.Errorf("%d requests", n)
			}
		})
	}
}

// The whole is never made of two versions' pieces, nor taken for whole where
// the server says otherwise.
func TestRangeOfAnotherSize(t *testing.T) {
	data := readAll(t, testmedia.File(t, "plain"))
	h := serve(t, func(n int, w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"a"`)
		if n == 2 {
			w.Header().Set("Content-Range", fmt.Sprintf("bytes 1000-1099/%d", 1100))
			w.WriteHeader(http.StatusPartialContent)
			_, _ = w.Write(data[1000:1100])
			return
		}
		w.Header().Set("Content-Length", strconv.Itoa(len(data)))
		if n == 1 {
			_, _ = w.Write(data[:1000])
			return
		}
		_, _ = w.Write(data)
	})
	env := testEnv(t)
	checkFetched(t, env, ingestOne(t, env, Item{URI: h.URL}), data)
	if seen := h.seen(); len(seen) != 3 || seen[2].Get("Range") != "" {
		t.Errorf("requests %v", seen)
	}
}

func TestContentRange(t *testing.T) {
	for s, want := range map[string]struct {
		start, total int64
		ok           bool
	}{
		"bytes 5-9/10": {5, 10, true}, "bytes 0-0/*": {0, -1, true},
		"bytes */10": {}, "bytes 5-9": {}, "5-9/10": {}, "bytes -5-9/10": {}, "bytes 5-9/x": {}, "bytes 11-12/10": {11, 10, false}, "": {},
	} {
		start, total, ok := contentRange(s)
		if ok != want.ok || ok && (start != want.start || total != want.total) {
			t.Errorf("%q is %d, %d, %v", s, start, total, ok)
		}
	}
}

func endless(_ int, w http.ResponseWriter, _ *http.Request) {
	for buf := make([]byte, 64<<10); ; {
		if _, err := w.Write(buf); err != nil {
			return
		}
	}
}

// silent never ends, and begins its answer or not.
func silent(head bool) func(int, http.ResponseWriter, *http.Request) {
	return func(_ int, w http.ResponseWriter, r *http.Request) {
		if head {
			_, _ = w.Write([]byte("x"))
			_ = http.NewResponseController(w).Flush()
		}
		<-r.Context().Done()
	}
}

func TestHostileServers(t *testing.T) {
	for name, c := range map[string]struct {
		handler func(int, http.ResponseWriter, *http.Request)
		class   dataset.Class
		says    string
	}{
		"html": {func(_ int, w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "Text/HTML; charset=utf-8")
			_, _ = io.WriteString(w, "<html>")
		}, dataset.NotMedia, "yt-dlp"},
		"page as video": {func(_ int, w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "video/mp4")
			_, _ = io.WriteString(w, "<!DOCTYPE html><html>")
		}, dataset.NotMedia, "not a media file"},
		"empty":          {func(int, http.ResponseWriter, *http.Request) {}, dataset.NotMedia, "empty"},
		"endless":        {endless, dataset.TooLarge, "max_source_bytes"},
		"says too large": {func(_ int, w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Length", "999999999") }, dataset.TooLarge, "999999999"},
		"always cut": {func(_ int, w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, "x")
		}, dataset.Network, "EOF"},
		"no answer":       {silent(false), dataset.Timeout, ""},
		"stops answering": {silent(true), dataset.Timeout, "nothing came"},
		"redirect loop":   {func(_ int, w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/", http.StatusFound) }, dataset.Policy, "redirects"},
		"redirect to file": {func(_ int, w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", "file:///etc/passwd")
			w.WriteHeader(http.StatusFound)
		}, dataset.Policy, "file://"},
		"hangs up": {func(_ int, w http.ResponseWriter, r *http.Request) { panic(http.ErrAbortHandler) }, dataset.Network, "EOF"},
		"huge head": {func(_ int, w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X", strings.Repeat("x", 1<<20))
		}, dataset.Network, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := serve(t, c.handler)
			env := testEnv(t)
			env.Settings.MaxSourceBytes = 10 << 20
			env.HTTP.StallTimeout = 100 * time.Millisecond
			s := ingestOne(t, env, Item{URI: h.URL})
			if s.Class != c.class || !strings.Contains(s.Error, c.says) || strings.Contains(s.Error, env.TempDir) {
				t.Errorf("%s: %s", s.Class, s.Error)
			}
		})
	}
}

// A trickle never stalls, but it ends at the source's own deadline.
func TestSlowServer(t *testing.T) {
	h := serve(t, func(_ int, w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			_, _ = w.Write([]byte("x"))
			_ = http.NewResponseController(w).Flush()
			time.Sleep(10 * time.Millisecond)
		}
	})
	env := testEnv(t)
	env.HTTP.Timeout = 300 * time.Millisecond
	if s := ingestOne(t, env, Item{URI: h.URL}); s.Class != dataset.Timeout || !strings.Contains(s.Error, "300ms") {
		t.Errorf("%s: %s", s.Class, s.Error)
	}
}

func TestNoServer(t *testing.T) {
	h := serve(t, func(int, http.ResponseWriter, *http.Request) {})
	h.Close()
	for _, uri := range []string{h.URL, "http://name.invalid/v.mp4"} {
		if s := ingestOne(t, testEnv(t), Item{URI: uri}); s.Class != dataset.Network {
			t.Errorf("%s: %s: %s", uri, s.Class, s.Error)
		}
	}
}

func TestPause(t *testing.T) {
	d := download{o: HTTPOptions{Backoff: time.Second, MaxBackoff: time.Minute}, url: "http://h/"}
	last := time.Duration(0)
	for n := 1; n < 70; n++ {
		p := d.pause(n, 0)
		if p < last || p > time.Minute || p < time.Second {
			t.Errorf("pause %d is %v after %v", n, p, last)
		}
		last = p
	}
	if p := d.pause(1, 30*time.Second); p != 30*time.Second {
		t.Errorf("asked for 30 s, waits %v", p)
	}
}
