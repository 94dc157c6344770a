package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	_ "image/jpeg"
	_ "image/png"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"micodata/dataset"
	"micodata/gpu"
	"micodata/internal/s3test"
	"micodata/internal/testmedia"
	"micodata/pseudolabel"
	"micodata/pseudolabel/card"
	"micodata/shards"
	"micodata/shards/export"
	"micodata/storage"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"micodata": main})
}

// The scripts run the command as users do, on real media with real ffmpeg.
func TestScript(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			e.Setenv("MODELS", filepath.Join(root, "models"))
			e.Setenv("TWINS", filepath.Join(root, "pseudolabel", "testdata")) // small networks of the large ones' kind
			e.Setenv("WIZARDS", filepath.Join(root, "pseudolabel", "geowizard", "testdata"))
			e.Setenv("SAMPLES", filepath.Join(root, "testdata", "media"))
			e.Setenv("XDG_CACHE_HOME", cache) // ONNX Runtime's library
			e.Values["t"] = t
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"media":   scriptMedia,
			"rows":    scriptRows,
			"corrupt": scriptCorrupt,
			"exits":   scriptExits,
			"maps":    scriptMaps,
			"flip":    scriptFlip,
			"garble":  scriptGarble,
			"says":    scriptSays,
			"s3":      scriptS3,
			"asked":   scriptAsked,
		},
	})
}

// s3 starts an object store with one bucket, a folder that BUCKET names.
func scriptS3(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: s3")
	}
	server, stop, err := s3test.Launch(ts.MkAbs(".s3"))
	ts.Check(err)
	ts.Defer(stop)
	for name, value := range s3test.Env(server.Endpoint) {
		ts.Setenv(name, value)
	}
	ts.Setenv("BUCKET", filepath.Join(server.Dir, s3test.Bucket))
	ts.Setenv("ACCESS_LOG", server.Log)
}

// asked NUMBER WORD... asserts how many requests the object store has had since the
// last call of this, by the lines of its log that hold all the words; asked any
// counts nothing.
func scriptAsked(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: asked NUMBER WORD...")
	}
	server := &s3test.Server{Log: ts.Getenv("ACCESS_LOG")}
	all := server.Requests(ts.Value("t").(*testing.T))
	before, _ := strconv.Atoi(ts.Getenv("ASKED")) // 0 at first
	ts.Setenv("ASKED", strconv.Itoa(len(all)))
	if args[0] == "any" {
		return
	}
	lines := slices.DeleteFunc(all[before:], func(line string) bool {
		return slices.ContainsFunc(args[1:], func(word string) bool { return !strings.Contains(line, word) })
	})
	if strconv.Itoa(len(lines)) != args[0] {
		ts.Fatalf("%d requests, want %s:\n%s", len(lines), args[0], strings.Join(lines, "\n"))
	}
}

// media NAME FILE puts a file of the test catalogue into the script's folder.
func scriptMedia(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: media NAME FILE")
	}
	src := testmedia.File(ts.Value("t").(*testing.T), args[0])
	data, err := os.ReadFile(src)
	ts.Check(err)
	dst := ts.MkAbs(args[1])
	ts.Check(os.MkdirAll(filepath.Dir(dst), 0o777))
	ts.Check(os.WriteFile(dst, data, 0o666))
}

// rows DATASET STAGE 'STATUS CLASS NUMBER'... asserts the rows of a stage, all of them.
func scriptRows(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: rows DATASET STAGE 'STATUS [CLASS] NUMBER'...")
	}
	s, err := storage.NewLocal(ts.MkAbs(args[0]))
	ts.Check(err)
	st, err := stageReport(context.Background(), s, args[1], dataset.Failed)
	ts.Check(err)
	got := map[string]int{}
	if st.OK > 0 {
		got["ok"] = st.OK
	}
	for class, n := range st.Classes {
		got[string(class)] = n
	}
	want := map[string]int{}
	for _, w := range args[2:] {
		f := strings.Fields(w)
		n, err := strconv.Atoi(f[len(f)-1])
		ts.Check(err)
		want[f[len(f)-2]] = n
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		ts.Fatalf("%s rows of %s: got %v, want %v; %v", args[1], args[0], got, want, st.Errors)
	}
}

// exits CODE COMMAND... runs a command that must end with this exit code.
func scriptExits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND...")
	}
	err := ts.Exec(args[1], args[2:]...)
	var exit *exec.ExitError
	if code := strings.TrimPrefix(fmt.Sprint(err), "exit status "); !errors.As(err, &exit) || code != args[0] {
		ts.Fatalf("%v, want exit status %s", err, args[0])
	}
}

