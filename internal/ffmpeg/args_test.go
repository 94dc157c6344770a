package ffmpeg

import (
	"encoding/binary"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Names that a shell, an option parser, a protocol or a pattern would take for
// something else.
func TestHostileNames(t *testing.T) {
	source, err := os.ReadFile(sample(t, "a.mp4"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	t.Chdir(dir) // so that a relative name begins with what it begins with
	for _, name := range []string{
		"-i.mp4", "-", "pipe:0", "concat:a|b", "subfile,,start,1,end,2,,:x.mp4", "http:x.mp4", "%d.mp4", "%03d.mp4",
		"a:b,c[0]=x.mp4", "it's \"quoted\" $(touch pwned);&|<>`.mp4", "back\\slash.mp4", "new\nline.mp4", " .mp4",
		"*?{a,b}.mp4", "grün.mp4", "\xff\xfe.mp4", "none", strings.Repeat("n", 250) + ".mp4",
	} {
		if err := os.WriteFile(name, source, 0o644); err == nil {
			probe, err := tools(t).Probe(t.Context(), name)
			if err != nil || probe.Title != "a title" {
				t.Errorf("%q: %q, %v", name, probe.Title, err)
			}
			continue
		}
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
	if _, err := os.Stat("pwned"); err == nil {
		t.Error("a shell ran")
	}
}

func TestFileURLRefuses(t *testing.T) {
	for _, path := range []string{"", "a\x00b"} {
		if url, err := FileURL(path); err == nil {
			t.Errorf("%q: %q", path, url)
		}
		if args, err := InputArgs(path); err == nil {
			t.Errorf("%q: %q", path, args)
		}
	}
}

// Files that ask for other files are refused, whatever their name, though what
// they ask for is there.
func TestPlaylistsRefused(t *testing.T) {
	target := sample(t, "target.mp4")
	url, err := FileURL(target)
	if err != nil {
		t.Fatal(err)
	}
	for kind, text := range map[string]string{
		"hls":    "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n" + url + "\n#EXT-X-ENDLIST\n",
		"concat": "ffconcat version 1.0\nfile '" + url + "'\n",
		"sdp":    "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n",
		"dash": `<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" profiles="urn:mpeg:dash:profile:isoff-on-demand:2011"><Period><AdaptationSet>` +
			`<Representation id="1" bandwidth="1"><BaseURL>` + url + `</BaseURL></Representation></AdaptationSet></Period></MPD>`,
	} {
		path := filepath.Join(t.TempDir(), "a.mp4")
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		_, err := tools(t).Probe(t.Context(), path)
		var exit *ExitError
		if !errors.As(err, &exit) || !strings.Contains(exit.Stderr, "["+kind+" @") ||
			!strings.Contains(exit.Stderr, "not on whitelist") {
			t.Errorf("%s: %v", kind, err)
		}
	}
}

// A name that is a pattern of numbered pictures does not open them.
func TestImagePatternRefused(t *testing.T) {
	dir := t.TempDir()
	run(t, "-f", "lavfi", "-i", "testsrc2=s=64x48", "-frames:v", "3", "file:"+dir+"/x%d.jpg")
	_, err := tools(t).Probe(t.Context(), filepath.Join(dir, "x%d.jpg"))
	var exit *ExitError
	if !errors.As(err, &exit) || !strings.Contains(exit.Stderr, "not on whitelist") {
		t.Errorf("err = %v", err)
	}
}

// The data reference of a QuickTime file to another file is not followed.
func TestExternalDataRefused(t *testing.T) {
	target := sample(t, "target.mp4")
	movie, err := os.ReadFile(target)
	if err != nil {
		t.Fatal(err)
	}
	// An alias as QuickTime has it: a volume, a file, and as its last field the
	// path, one level up from here and one down.
	alias := make([]byte, 150)
	binary.BigEndian.PutUint16(alias[130:], 1)
	binary.BigEndian.PutUint16(alias[132:], 1)
	const name = "folder/target.mp4"
	alias = binary.BigEndian.AppendUint16(alias, 2) // its type: an absolute path
	alias = binary.BigEndian.AppendUint16(alias, uint16(len(name)))
	alias = append(alias, name+"\x00"...)   // to an even length
	alias = append(alias, 0xff, 0xff, 0, 0) // the end

	hostile := filepath.Join(filepath.Dir(target), "a.mov")
	if err := os.WriteFile(hostile, withDataReference(t, movie, "alis", alias), 0o644); err != nil {
		t.Fatal(err)
	}
	input, err := InputArgs(hostile)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		before []string
		says   string
	}{
		{nil, "Skipped opening external track"},
		{[]string{"-enable_drefs", "1"}, "Opening 'file:" + target},
	} {
		out, err := exec.Command(tools(t).FFprobe, slices.Concat([]string{"-v", "verbose"}, c.before, input)...).CombinedOutput()
		if !strings.Contains(string(out), c.says) {
			t.Errorf("%v: %v\n%s", c.before, err, out)
		}
	}
}

// withDataReference puts a data reference in place of the first track's own,
// "in this file", and makes all boxes around it longer.
func withDataReference(t *testing.T, movie []byte, kind string, body []byte) []byte {
	t.Helper()
	entry := append([]byte(kind), 0, 0, 0, 0) // version and flags
	entry = append(entry, body...)
	entry = append(binary.BigEndian.AppendUint32(nil, uint32(len(entry)+4)), entry...)
	const self = "\x00\x00\x00\x0curl \x00\x00\x00\x01"
	at := strings.Index(string(movie), self)
	if at < 0 {
		t.Fatal("no data reference")
	}
	out := slices.Concat(movie[:at], entry, movie[at+len(self):])
	for _, box := range []string{"moov", "trak", "mdia", "minf", "dinf", "dref"} {
		i := strings.Index(string(movie), box) - 4
		size := binary.BigEndian.Uint32(movie[i:])
		binary.BigEndian.PutUint32(out[i:], size+uint32(len(entry)-len(self)))
	}
	return out
}
