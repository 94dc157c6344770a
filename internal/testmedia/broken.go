package testmedia

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"testing"
)

// brokenFiles are files that were media once.
func brokenFiles() []recipe {
	damaged := func(c Case) Case { c.WantClass, c.Partial = "corrupt", true; return c }
	return []recipe{
		{Case: damaged(usual("truncated_moov_first", "the first 60 % of plain: the index promises what is not there").last(0, usualSeconds)),
			ext: ".mp4", content: edited("plain", truncate)},
		{Case: Case{Name: "truncated_no_moov", Note: "the first 60 % of plain_moov_last: no index at all", WantClass: "corrupt"},
			ext: ".mp4", content: edited("plain_moov_last", truncate)},
		{Case: damaged(usual("corrupt_middle", "plain with a tenth of the file overwritten, in the middle of the media data").last(0, usualSeconds)),
			ext: ".mp4", content: edited("plain", garble)},
		{Case: silent("unknown_codec", "H.264 under a four-character code that nobody knows").fails("unsupported_codec").last(0, usualSeconds),
			ext: ".mp4", content: edited("no_audio", func(b []byte) []byte { return bytes.ReplaceAll(b, []byte("avc1"), []byte("zzq1")) })},
	}
}

func truncate(b []byte) []byte { return b[:len(b)*6/10] }

// garble overwrites the tenth of the file that begins in its middle.
func garble(b []byte) []byte {
	copy(b[len(b)/2:], noise(len(b)/10))
	return b
}

// noise returns n bytes, the same each time.
func noise(n int) []byte {
	r := rand.New(rand.NewPCG(1, 2))
	var b []byte
	for len(b) < n {
		b = binary.LittleEndian.AppendUint64(b, r.Uint64())
	}
	return b[:n]
}

// fixed returns content for a recipe that needs no other file.
func fixed(content []byte) func(t testing.TB) []byte {
	return func(testing.TB) []byte { return content }
}
