// Package sidecar tells which files belong to a medium by lying beside it under
// its name: "movie.srt" and "movie.en.srt" to "movie.mp4".
package sidecar

import (
	"path/filepath"
	"regexp"
	"strings"
)

// rest is what follows "movie." in "movie.en.srt": language, extension.
var rest = regexp.MustCompile(`^(?:([A-Za-z]{2,3}(?:[-_][A-Za-z0-9]{2,8})*)\.)?((?i:srt|vtt|txt|json))$`)

// Match tells whether a file called name is a sidecar of the medium whose name
// without its extension is stem, and gives its language, "" if the name has
// none, and its extension in lower case, without the dot. Neither name has a
// folder.
func Match(name, stem string) (lang, ext string, ok bool) {
	after, ok := strings.CutPrefix(name, stem+".")
	m := rest.FindStringSubmatch(after)
	if !ok || m == nil {
		return "", "", false
	}
	return m[1], strings.ToLower(m[2]), true
}

// Stem is a path without its extension.
func Stem(path string) string { return strings.TrimSuffix(path, filepath.Ext(path)) }
