package shards

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"micodata/storage"
)

// ExcludedName is the file of a set that says what was taken out of it for good: the
// sha256 of each key or source id, in hex, a line each. It is heeded whenever the
// set is written again; hashes, so that a published set names nobody.
const ExcludedName = "excluded.txt"

// maxExcludedBytes bounds the list: 65 bytes a line.
const maxExcludedBytes = 1 << 30

// exclusion is a set of hashed keys and source ids.
type exclusion map[[sha256.Size]byte]bool

func (e exclusion) has(t *Tuple) bool {
	return len(e) > 0 && (e[sha256.Sum256([]byte(t.Key))] || e[sha256.Sum256([]byte(t.SourceID))])
}

// ReadKeys reads a list of keys and source ids, a line each; lines that are empty or
// begin with # are none.
func ReadKeys(r io.Reader) (keys []string, err error) {
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		if key := strings.TrimSpace(lines.Text()); key != "" && !strings.HasPrefix(key, "#") {
			keys = append(keys, key)
		}
	}
	return keys, lines.Err()
}

// readExcluded is what was taken out of a set before.
func readExcluded(ctx context.Context, s storage.Store) (exclusion, error) {
	data, err := storage.ReadAll(ctx, s, ExcludedName, maxExcludedBytes)
	if errors.Is(err, fs.ErrNotExist) {
		return exclusion{}, nil
	}
	if err != nil {
		return nil, err
	}
	e := exclusion{}
	for line := range strings.Lines(string(data)) {
		var sum [sha256.Size]byte
		if n, err := hex.Decode(sum[:], []byte(strings.TrimSpace(line))); err != nil || n != len(sum) {
			return nil, &storage.Error{Op: "read", Path: s.Path(ExcludedName), Err: fmt.Errorf("%q is no sha256", strings.TrimSpace(line))}
		}
		e[sum] = true
	}
	return e, nil
}

// exclude adds keys to what a set leaves out and notes that in the set, before
// anything is rewritten: a run that is cut short must not bring them back.
func exclude(ctx context.Context, s storage.Store, keys []string) (exclusion, error) {
	e, err := readExcluded(ctx, s)
	if err != nil {
		return nil, err
	}
	before := len(e)
	for _, key := range keys {
		e[sha256.Sum256([]byte(key))] = true
	}
	if len(e) == before {
		return e, nil
	}
	var lines []string
	for sum := range maps.Keys(e) {
		lines = append(lines, hex.EncodeToString(sum[:])+"\n")
	}
	slices.Sort(lines)
	return e, storage.WriteAll(ctx, s, ExcludedName, storage.Replace, []byte(strings.Join(lines, "")))
}
