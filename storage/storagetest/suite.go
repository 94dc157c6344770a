// Package storagetest holds the behaviour that every store must show, and a
// store that fails on demand.
package storagetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync"
	"testing"

	"micodata/storage"
)

// Run checks a store made by open, which returns an empty one each time.
func Run(t *testing.T, open func(t *testing.T) storage.Store) {
	for name, check := range map[string]func(*testing.T, storage.Store){
		"committed objects are whole":           checkRoundTrip,
		"nothing is visible before commit":      checkInvisible,
		"abort leaves nothing":                  checkAbort,
		"exclusive commits have one winner":     checkOneWinner,
		"replace puts the new in place":         checkReplace,
		"list is sorted and by prefix":          checkList,
		"missing objects are fs.ErrNotExist":    checkMissing,
		"names cannot leave the store":          checkNames,
		"sweep spares living writers":           checkSweep,
		"a cancelled commit publishes nothing":  checkCancel,
		"objects are read at any offset":        checkReadAt,
		"ranges are read whole":                 checkReadRange,
		"delete removes and forgives a missing": checkDelete,
	} {
		t.Run(name, func(t *testing.T) { check(t, open(t)) })
	}
}

func put(t *testing.T, s storage.Store, name string, data []byte) {
	t.Helper()
	if err := storage.WriteAll(context.Background(), s, name, storage.Exclusive, data); err != nil {
		t.Fatal(err)
	}
}

func get(t *testing.T, s storage.Store, name string) []byte {
	t.Helper()
	data, err := storage.ReadAll(context.Background(), s, name, 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func names(t *testing.T, s storage.Store, prefix string) string {
	t.Helper()
	infos, err := s.List(context.Background(), prefix)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, i := range infos {
		info, err := s.Stat(context.Background(), i.Name)
		if err != nil {
			t.Fatal(err)
		}
		if info != i {
			t.Errorf("List says %+v, Stat %+v", i, info)
		}
		out = append(out, fmt.Sprintf("%s:%d", i.Name, i.Size))
	}
	return fmt.Sprint(out)
}

func checkRoundTrip(t *testing.T, s storage.Store) {
	for _, size := range []int{0, 1, 1 << 20} {
		name := fmt.Sprintf("a/b/%d", size)
		want := bytes.Repeat([]byte{7, 1, 3}, size)[:size]
		put(t, s, name, want)
		if !bytes.Equal(get(t, s, name), want) {
			t.Errorf("%s came back otherwise", name)
		}
		if info, err := s.Stat(context.Background(), name); err != nil || info.Size != int64(size) || info.Name != name {
			t.Errorf("Stat = %+v, %v", info, err)
		}
	}
}

func checkInvisible(t *testing.T, s storage.Store) {
	ctx := context.Background()
	w, err := s.Create(ctx, "x", storage.Exclusive)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte("half")); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Open(ctx, "x"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Open before commit: %v", err)
	}
	if got := names(t, s, ""); got != "[]" {
		t.Errorf("List before commit: %s", got)
	}
	if err := w.Commit(ctx); err != nil {
		t.Fatal(err)
	}
	if got := names(t, s, ""); got != "[x:4]" {
		t.Errorf("List after commit: %s", got)
	}
	if err := w.Abort(); err != nil {
		t.Errorf("Abort after commit: %v", err)
	}
	if string(get(t, s, "x")) != "half" {
		t.Error("Abort after commit took the object away")
	}
}

func checkAbort(t *testing.T, s storage.Store) {
	ctx := context.Background()
	w, err := s.Create(ctx, "x", storage.Exclusive)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte("half")); err != nil {
		t.Fatal(err)
	}
	if err := w.Abort(); err != nil {
		t.Fatal(err)
	}
	if err := w.Commit(ctx); err == nil {
		t.Error("commit after abort succeeded")
	}
	if got := names(t, s, ""); got != "[]" {
		t.Errorf("after abort: %s", got)
	}
}

func checkOneWinner(t *testing.T, s storage.Store) {
	ctx := context.Background()
	const writers = 8
	errs := make([]error, writers)
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() {
			errs[i] = storage.WriteAll(ctx, s, "x", storage.Exclusive, fmt.Appendf(nil, "writer %d", i))
		})
	}
	wg.Wait()
	winner := -1
	for i, err := range errs {
		switch {
		case err == nil && winner >= 0:
			t.Errorf("writers %d and %d both won", winner, i)
		case err == nil:
			winner = i
		case !errors.Is(err, fs.ErrExist):
			t.Errorf("loser %d got %v, want fs.ErrExist", i, err)
		}
	}
	if winner < 0 {
		t.Fatal("nobody won")
	}
	if got := string(get(t, s, "x")); got != fmt.Sprintf("writer %d", winner) {
		t.Errorf("the object is %q, the winner was %d", got, winner)
	}
	if got := names(t, s, ""); got != "[x:8]" {
		t.Errorf("losers left something: %s", got)
	}
}

func checkReplace(t *testing.T, s storage.Store) {
	put(t, s, "x", []byte("old"))
	if err := storage.WriteAll(context.Background(), s, "x", storage.Replace, []byte("newer")); err != nil {
		t.Fatal(err)
	}
	if got := string(get(t, s, "x")); got != "newer" {
		t.Errorf("got %q", got)
	}
}

