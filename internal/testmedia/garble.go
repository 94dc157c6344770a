package testmedia

import (
	"encoding/binary"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// Garble returns the path of a copy of a file in which the packets of a stream
// ("v:0" or "a:0") that are shown at from <= time < until, in seconds from the
// start of the container, have noise in the place of their second half. They stay
// where and as long as they were, so that the container is whole. It takes .mp4
// and .ts.
func Garble(t testing.TB, path, stream string, from, until float64) string {
	t.Helper()
	media, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("testmedia: %v", err)
	}
	out, err := exec.CommandContext(t.Context(), "ffprobe", "-v", "error", "-select_streams", stream,
		"-show_entries", "packet=pts_time,size,pos", "-of", "csv=p=0", "file:"+path).Output()
	if err != nil {
		t.Fatalf("testmedia: ffprobe %s: %v", path, err)
	}
	start, garbled := startTime(t, path), 0
	for line := range strings.Lines(string(out)) {
		f := strings.Split(strings.TrimSpace(line), ",")
		at, err := strconv.ParseFloat(f[0], 64)
		if err != nil || at-start < from-1e-6 || at-start >= until-1e-6 {
			continue
		}
		size, _ := strconv.Atoi(f[1])
		pos, err := strconv.Atoi(f[2])
		if err != nil {
			t.Fatalf("testmedia: ffprobe %s: %q", path, line)
		}
		garbled++
		for _, i := range places(media, pos, size, filepath.Ext(path) == ".ts")[size/2:] {
			media[i] = byte(rand.New(rand.NewPCG(uint64(i), 7)).Uint32())
		}
	}
	if garbled == 0 {
		t.Fatalf("testmedia: no packet of %s is in [%g, %g)", path, from, until)
	}
	return written(t, "garbled"+filepath.Ext(path), media)
}

// places lists where the bytes of a packet stand in a file. Those of a transport
// stream are in the payloads of its 188-byte packets of one number (ISO/IEC
// 13818-1 2.4.3), the first of them after the header of a PES packet.
func places(media []byte, pos, size int, isTransport bool) []int {
	var at []int
	if !isTransport {
		for i := range size {
			at = append(at, pos+i)
		}
		return at
	}
	const length = 188
	number := func(p int) uint16 { return binary.BigEndian.Uint16(media[p+1:]) & 0x1fff }
	for p := pos; len(at) < size; p += length {
		if number(p) != number(pos) {
			continue
		}
		payload := p + 4
		if media[p+3]&0x20 != 0 { // an adaptation field comes first
			payload += 1 + int(media[p+4])
		}
		if p == pos {
			payload += 9 + int(media[payload+8])
		}
		for i := payload; i < p+length && len(at) < size; i++ {
			at = append(at, i)
		}
	}
	return at
}
