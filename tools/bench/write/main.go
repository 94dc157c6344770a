// Command write writes a shard of made-up tuples, of the sizes that clips at 360
// lines have, and prints what it took: for a comparison with other writers.
//
//	write [-rows 1000] [-row-group 134217728] LOCATION
package main

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"syscall"
	"time"

	"micodata/dataset"
	"micodata/internal/table"
	"micodata/shards"
	"micodata/storage"
)

// Bytes of a tuple's blobs: key frame, clip, sound, depth, normals.
var sizes = [5]int{32 << 10, 567 << 10, 328 << 10, 154 << 10, 197 << 10}

func main() {
	rows := flag.Int("rows", 1000, "tuples")
	group := flag.Int64("row-group", 128<<20, "most bytes of a row group")
	flag.Parse()
	if flag.NArg() != 1 {
		flag.Usage()
		os.Exit(2)
	}
	if err := run(context.Background(), *rows, *group, flag.Arg(0)); err != nil {
		fmt.Fprintln(os.Stderr, "write:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, rows int, group int64, location string) error {
	store, err := storage.New(ctx, location)
	if err != nil {
		return err
	}
	noise := make([]byte, 16<<20)
	chance := rand.NewChaCha8([32]byte{1})
	_, _ = chance.Read(noise) // never fails
	at := 0
	blob := func(size int, name string) table.Blob {
		at = (at + 4099) % (len(noise) - size)
		// A copy: what is written comes from elsewhere each time.
		return table.Blob{Bytes: append([]byte(nil), noise[at:at+size]...), Path: name}
	}
	begin := time.Now()
	object, err := store.Create(ctx, "bench.parquet", storage.Replace)
	if err != nil {
		return err
	}
	defer object.Abort()
	w := shards.NewTupleSchema(16000).NewWriter(object, table.WriterOptions{RowGroupBytes: group})
	for i := range rows {
		key := dataset.Key("source", i)
		t := &shards.Tuple{Key: key, ClipID: key, SourceID: "source", Start: float64(i), End: float64(i + 5), Duration: 5, Text: "what is said in it",
			Image: blob(sizes[0], key+".jpg"), Video: blob(sizes[1], key+".mp4"), Audio: blob(sizes[2], key+".flac"),
			Depth: blob(sizes[3], key+".depth.png"), Normal: blob(sizes[4], key+".normal.png"), Width: 640, Height: 360, FPS: 25, FrameCount: 125}
		if err := w.Write(t); err != nil {
			return err
		}
	}
	if err := w.Close(); err != nil {
		return err
	}
	if err := object.Commit(ctx); err != nil {
		return err
	}
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return err
	}
	bytes, took := float64(w.FileBytes())/1e6, time.Since(begin).Seconds()
	cpu := time.Duration(u.Utime.Nano() + u.Stime.Nano()).Seconds()
	fmt.Fprintf(os.Stdout, "| micodata | %.0f | %.0f | %.2f | %.0f | %.1f |\n", bytes, bytes/took, cpu, float64(u.Maxrss)/1e3, float64(u.Maxrss)*1024/float64(group))
	return nil
}
