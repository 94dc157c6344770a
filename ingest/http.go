package ingest

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"micodata/dataset"
	"micodata/storage"
)

// newClient makes the client of one part. It uses no proxy: behind one, the
// addresses could not be checked.
func newClient(o HTTPOptions) (client *http.Client, done func()) {
	rt := o.transport
	done = func() {}
	if rt == nil {
		d := &net.Dialer{Timeout: o.ConnectTimeout}
		if !o.AllowPrivate {
			d.Control = control
		}
		t := &http.Transport{
			DialContext:            d.DialContext,
			TLSHandshakeTimeout:    o.ConnectTimeout,
			ResponseHeaderTimeout:  o.StallTimeout,
			MaxResponseHeaderBytes: 64 << 10, // browsers' own limit is 256 KiB
			DisableCompression:     true,     // lengths and ranges are of the bytes as they are
			ForceAttemptHTTP2:      true,
		}
		rt, done = t, t.CloseIdleConnections
	}
	return &http.Client{Transport: rt, CheckRedirect: func(req *http.Request, via []*http.Request) error {
		if len(via) > max(o.Redirects, 0) {
			return dataset.Fail(dataset.Policy, "more than %d redirects", max(o.Redirects, 0))
		}
		if s := req.URL.Scheme; s != "http" && s != "https" {
			return dataset.Fail(dataset.Policy, "redirect to %s://", s)
		}
		return nil
	}}, done
}

// download is one URL on its way into a file.
type download struct {
	client *http.Client
	o      HTTPOptions
	url    string
	limit  int64

	file      *os.File
	hash      hash.Hash
	have      int64
	total     int64  // of the whole, as the server says; -1 if it does not
	validator string // of what we have, for If-Range; "" if it cannot be resumed
}

// progressBytes is what an attempt must bring to count as none.
const progressBytes = 1 << 20

// fetch downloads a URL into a file in TempDir, which the caller discards, also
// after an error. Named and locked like the storage's own unfinished files, it
// falls to Sweep after a crash if TempDir is in a local dataset.
func (r *runner) fetch(ctx context.Context, uri string) (m media, err error) {
	f, err := os.CreateTemp(r.env.TempDir, "micodata-fetch-*.tmp")
	if err != nil {
		return media{}, &storage.Error{Op: "create download in", Path: r.env.TempDir, Err: err}
	}
	m.path, m.temp = f.Name(), f
	// Some network file systems have no locks; Sweep knows them.
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if err != nil && !errors.Is(err, errors.ErrUnsupported) && err != unix.ENOLCK {
		return m, &storage.Error{Op: "lock", Path: f.Name(), Err: err}
	}
	d := &download{client: r.client, o: r.env.HTTP, url: uri, limit: r.env.Settings.MaxSourceBytes, file: f, hash: sha256.New(), total: -1}
	limited, cancel := context.WithTimeout(ctx, d.o.Timeout)
	defer cancel()
	if err := d.run(limited); err != nil {
		if ctx.Err() != nil {
			return m, ctx.Err()
		}
		if limited.Err() != nil {
			err = dataset.Fail(dataset.Timeout, "not done after %v, %d bytes so far", d.o.Timeout, d.have)
		}
		return m, err
	}
	m.sha256, m.bytes = hex.EncodeToString(d.hash.Sum(nil)), d.have
	return m, nil
}

// run tries until the whole is there, the failure is one that stays, or the
// attempts are spent.
func (d *download) run(ctx context.Context) error {
	for failures := 0; ; {
		before := d.have
		err := d.attempt(ctx)
		if err == nil {
			return nil
		}
		again := new(retryError)
		if !errors.As(err, &again) {
			return err
		}
		if failures++; d.have >= before+progressBytes {
			failures = 1
		}
		if failures >= d.o.Attempts {
			return again.err
		}
		if err := sleep(ctx, d.pause(failures, again.after)); err != nil {
			return err
		}
	}
}

// pause doubles with every failure. Its spread, so that a host's clients do not
// come back all at once, derives from the URL: there is no chance here.
func (d *download) pause(failures int, asked time.Duration) time.Duration {
	p := d.o.Backoff << min(failures-1, 20)
	sum := sha256.Sum256([]byte(d.url))
	p += p * time.Duration(sum[0]) / 512
	return min(max(p, asked), d.o.MaxBackoff)
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// retryError is a failure that another attempt may mend.
type retryError struct {
	err   error // a [*dataset.ItemError]
	after time.Duration
}

func (e *retryError) Error() string { return e.err.Error() }

// attempt makes one request and reads its answer.
func (d *download) attempt(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, d.url, nil)
	if err != nil {
		return dataset.Fail(dataset.Corrupt, "not a URL: %w", urlCause(err))
	}
	req.Header.Set("User-Agent", d.o.UserAgent)
	req.Header.Set("Accept", "video/*, audio/*;q=0.5, */*;q=0.1")
	if d.have > 0 && d.validator != "" {
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-", d.have))
		req.Header.Set("If-Range", d.validator)
	}
	resp, err := d.client.Do(req)
	if err != nil {
		return requestError(err)
	}
	defer resp.Body.Close()
	if err := d.accept(req, resp); err != nil {
		return err
	}
	// A server that falls silent within its answer ends the request.
	stall := time.AfterFunc(d.o.StallTimeout, cancel)
	defer stall.Stop()
	return d.read(resp.Body, func() bool { return stall.Reset(d.o.StallTimeout) })
}

