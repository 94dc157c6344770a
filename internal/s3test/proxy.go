package s3test

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"
)

// Fault is one way in which a request goes wrong.
type Fault int

// Faults.
const (
	Drop      Fault = iota // the connection closes before the server hears of it
	Forget                 // the server does it, and the connection closes before the answer
	Cut                    // the answer ends early
	Slow                   // the answer comes late
	Internal               // 500 instead of doing it
	Busy                   // 503 SlowDown instead of doing it
	numFaults              // of those that Trouble draws
	Silent                 // nothing comes, and the connection stays
	Halt                   // the answer stops in its middle, and the connection stays
	NoUpload               // 404 NoSuchUpload instead of doing it
	Taken                  // 412 PreconditionFailed instead of doing it
)

// Proxy stands before a server and makes trouble.
type Proxy struct {
	Endpoint string
	// Choose says what happens to a request; ok is false if nothing does.
	choose func(r *http.Request) (f Fault, ok bool)

	mu     sync.Mutex
	counts map[Fault]int
}

// Trouble lets a share of all requests go wrong, drawn from a seed.
func Trouble(share float64, seed uint64) func(*http.Request) (Fault, bool) {
	var mu sync.Mutex
	chance := rand.New(rand.NewPCG(seed, 0))
	return func(*http.Request) (Fault, bool) {
		mu.Lock()
		defer mu.Unlock()
		if chance.Float64() >= share {
			return 0, false
		}
		return Fault(chance.IntN(int(numFaults))), true
	}
}

// NewProxy starts a proxy for the length of a test. Requests go on as they are, with
// the host that their signature is for.
func NewProxy(t testing.TB, s *Server, choose func(r *http.Request) (Fault, bool)) *Proxy {
	t.Helper()
	p := &Proxy{choose: choose, counts: map[Fault]int{}}
	transport := &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 64}
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { p.serve(w, r, s.Endpoint, transport) }))
	t.Cleanup(func() {
		front.Close()
		transport.CloseIdleConnections()
	})
	p.Endpoint = front.URL
	return p
}

// Counts tells how often each fault of Trouble happened.
func (p *Proxy) Counts() (total int, each map[Fault]int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	each = map[Fault]int{}
	for f := range numFaults {
		each[f] = p.counts[f]
		total += each[f]
	}
	return total, each
}

func (p *Proxy) serve(w http.ResponseWriter, r *http.Request, endpoint string, transport http.RoundTripper) {
	fault, faulty := p.choose(r)
	if faulty {
		p.mu.Lock()
		p.counts[fault]++
		p.mu.Unlock()
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if faulty {
		switch fault {
		case Drop:
			panic(http.ErrAbortHandler)
		case Internal:
			refuse(w, http.StatusInternalServerError, "InternalError")
			return
		case Busy:
			refuse(w, http.StatusServiceUnavailable, "SlowDown")
			return
		case NoUpload:
			refuse(w, http.StatusNotFound, "NoSuchUpload")
			return
		case Taken:
			refuse(w, http.StatusPreconditionFailed, "PreconditionFailed")
			return
		case Silent:
			<-r.Context().Done() // the client has gone
			return
		}
	}
	out, err := http.NewRequestWithContext(r.Context(), r.Method, endpoint+r.URL.RequestURI(), bytes.NewReader(body))
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	out.Header, out.Host, out.ContentLength = r.Header.Clone(), r.Host, int64(len(body))
	answer, err := transport.RoundTrip(out)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	defer answer.Body.Close()
	whole, err := io.ReadAll(answer.Body)
	if err != nil || faulty && fault == Forget {
		panic(http.ErrAbortHandler)
	}
	if faulty && fault == Slow {
		time.Sleep(300 * time.Millisecond)
	}
	for k, v := range answer.Header {
		w.Header()[k] = v
	}
	w.WriteHeader(answer.StatusCode)
	if faulty && (fault == Cut || fault == Halt) && r.Method != http.MethodHead {
		_, _ = w.Write(whole[:len(whole)/2]) // it is to be cut
		if f, ok := w.(http.Flusher); ok {
			f.Flush()
		}
		if fault == Halt {
			<-r.Context().Done()
		}
		panic(http.ErrAbortHandler)
	}
	_, _ = w.Write(whole) // who asked may be gone
}

func refuse(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	fmt.Fprintf(w, `<?xml version="1.0" encoding="UTF-8"?><Error><Code>%s</Code><Message>made for a test</Message></Error>`, code)
}
