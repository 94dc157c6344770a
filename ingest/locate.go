package ingest

import (
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"micodata/dataset"
)

// urlScheme is the lower-case scheme of a URL with "//". "C:x" and "a:b.mp4"
// are names of files.
func urlScheme(s string) (string, bool) {
	scheme, _, ok := strings.Cut(s, "://")
	if !ok || scheme == "" {
		return "", false
	}
	for i := 0; i < len(scheme); i++ {
		c := scheme[i] | 0x20
		if letter := 'a' <= c && c <= 'z'; !letter && (i == 0 || !strings.ContainsRune("0123456789+-.", rune(scheme[i]))) {
			return "", false
		}
	}
	return strings.ToLower(scheme), true
}

// isRemote tells URLs that are fetched from paths.
func isRemote(uri string) bool {
	scheme, ok := urlScheme(uri)
	return ok && (scheme == "http" || scheme == "https")
}

// locate brings what a list names into the form of [Item.URI]. Relative paths
// start at base. The error is a [*dataset.ItemError].
func locate(raw, base string) (string, error) {
	if strings.ContainsRune(raw, 0) {
		return "", dataset.Fail(dataset.Corrupt, "%q holds a zero byte", raw)
	}
	scheme, ok := urlScheme(raw)
	if !ok {
		return localPath(raw, base)
	}
	switch scheme {
	case "http", "https":
		u, err := url.Parse(raw)
		if err == nil && u.Hostname() == "" {
			err = errors.New("no host")
		}
		if err != nil {
			return "", dataset.Fail(dataset.Corrupt, "%q is not a URL: %w", raw, urlCause(err))
		}
		return raw, nil
	case "file":
		u, err := url.Parse(raw)
		if err != nil {
			return "", dataset.Fail(dataset.Corrupt, "%q is not a URL: %w", raw, urlCause(err))
		}
		if u.Host != "" && u.Host != "localhost" {
			return "", dataset.Fail(dataset.Policy, "%q names a file on another machine", raw)
		}
		if u.Path == "" || strings.ContainsRune(u.Path, 0) {
			return "", dataset.Fail(dataset.Corrupt, "%q names no file", raw)
		}
		return localPath(u.Path, base)
	case "s3":
		return "", dataset.Fail(dataset.Policy, "s3:// sources are not supported yet: copy them to a folder, or give https URLs")
	}
	return "", dataset.Fail(dataset.Policy, "%s:// sources are not supported: give http(s) URLs or files", scheme)
}

func localPath(name, base string) (string, error) {
	if !filepath.IsAbs(name) {
		name = filepath.Join(base, name)
	}
	abs, err := filepath.Abs(name)
	if err != nil {
		return "", dataset.Fail(dataset.Internal, "absolute path of %q: %w", name, err)
	}
	return abs, nil
}

// urlCause drops the URL that url.Error repeats.
func urlCause(err error) error {
	var ue *url.Error
	if errors.As(err, &ue) {
		return ue.Err
	}
	return err
}

// storedURI is the URI as it stands in a row, where text must be UTF-8: a path
// that is not becomes a file:// URL, and odd bytes of a URL are escaped.
func storedURI(uri string) string {
	if utf8.ValidString(uri) {
		return uri
	}
	if !isRemote(uri) {
		return (&url.URL{Scheme: "file", Path: uri}).String()
	}
	var b strings.Builder
	for i := 0; i < len(uri); {
		r, n := utf8.DecodeRuneInString(uri[i:])
		if r == utf8.RuneError && n == 1 {
			fmt.Fprintf(&b, "%%%02X", uri[i])
		} else {
			b.WriteString(uri[i : i+n])
		}
		i += n
	}
	return b.String()
}
