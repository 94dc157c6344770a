package testset

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"micodata/internal/table"
	"micodata/storage"
)

// Local is an empty store in a temporary folder.
func Local(t testing.TB) *storage.Local {
	t.Helper()
	s, err := storage.NewLocal(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Files reads all objects of a store, by their names.
func Files(t testing.TB, s storage.Store) map[string][]byte {
	t.Helper()
	objects, err := s.List(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]byte{}
	for _, o := range objects {
		data, err := storage.ReadAll(t.Context(), s, o.Name, 1<<30)
		if err != nil {
			t.Fatal(err)
		}
		out[o.Name] = data
	}
	return out
}

// ReadTable reads all rows of an object.
func ReadTable[R any](t testing.TB, s storage.Store, schema *table.Schema[R], name string) (rows []*R) {
	t.Helper()
	o, err := s.Open(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	r, err := schema.NewReader(o, table.ReaderOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for {
		x, err := r.Next()
		if err == io.EOF {
			return rows
		}
		if err != nil {
			t.Fatal(err)
		}
		rows = append(rows, x)
	}
}

// Unreadable is a store that is overloaded: objects whose names begin with Prefix open,
// and reading them is [ErrSlowDown].
type Unreadable struct {
	storage.Store
	Prefix string
}

// ErrSlowDown is what [Unreadable] fails with.
var ErrSlowDown = &storage.Error{Op: "read", Path: "set", Err: errors.New("SlowDown")}

// Open implements [storage.Store].
func (u Unreadable) Open(ctx context.Context, name string) (storage.Object, error) {
	o, err := u.Store.Open(ctx, name)
	if err == nil && strings.HasPrefix(name, u.Prefix) {
		o = unreadableObject{o}
	}
	return o, err
}

type unreadableObject struct{ storage.Object }

func (unreadableObject) ReadAt([]byte, int64) (int, error) { return 0, ErrSlowDown }
func (unreadableObject) Read([]byte) (int, error)          { return 0, ErrSlowDown }
