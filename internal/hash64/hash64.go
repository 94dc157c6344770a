// Package hash64 hashes keys of tuples and ids of sources to 8 bytes, for samples and
// for counting without the keys. What it gives never changes: samples depend on it.
package hash64

import (
	"hash/fnv"
	"io"
)

// Of is the hash of a key. It is evenly spread in its high bits too, by which samples
// are taken: keys of one source differ in their last digits alone, which FNV leaves in
// the low ones.
func Of(s string) uint64 {
	h := fnv.New64a()
	_, _ = io.WriteString(h, s) // a hash takes all
	x := h.Sum64()
	x = (x ^ x>>33) * 0xff51afd7ed558ccd // as MurmurHash3 ends
	x = (x ^ x>>33) * 0xc4ceb9fe1a85ec53
	return x ^ x>>33
}
