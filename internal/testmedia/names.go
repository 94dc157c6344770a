package testmedia

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// HostileNames lists file names that are legal on Linux and break programs
// that build command lines, filter graphs, patterns or URLs out of them.
func HostileNames() []string {
	return []string{
		"Grüße 日本語 🎬 e\u0301.mp4",           // composed, wide, astral, combining
		"it's a \"quoted\" `name`.mp4",      // quotes of every kind
		"$(touch pwned);&|<>.mp4",           // shell
		"-i.mp4",                            // looks like an option
		"%d %03d %s.mp4",                    // image2 and printf patterns
		"a:b,c[0]=x;d.mp4",                  // filter graph syntax, "protocol:"
		"http:example.mp4",                  // a protocol that ffmpeg knows
		`back\slash\.mp4`,                   // an escape, in filters and concat lists
		"new\nline.mp4",                     // breaks line-based lists
		"space before dot .mp4",             //
		"*?{a,b}[c].mp4",                    // globs
		".hidden.mp4",                       //
		strings.Repeat("n", 246) + ".mp4",   // 250 bytes of the 255 that ext4 allows
		strings.Repeat("字", 82) + ".mp4",    // the same in bytes, 86 characters
		"not utf-8 \xff\xfe.mp4",            // Latin-1 archives unpacked on Linux
		"#fragment?query=1&x=%2e%2e%2f.mp4", // URL syntax
	}
}

// Named copies the case plain under the given file name into a new folder and
// returns its path.
func Named(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile(File(t, "plain"))
	if err != nil {
		t.Fatalf("testmedia: %v", err)
	}
	return Blob(t, name, b)
}

// Blob writes b under the given file name into a new folder and returns its
// path, for tools that read nothing but files.
func Blob(t testing.TB, name string, b []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatalf("testmedia: %v", err)
	}
	return path
}
