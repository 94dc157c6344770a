// Command write writes a shard of made-up tuples with every column filled, of the
// sizes that clips at 360 lines have. What writing took, the making of the rows left
// out, it prints as JSON: bytes; wall and cpu, in seconds; peak, resident bytes.
//
//	write [-rows 350] [-row-group 134217728] LOCATION
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime/debug"
	"syscall"
	"time"

	"micodata/dataset"
	"micodata/internal/table"
	"micodata/shards"
	"micodata/storage"
)

// Bytes of a tuple's blobs.
const (
	imageBytes  = 64 << 10
	videoBytes  = 567 << 10
	audioBytes  = 328 << 10
	depthBytes  = 154 << 10
	normalBytes = 197 << 10
	frameBytes  = 24 << 10
)

func main() {
	rows := flag.Int("rows", 350, "tuples")
	group := flag.Int64("row-group", 128<<20, "most bytes of a row group")
	flag.Parse()
	if flag.NArg() != 1 {
		flag.Usage()
		os.Exit(2)
	}
	debug.SetGCPercent(50) // as micodata itself
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
	var took cost
	var object storage.Writer
	if err := took.add(func() error {
		object, err = store.Create(ctx, "shard.parquet", storage.Replace)
		return err
	}); err != nil {
		return err
	}
	defer object.Abort()
	m := newMaker()
	w := shards.NewTupleSchema(16000).NewWriter(object, table.WriterOptions{RowGroupBytes: group})
	for i := range rows {
		t := m.tuple(i)
		if err := took.add(func() error { return w.Write(t) }); err != nil {
			return err
		}
	}
	if err := took.add(w.Close); err != nil {
		return err
	}
	if err := took.add(func() error { return object.Commit(ctx) }); err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(map[string]float64{
		"bytes": float64(w.FileBytes()), "wall": took.wall.Seconds(), "cpu": took.cpu.Seconds(), "peak": float64(usage().Maxrss) * 1024})
}

// cost sums what steps take. Of the garbage collector, which runs all the while, it
// has what runs in them.
type cost struct{ wall, cpu time.Duration }

func (c *cost) add(step func() error) error {
	begin, before := time.Now(), cpu()
	err := step()
	c.wall += time.Since(begin)
	c.cpu += cpu() - before
	return err
}

func cpu() time.Duration {
	u := usage()
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func usage() (u syscall.Rusage) {
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err) // it has no way to fail
	}
	return u
}

// maker makes tuples whose blobs are no memory of each other's, as in a run.
type maker struct {
	noise []byte
	at    int
}

func newMaker() *maker {
	m := &maker{noise: make([]byte, 16<<20)}
	_, _ = rand.NewChaCha8([32]byte{1}).Read(m.noise) // never fails
	return m
}

func (m *maker) blob(size int, name string) table.Blob {
	m.at = (m.at + 4099) % (len(m.noise) - size)
	return table.Blob{Bytes: append([]byte(nil), m.noise[m.at:m.at+size]...), Path: name}
}

func (m *maker) tuple(i int) *shards.Tuple {
	id := fmt.Sprintf("%016x", i/8)
	key := dataset.Key(id, i%8)
	start := 5.2 * float64(i%8)
	hash := fmt.Sprintf("%064x", i/8)
	t := &shards.Tuple{Key: key, ClipID: key, SourceID: id, SourceURI: "https://example.com/watch?v=" + id, SourceSHA256: hash,
		Title: "How video number " + id + " was made", License: "CC BY 4.0", Start: start, End: start + 5.2, Duration: 5.2, ImageTime: 2.6,
		Text:      fmt.Sprintf("In clip %d somebody explains what is seen in it, and somebody else says something about it.", i),
		Subtitles: []dataset.Cue{{Start: 0.4, End: 2.1, Text: "what is said first", Lang: "en"}, {Start: 2.3, End: 5, Text: "and what then", Lang: "en"}},
		Image:     m.blob(imageBytes, key+".jpg"), Video: m.blob(videoBytes, key+".mp4"), Audio: m.blob(audioBytes, key+".flac"),
		Depth: m.blob(depthBytes, key+".depth.png"), DepthMeta: &dataset.DepthMeta{Model: "dpt", WeightsSHA256: hash, Kind: dataset.InverseDepth, Max: float32(i)},
		Normal: m.blob(normalBytes, key+".normal.png"), NormalMeta: &dataset.NormalMeta{Model: "dpt", WeightsSHA256: hash},
		Width: 640, Height: 360, FPS: 25, FrameCount: 130, VideoCodec: "h264", AudioRate: 16000, AudioChannels: 1,
		Motion: 0.01 * float64(i%31), Sharpness: 7 * float64(i%301), Brightness: 0.4, Silence: 0.1, PHash: int64(i) * 7919}
	for _, kind := range []string{"vision", "audio", "title"} {
		t.Captions = append(t.Captions, shards.Caption{Text: kind + ": " + t.Text, Kind: kind, Model: "captioner", Lang: "en", Score: 0.5})
	}
	for k := range 8 {
		t.Frames = append(t.Frames, shards.Frame{Time: 0.65 * (float64(k) + 0.5), Image: m.blob(frameBytes, fmt.Sprintf("%s.%d.jpg", key, k))})
	}
	return t
}
