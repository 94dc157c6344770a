package ingest

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash"
	"math"

	"micodata/dataset"
)

// Item is one source to ingest, as a list names it.
type Item struct {
	ID  string // as the list gives it, "" if it gives none
	URI string // an http(s) URL, or the absolute path of a local file
	// Title and License are the list's; Texts its captions of the whole source.
	Title, License string
	Texts          []dataset.Text
	// Spans are the list's clips. nil: the list says nothing of clips, and the
	// source is cut by content. Empty: the list names none, and nothing is cut.
	Spans []dataset.Span
	// Err is what is wrong with the row itself, a [*dataset.ItemError]: the item
	// becomes a failed row without anything being fetched.
	Err error
	// Trusted items came from the command line or a list named there, and may
	// be local files.
	Trusted bool
}

// ListHash is a hash of all that the items say, so that a later run can tell
// that a part was made from another list.
func ListHash(items []Item) string {
	h := sha256.New()
	for _, it := range items {
		putStrings(h, it.ID, it.URI, it.Title, it.License)
		putInt(h, len(it.Texts))
		for _, t := range it.Texts {
			putStrings(h, t.Text, t.Kind, t.Lang)
		}
		clips := len(it.Spans)
		if it.Spans == nil {
			clips = -1 // another thing than a list of none
		}
		putInt(h, clips)
		for _, s := range it.Spans {
			putStrings(h, s.ClipID, s.Text, s.Error)
			putUint(h, math.Float64bits(s.Start))
			putUint(h, math.Float64bits(s.End))
		}
		msg := ""
		if it.Err != nil {
			msg = it.Err.Error()
		}
		putStrings(h, msg)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// putStrings writes lengths before contents, so that no two lists of strings
// write the same bytes.
func putStrings(h hash.Hash, ss ...string) {
	for _, s := range ss {
		putInt(h, len(s))
		h.Write([]byte(s)) // a hash never fails to write
	}
}

func putInt(h hash.Hash, n int) { putUint(h, uint64(n)) }

func putUint(h hash.Hash, n uint64) {
	h.Write(binary.LittleEndian.AppendUint64(nil, n))
}