// accept looks at an answer's head and makes the file ready for its body.
func (d *download) accept(req *http.Request, resp *http.Response) error {
	switch code := resp.StatusCode; {
	case code == http.StatusPartialContent && req.Header.Get("Range") != "":
		start, total, ok := contentRange(resp.Header.Get("Content-Range"))
		if !ok || start != d.have || total >= 0 && d.total >= 0 && total != d.total {
			d.validator = ""
			return &retryError{err: dataset.Fail(dataset.Network, "asked for bytes from %d, got %q", d.have, resp.Header.Get("Content-Range"))}
		}
		d.total = max(d.total, total)
	case code == http.StatusRequestedRangeNotSatisfiable && req.Header.Get("Range") != "":
		d.validator = ""
		return &retryError{err: dataset.Fail(dataset.Network, "HTTP %s", resp.Status)}
	case code == http.StatusOK:
		if err := d.restart(); err != nil {
			return err
		}
		d.validator, d.total = validator(resp.Header), resp.ContentLength
	default:
		return statusError(resp)
	}
	if ct, _, _ := strings.Cut(resp.Header.Get("Content-Type"), ";"); strings.EqualFold(strings.TrimSpace(ct), "text/html") ||
		strings.EqualFold(strings.TrimSpace(ct), "application/xhtml+xml") {
		return dataset.Fail(dataset.NotMedia, "a web page, not a media file: give the media's own URL, or download it with yt-dlp and name the file")
	}
	if n := max(d.total, d.have+resp.ContentLength); n > d.limit {
		return tooLarge(n, d.limit)
	}
	return nil
}

// restart forgets what is there: the server sends the whole again.
func (d *download) restart() error {
	d.have = 0
	d.hash.Reset()
	if err := d.file.Truncate(0); err != nil {
		return &storage.Error{Op: "truncate", Path: d.file.Name(), Err: err}
	}
	if _, err := d.file.Seek(0, io.SeekStart); err != nil {
		return &storage.Error{Op: "seek", Path: d.file.Name(), Err: err}
	}
	return nil
}

// read appends the body. Alive is told of every piece, and reports whether the
// request was still running.
func (d *download) read(body io.Reader, alive func() bool) error {
	buf := make([]byte, 64<<10)
	for {
		n, err := body.Read(buf)
		running := alive()
		if d.have+int64(n) > d.limit {
			return tooLarge(d.have+int64(n), d.limit)
		}
		if _, err := d.file.Write(buf[:n]); err != nil {
			return &storage.Error{Op: "write", Path: d.file.Name(), Err: err} // our disk, not the source
		}
		d.hash.Write(buf[:n])
		d.have += int64(n)
		if err == io.EOF {
			return d.whole()
		}
		if err != nil && !running {
			return &retryError{err: dataset.Fail(dataset.Timeout, "nothing came for %v, after %d bytes", d.o.StallTimeout, d.have)}
		}
		if err != nil {
			return &retryError{err: dataset.Fail(dataset.Network, "after %d bytes: %w", d.have, err)}
		}
	}
}

// whole checks, at the end of an answer, that it was the end of the source: a
// server may send less of a range than was asked for.
func (d *download) whole() error {
	switch {
	case d.total < 0 || d.have == d.total:
		return nil
	case d.have > d.total:
		d.validator = "" // what we have is not what the server means
	}
	return &retryError{err: dataset.Fail(dataset.Network, "the answer ends after %d of %d bytes", d.have, d.total)}
}

// requestError classifies a request that got no answer.
func requestError(err error) error {
	if exhausted(err) {
		return fmt.Errorf("request: %w", err) // nor will the next source get one
	}
	if e, ok := dataset.AsItem(err); ok {
		return e // a redirect that is not followed
	}
	var blocked *addressError
	if errors.As(err, &blocked) {
		return dataset.Fail(dataset.BlockedAddress, "%w", blocked)
	}
	cause := urlCause(err)
	var dns *net.DNSError
	var cert *tls.CertificateVerificationError
	if errors.As(err, &dns) && dns.IsNotFound || errors.As(err, &cert) {
		return dataset.Fail(dataset.Network, "%w", cause) // so it will be in a minute
	}
	var ue *url.Error
	if errors.As(err, &ue) && ue.Timeout() {
		return &retryError{err: dataset.Fail(dataset.Timeout, "%w", cause)}
	}
	return &retryError{err: dataset.Fail(dataset.Network, "%w", cause)}
}