// corrupt FILE flips a byte in the middle of a file.
func scriptCorrupt(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: corrupt FILE")
	}
	name := ts.MkAbs(args[0])
	data, err := os.ReadFile(name)
	ts.Check(err)
	data[len(data)/2] ^= 0xff
	ts.Check(os.WriteFile(name, data, 0o666))
}

// maps SET FRAMES LABEL... asserts that every tuple of a set has so many frames,
// each with the maps of these labels as large as its picture, and no others.
func scriptMaps(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: maps SET FRAMES LABEL...")
	}
	frames, err := strconv.Atoi(args[1])
	ts.Check(err)
	s, err := storage.NewLocal(ts.MkAbs(args[0]))
	ts.Check(err)
	tuples := 0
	ts.Check(shards.ReadIndex(context.Background(), s, func(x *shards.IndexRow) error {
		tuples++
		if len(x.Frames) != frames {
			return fmt.Errorf("%s has %d frames, want %d", x.Key, len(x.Frames), frames)
		}
		for i, f := range x.Frames {
			size := pictureSize(ts, s, x.Shard, f.Image)
			for label, place := range map[string]shards.Place{"depth": f.Depth, "normal": f.Normal} {
				want := image.Point{}
				if slices.Contains(args[2:], label) {
					want = size
				}
				if got := pictureSize(ts, s, x.Shard, place); got != want {
					return fmt.Errorf("%s: %s of frame %d is %v, want %v", x.Key, label, i, got, want)
				}
			}
		}
		return nil
	}))
	if tuples == 0 {
		ts.Fatalf("%s has no tuples", args[0])
	}
}

// pictureSize reads a picture of a set; it is zero where there is none.
func pictureSize(ts *testscript.TestScript, s storage.Store, shard string, p shards.Place) image.Point {
	data, err := shards.ReadBlob(context.Background(), s, shard, p)
	ts.Check(err)
	if data == nil {
		return image.Point{}
	}
	cfg, _, err := image.DecodeConfig(bytes.NewReader(data))
	ts.Check(err)
	return image.Pt(cfg.Width, cfg.Height)
}

// flip DATASET LEAF flips a bit in the middle of the first blob of a leaf of
// extract's part 0.
func scriptFlip(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: flip DATASET LEAF")
	}
	s, err := storage.NewLocal(ts.MkAbs(args[0]))
	ts.Check(err)
	r, err := dataset.OpenPart(context.Background(), s, dataset.ClipSchema, dataset.StageExtract, 0)
	ts.Check(err)
	defer r.Close()
	blobs, err := r.Blobs()
	ts.Check(err)
	for _, b := range blobs {
		if b.Column == args[1] {
			name := s.Path(dataset.PartName(dataset.StageExtract, 0))
			data, err := os.ReadFile(name)
			ts.Check(err)
			data[b.Offset+b.Size/2] ^= 1
			ts.Check(os.WriteFile(name, data, 0o666))
			return
		}
	}
	ts.Fatalf("no blob in %s", args[1])
}

func TestExitCodes(t *testing.T) {
	for _, c := range []struct {
		err  error
		want int
	}{
		{nil, 0},
		{&failuresError{"x"}, 1},
		{&shards.NoTuplesError{}, 1},
		{&export.NoClipsError{}, 1},
		{&shards.NoBlobError{}, 1},
		{errors.Join(&storage.Error{}, &shards.NoTuplesError{}), 4}, // which was to be taken out, and is there
		{fmt.Errorf("x: %w", usagef("y")), 2},
		{&dataset.FrozenError{}, 2},
		{&missingError{}, 3},
		{fmt.Errorf("x: %w", &card.Error{Err: errors.New("y")}), 2},
		{&card.NameError{}, 2},
		{&shards.FilterError{}, 2},
		{&shards.ColumnError{Err: errors.New("y")}, 2},
		{&gpu.NameError{}, 2},
		{&pseudolabel.OptionError{Err: errors.New("y")}, 2},
		{&card.FileError{}, 3},
		{&severalError{"x", []error{errors.New("y"), &card.FileError{}}}, 3},
		{&severalError{"x", []error{&badModelError{"x", errors.New("y")}}}, 3},
		{errors.New("nobody knows"), 4},
		{&stoppedError{"x"}, 130},
		{fmt.Errorf("x: %w", &storage.Error{}), 4},
		{fmt.Errorf("x: %w", context.Canceled), 130},
		{&storage.Error{Err: context.Canceled}, 130},
	} {
		if got := exitCode(c.err); got != c.want {
			t.Errorf("exitCode(%v) = %d, want %d", c.err, got, c.want)
		}
	}
}
