package shards

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"unicode/utf8"

	"micodata/storage"
)

// ExcludedFolder is the folder of a set that says what was taken out of it for good:
// a file a takedown, of the sha256 of each key or source id, in hex, a line each. It
// is heeded whenever the set is written again; hashes, so that a published set names
// nobody; a file each, so that two takedowns at once don't lose one.
const ExcludedFolder = "excluded"

// maxExcludedBytes bounds one takedown's file: 65 bytes a line.
const maxExcludedBytes = 1 << 30

// keyHash is the sha256 of a key or a source id.
type keyHash = [sha256.Size]byte

func hashKey(key string) keyHash { return sha256.Sum256([]byte(key)) }

// Exclusion is what was taken out of a set for good: hashes of keys and of source ids.
type Exclusion map[keyHash]bool

// Has tells whether a tuple was taken out, or its source.
func (e Exclusion) Has(t *Tuple) bool { return len(e.hits(t)) > 0 }

// hits are the hashes that take a tuple out: its key's, its source's.
func (e Exclusion) hits(t *Tuple) (hits []keyHash) {
	if len(e) == 0 {
		return nil
	}
	for _, h := range []keyHash{hashKey(t.Key), hashKey(t.SourceID)} {
		if e[h] {
			hits = append(hits, h)
		}
	}
	return hits
}

// maxKeyBytes bounds a line of a list of keys: no key is as long.
const maxKeyBytes = 64 << 10

// ReadKeys reads a list of keys and source ids, a line each, in UTF-8; lines that are
// empty or begin with # are none.
func ReadKeys(r io.Reader) (keys []string, err error) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxKeyBytes)
	n := 1
	for ; lines.Scan(); n++ {
		line := lines.Bytes()
		if n == 1 {
			line = bytes.TrimPrefix(line, []byte("\xef\xbb\xbf")) // as editors of Windows begin a file
		}
		if !utf8.Valid(line) || bytes.ContainsRune(line, 0) {
			return nil, fmt.Errorf("line %d is no text in UTF-8: a plain list of keys is wanted", n)
		}
		if key := strings.TrimSpace(string(line)); key != "" && !strings.HasPrefix(key, "#") {
			keys = append(keys, key)
		}
	}
	if errors.Is(lines.Err(), bufio.ErrTooLong) {
		return nil, fmt.Errorf("line %d is longer than %d bytes: a plain list of keys is wanted", n, maxKeyBytes)
	}
	return keys, lines.Err()
}

// ReadExcluded reads what was taken out of a set; nothing, if the set has no
// [ExcludedFolder]. The error is a [*storage.Error].
func ReadExcluded(ctx context.Context, s storage.Store) (Exclusion, error) {
	lists, err := excludedLists(ctx, s)
	if err != nil {
		return nil, err
	}
	return readLists(ctx, s, lists)
}

// excludedLists are the names of a set's takedowns.
func excludedLists(ctx context.Context, s storage.Store) (names []string, err error) {
	objects, err := s.List(ctx, ExcludedFolder+"/")
	for _, o := range objects {
		names = append(names, o.Name)
	}
	return names, err
}

func readLists(ctx context.Context, s storage.Store, lists []string) (Exclusion, error) {
	e := Exclusion{}
	for _, name := range lists {
		data, err := storage.ReadAll(ctx, s, name, maxExcludedBytes)
		if err != nil {
			return nil, err
		}
		for line := range strings.Lines(string(data)) {
			var h keyHash
			if n, err := hex.Decode(h[:], []byte(strings.TrimSpace(line))); err != nil || n != len(h) {
				return nil, &storage.Error{Op: "read", Path: s.Path(name), Err: fmt.Errorf("%q is no sha256", strings.TrimSpace(line))}
			}
			e[h] = true
		}
	}
	return e, nil
}

// takedown is what a run leaves out of a set.
type takedown struct {
	out   storage.Store
	lists []string // of the set, all that the run heeds
	all   Exclusion
	fresh []byte // the list that this run adds; none if it says nothing new
}

// openTakedown reads what a set leaves out, and adds keys to it. Nothing is
// written before save.
func openTakedown(ctx context.Context, out storage.Store, keys []string) (*takedown, error) {
	t := &takedown{out: out}
	var err error
	if t.lists, err = excludedLists(ctx, out); err != nil {
		return nil, err
	}
	if t.all, err = readLists(ctx, out, t.lists); err != nil {
		return nil, err
	}
	var lines []string
	for _, key := range keys {
		if h := hashKey(key); !t.all[h] {
			t.all[h] = true
			lines = append(lines, hex.EncodeToString(h[:])+"\n")
		}
	}
	slices.Sort(lines)
	t.fresh = []byte(strings.Join(lines, ""))
	return t, nil
}

// save notes the takedown in the set, before anything is rewritten: a run that is
// cut short must not bring back what was taken out.
func (t *takedown) save(ctx context.Context) error {
	if len(t.fresh) == 0 {
		return nil
	}
	sum := sha256.Sum256(t.fresh)
	name := fmt.Sprintf("%s/%x.txt", ExcludedFolder, sum[:8])
	if err := storage.WriteAll(ctx, t.out, name, storage.Exclusive, t.fresh); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	t.lists, t.fresh = append(t.lists, name), nil
	slices.Sort(t.lists)
	return nil
}

// holds is an error if another takedown was noted meanwhile.
func (t *takedown) holds(ctx context.Context) error {
	now, err := excludedLists(ctx, t.out)
	if err == nil && !slices.Equal(now, t.lists) {
		err = conflict(t.out, "more was taken out of the set meanwhile")
	}
	return err
}
