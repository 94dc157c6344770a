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

// contentRange reads the first byte's place and the whole's size from
// "bytes 5-9/10"; the size is -1 where a "*" says that it is not known.
func contentRange(s string) (start, total int64, ok bool) {
	s, ok = strings.CutPrefix(s, "bytes ")
	span, size, okSize := strings.Cut(s, "/")
	first, _, okFirst := strings.Cut(span, "-")
	if !ok || !okSize || !okFirst {
		return 0, 0, false
	}
	start, err := strconv.ParseInt(first, 10, 64)
	if err != nil || start < 0 {
		return 0, 0, false
	}
	if size == "*" {
		return start, -1, true
	}
	total, err = strconv.ParseInt(size, 10, 64)
	return start, total, err == nil && total >= start
}
