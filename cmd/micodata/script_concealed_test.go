package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"micodata/internal/testmedia"
	"micodata/shards"
	"micodata/storage"
)

// garble NAME STREAM FROM UNTIL FILE puts a file of the test catalogue into the
// script's folder, with a stream's packets of that time garbled.
func scriptGarble(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 5 {
		ts.Fatalf("usage: garble NAME STREAM FROM UNTIL FILE")
	}
	from, err := strconv.ParseFloat(args[2], 64)
	ts.Check(err)
	until, err := strconv.ParseFloat(args[3], 64)
	ts.Check(err)
	t := ts.Value("t").(*testing.T)
	data, err := os.ReadFile(testmedia.Garble(t, testmedia.File(t, args[0]), args[1], from, until))
	ts.Check(err)
	dst := ts.MkAbs(args[4])
	ts.Check(os.MkdirAll(filepath.Dir(dst), 0o777))
	ts.Check(os.WriteFile(dst, data, 0o666))
}

// says SET WORDS CLIP... asserts that the status of those tuples, by their
// clip_id, and of no others has the words.
func scriptSays(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: says SET WORDS CLIP...")
	}
	s, err := storage.NewLocal(ts.MkAbs(args[0]))
	ts.Check(err)
	var got []string
	ts.Check(shards.ReadIndex(context.Background(), s, func(r *shards.IndexRow) error {
		for _, e := range r.Status {
			if strings.Contains(fmt.Sprint(e), args[1]) {
				got = append(got, r.ClipID)
			}
		}
		return nil
	}))
	if fmt.Sprint(got) != fmt.Sprint(args[2:]) {
		ts.Fatalf("%q is said of %v, want %v", args[1], got, args[2:])
	}
}
