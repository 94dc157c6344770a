package shards

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"micodata/dataset"
	"micodata/internal/s3test"
	"micodata/internal/table"
	"micodata/shards/testset"
	"micodata/storage"
)

// Every blob of a set comes as it is in its shard; what is not there, or damaged, is
// said.
func TestGet(t *testing.T) {
	env := newEnv(t, testset.PartsWithFrames(t))
	env.RowGroupBytes = 400 << 10
	write(t, env)
	rows, _ := tuples(t, env.Out)
	for _, x := range rows {
		want := map[string]table.Blob{"image": x.Image, "video": x.Video, "audio": x.Audio, "depth": x.Depth, "normal": x.Normal,
			"frames.0.image": x.Frames[0].Image, "frames.7.depth": x.Frames[7].Depth}
		for column, b := range want {
			got, err := Get(t.Context(), env.Out, x.Key, column)
			var none *NoBlobError
			if b.Bytes == nil && !errors.As(err, &none) || b.Bytes != nil && (err != nil || !bytes.Equal(got, b.Bytes)) {
				t.Errorf("%s of %s: %d bytes, want %d: %v", column, x.Key, len(got), len(b.Bytes), err)
			}
		}
	}
	for _, key := range []string{"", "a", "a.00001", "zz.00000"} {
		var none *NoBlobError
		if _, err := Get(t.Context(), env.Out, key, "video"); !errors.As(err, &none) {
			t.Errorf("%q: %v", key, err)
		}
	}
	// A damaged index is an error of the storage, which names it.
	data, err := storage.ReadAll(t.Context(), env.Out, IndexName, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	data[50] ^= 1 // in the first page, which is of keys
	if err := storage.WriteAll(t.Context(), env.Out, IndexName, storage.Replace, data); err != nil {
		t.Fatal(err)
	}
	var failed *storage.Error
	if _, err := Get(t.Context(), env.Out, "a.00000", "video"); !errors.As(err, &failed) || !strings.Contains(err.Error(), IndexName) {
		t.Errorf("err = %v", err)
	}
}

// What finding a tuple in a large index costs: a request for the footer, one for the
// keys of each row group that can have the tuple's, and a few for its place.
func TestGetAsksForLittle(t *testing.T) {
	server := s3test.Start(t)
	const rows = 8 << 10
	for name, order := range map[string]func([]string){
		"sorted": slices.Sort[[]string],
		"shuffled": func(keys []string) {
			rand.New(rand.NewPCG(1, 0)).Shuffle(rows, func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
		},
	} {
		set, err := storage.New(t.Context(), "s3://"+s3test.Bucket+"/"+name)
		if err != nil {
			t.Fatal(err)
		}
		keys := make([]string, rows)
		for i := range keys {
			keys[i] = dataset.Key(fmt.Sprintf("id%07d", i), 0)
		}
		order(keys)
		const groups = 18
		writeLargeIndex(t, set, keys, groups)
		if err := (&Manifest{SchemaVersion: dataset.SchemaVersion}).save(t.Context(), set); err != nil {
			t.Fatal(err)
		}
		for _, i := range []int{0, rows / 2, rows - 1} {
			before := len(server.Requests(t, "GetObject", name+"/"+IndexName))
			var none *NoBlobError
			if _, err := Get(t.Context(), set, keys[i], "audio"); !errors.As(err, &none) || !strings.Contains(err.Error(), "is null") {
				t.Fatalf("err = %v", err)
			}
			asked, most := len(server.Requests(t, "GetObject", name+"/"+IndexName))-before, 1+1+3
			if name == "shuffled" {
				most += groups * i / rows
			}
			if asked > most {
				t.Errorf("%s: row %d of %d in %d row groups took %d requests, want %d at most", name, i, rows, groups, asked, most)
			}
		}
	}
}

// writeLargeIndex writes an index of so many row groups that stand farther apart than
// what is read ahead.
func writeLargeIndex(t *testing.T, set storage.Store, keys []string, groups int) {
	t.Helper()
	object, err := set.Create(t.Context(), IndexName, storage.Replace)
	if err != nil {
		t.Fatal(err)
	}
	defer object.Abort()
	noise := rand.NewChaCha8([32]byte{1})
	var rows []*IndexRow
	for _, key := range keys {
		title := make([]byte, 700)
		_, _ = noise.Read(title) // never fails
		rows = append(rows, &IndexRow{Tuple: Tuple{Key: key, Title: string(title)}})
	}
	bytes := IndexSchema.RowBytes(rows[0]) * int64(len(rows)/groups+1)
	w := IndexSchema.NewWriter(object, table.WriterOptions{RowGroupBytes: bytes})
	for _, x := range rows {
		if err := w.Write(x); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), object.Commit(t.Context())); err != nil {
		t.Fatal(err)
	}
}
