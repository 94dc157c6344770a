package dataset

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
)

// maxIDBytes keeps "<id>.00000.mp4" within the 255 bytes of a file name.
const maxIDBytes = 200

// SafeID makes an id from a list fit for file names and keys. Letters, digits,
// "-", "_" and inner "." stay, any other byte becomes %XX (upper-case hex); an
// id that is too long keeps its start and ends in a hash of the whole. Distinct
// ids stay distinct.
func SafeID(id string) string {
	var b strings.Builder
	for i := 0; i < len(id); i++ {
		c := id[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-' && i > 0, c == '_', c == '.' && i > 0:
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	s := b.String()
	if len(s) > maxIDBytes {
		sum := sha256.Sum256([]byte(id))
		// "%%" occurs in no escaped id, so that a shortened one equals no other.
		s = s[:maxIDBytes-18] + "%%" + hex.EncodeToString(sum[:8])
	}
	return s
}

// IDFromHash is the id of a source that has none in its list: the first 16 hex
// digits of its media's sha256, or of its URI's where nothing was fetched.
func IDFromHash(sha256Hex string) string { return sha256Hex[:16] }

// IDFromURI is the id of a source that has none and was not fetched.
func IDFromURI(uri string) string {
	sum := sha256.Sum256([]byte(uri))
	return IDFromHash(hex.EncodeToString(sum[:]))
}

// Key names clip n of a source: "<source_id>.<n, 5 digits>".
func Key(sourceID string, n int) string { return fmt.Sprintf("%s.%05d", sourceID, n) }

// SplitKey is the inverse of [Key].
func SplitKey(key string) (sourceID string, n int, err error) {
	i := strings.LastIndexByte(key, '.')
	if i <= 0 || len(key)-i-1 < 5 {
		return "", 0, fmt.Errorf("%q is not a key: want <source_id>.<clip number, 5 digits>", key)
	}
	n, err = strconv.Atoi(key[i+1:])
	if err != nil || n < 0 || Key(key[:i], n) != key {
		return "", 0, fmt.Errorf("%q is not a key: want <source_id>.<clip number, 5 digits>", key)
	}
	return key[:i], n, nil
}
