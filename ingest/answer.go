package ingest

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"micodata/dataset"
)

// statusError classifies an answer that is not the media.
func statusError(resp *http.Response) error {
	fail := func(c dataset.Class) error { return dataset.Fail(c, "HTTP %s", resp.Status) }
	switch code := resp.StatusCode; {
	case code == http.StatusNotFound, code == http.StatusGone:
		return fail(dataset.NotFound)
	case code == http.StatusUnauthorized, code == http.StatusPaymentRequired, code == http.StatusForbidden,
		code == http.StatusProxyAuthRequired, code == http.StatusUnavailableForLegalReasons:
		return fail(dataset.Forbidden)
	case code == http.StatusTooManyRequests:
		return &retryError{err: fail(dataset.RateLimited), after: retryAfter(resp.Header)}
	case code == http.StatusRequestTimeout, code == http.StatusGatewayTimeout:
		return &retryError{err: fail(dataset.Timeout)}
	case code >= 500:
		return &retryError{err: fail(dataset.Network), after: retryAfter(resp.Header)}
	}
	return fail(dataset.Network)
}

// retryAfter is the pause that a server asks for in seconds. Dates, the other
// form, are ignored: there is no clock here.
func retryAfter(h http.Header) time.Duration {
	n, err := strconv.Atoi(strings.TrimSpace(h.Get("Retry-After")))
	if err != nil || n < 0 {
		return 0
	}
	return time.Duration(min(n, 24*3600)) * time.Second
}

// validator is what tells later that the server still has the same bytes: a
// strong ETag, else the date (RFC 9110, 13.1.5).
func validator(h http.Header) string {
	if strings.EqualFold(h.Get("Accept-Ranges"), "none") {
		return ""
	}
	if tag := h.Get("ETag"); strings.HasPrefix(tag, `"`) {
		return tag
	}
	return h.Get("Last-Modified")
}

// rangeStart reads the first byte's place from "bytes 5-9/10".
func rangeStart(s string) (int64, bool) {
	s, ok := strings.CutPrefix(s, "bytes ")
	if !ok {
		return 0, false
	}
	first, _, ok := strings.Cut(s, "-")
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseInt(first, 10, 64)
	return n, err == nil && n >= 0
}