func checkList(t *testing.T, s storage.Store) {
	for _, name := range []string{"b/2", "b/10", "a", "b1", "b/c/3"} {
		put(t, s, name, []byte(name))
	}
	for prefix, want := range map[string]string{
		"":     "[a:1 b/10:4 b/2:3 b/c/3:5 b1:2]",
		"b":    "[b/10:4 b/2:3 b/c/3:5 b1:2]",
		"b/":   "[b/10:4 b/2:3 b/c/3:5]",
		"b/1":  "[b/10:4]",
		"none": "[]",
		"no/n": "[]",
	} {
		if got := names(t, s, prefix); got != want {
			t.Errorf("List(%q) = %s, want %s", prefix, got, want)
		}
	}
}

func checkMissing(t *testing.T, s storage.Store) {
	ctx := context.Background()
	_, err := s.Open(ctx, "no/such")
	_, err2 := s.Stat(ctx, "no/such")
	for _, err := range []error{err, err2} {
		var se *storage.Error
		if !errors.Is(err, fs.ErrNotExist) || !errors.As(err, &se) {
			t.Errorf("got %v, want a *storage.Error of fs.ErrNotExist", err)
		}
	}
}

func checkNames(t *testing.T, s storage.Store) {
	ctx := context.Background()
	for _, name := range []string{"", ".", "..", "../x", "a/../../x", "/etc/passwd", "a//b", "a/", "a\x00b", `a\b`, "a/.x.ABCDEFGH23.tmp"} {
		if w, err := s.Create(ctx, name, storage.Exclusive); err == nil {
			w.Abort()
			t.Errorf("Create(%q) succeeded", name)
		}
		if o, err := s.Open(ctx, name); err == nil {
			o.Close()
			t.Errorf("Open(%q) succeeded", name)
		}
		if err := s.Delete(ctx, name); err == nil {
			t.Errorf("Delete(%q) succeeded", name)
		}
	}
}

func checkSweep(t *testing.T, s storage.Store) {
	ctx := context.Background()
	put(t, s, "done", []byte("done"))
	w, err := s.Create(ctx, "living", storage.Exclusive)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Sweep(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte("lives")); err != nil {
		t.Fatal(err)
	}
	if err := w.Commit(ctx); err != nil {
		t.Fatalf("a swept writer: %v", err)
	}
	if got := names(t, s, ""); got != "[done:4 living:5]" {
		t.Errorf("after sweep: %s", got)
	}
}

func checkCancel(t *testing.T, s storage.Store) {
	ctx, cancel := context.WithCancel(context.Background())
	w, err := s.Create(ctx, "x", storage.Exclusive)
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := w.Commit(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("commit: %v", err)
	}
	if got := names(t, s, ""); got != "[]" {
		t.Errorf("after a cancelled commit: %s", got)
	}
}

func checkReadAt(t *testing.T, s storage.Store) {
	put(t, s, "x", []byte("0123456789"))
	o, err := s.Open(context.Background(), "x")
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	buf := make([]byte, 3)
	if _, err := o.ReadAt(buf, 4); err != nil || string(buf) != "456" {
		t.Errorf("ReadAt(4) = %q, %v", buf, err)
	}
	if n, err := o.ReadAt(buf, 8); n != 2 || !errors.Is(err, io.EOF) {
		t.Errorf("ReadAt(8) = %d, %v", n, err)
	}
	if pos, err := o.Seek(-2, io.SeekEnd); pos != 8 || err != nil {
		t.Errorf("Seek = %d, %v", pos, err)
	}
	if rest, err := io.ReadAll(o); string(rest) != "89" || err != nil {
		t.Errorf("after Seek: %q, %v", rest, err)
	}
}

func checkReadRange(t *testing.T, s storage.Store) {
	ctx := context.Background()
	put(t, s, "x", []byte("0123456789"))
	if got, err := s.ReadRange(ctx, "x", 4, 3); err != nil || string(got) != "456" {
		t.Errorf("ReadRange(4, 3) = %q, %v", got, err)
	}
	if got, err := s.ReadRange(ctx, "x", 4, 0); err != nil || len(got) > 0 {
		t.Errorf("ReadRange(4, 0) = %q, %v", got, err)
	}
	var own *storage.Error
	for _, off := range []int64{8, 20} {
		if got, err := s.ReadRange(ctx, "x", off, 3); !errors.As(err, &own) || got != nil {
			t.Errorf("ReadRange(%d, 3) = %q, %v, want an error", off, got, err)
		}
	}
	if _, err := s.ReadRange(ctx, "no/such", 0, 3); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("of a missing object: %v", err)
	}
}

func checkDelete(t *testing.T, s storage.Store) {
	put(t, s, "a/x", []byte("1"))
	for range 2 {
		if err := s.Delete(context.Background(), "a/x"); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Delete(context.Background(), "never/there/x"); err != nil {
		t.Errorf("in a folder that was never there: %v", err)
	}
	if got := names(t, s, ""); got != "[]" {
		t.Errorf("after delete: %s", got)
	}
}
