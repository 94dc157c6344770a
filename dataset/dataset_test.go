package dataset

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"micodata/internal/table"
	"micodata/storage"
	"micodata/storage/storagetest"
)

func TestSafeID(t *testing.T) {
	for in, want := range map[string]string{
		"dQw4w9WgXcQ":  "dQw4w9WgXcQ",
		"-abc":         "%2Dabc",
		".hidden":      "%2Ehidden",
		"a.b-c_d":      "a.b-c_d",
		"../../etc":    "%2E.%2F..%2Fetc",
		"a b":          "a%20b",
		"100%":         "100%25",
		"h\u00e9":      "h%C3%A9",
		"":             "",
		"x\x00\n":      "x%00%0A",
		"$(touch x);&": "%24%28touch%20x%29%3B%26",
	} {
		if got := SafeID(in); got != want {
			t.Errorf("SafeID(%q) = %q, want %q", in, got, want)
		}
	}
	a, b := SafeID(strings.Repeat("a", 300)), SafeID(strings.Repeat("a", 301))
	if a == b || len(a) != maxIDBytes || len(b) != maxIDBytes {
		t.Errorf("long ids: %q %q", a, b)
	}
}

func FuzzSafeID(f *testing.F) {
	f.Add("a/b", "a%2Fb")
	f.Add(strings.Repeat("x", 500), strings.Repeat("x", 501))
	f.Fuzz(func(t *testing.T, a, b string) {
		sa, sb := SafeID(a), SafeID(b)
		if (a == b) != (sa == sb) {
			t.Errorf("%q and %q became %q and %q", a, b, sa, sb)
		}
		if len(sa) > maxIDBytes || strings.ContainsAny(sa, "/\\\x00:*?\"<>|\n ") || strings.HasPrefix(sa, ".") || strings.HasPrefix(sa, "-") {
			t.Errorf("%q became %q", a, sa)
		}
		if a != "" {
			id, n, err := SplitKey(Key(sa, 7))
			if id != sa || n != 7 || err != nil {
				t.Errorf("key of %q: %q %d %v", sa, id, n, err)
			}
		}
	})
}

func TestSplitKey(t *testing.T) {
	for _, bad := range []string{"", "a", ".00001", "a.1", "a.0000x", "a.-0001", "a.+0001", "a.000001"} {
		if id, n, err := SplitKey(bad); err == nil {
			t.Errorf("SplitKey(%q) = %q, %d", bad, id, n)
		}
	}
	if id, n, err := SplitKey("a.b.123456"); id != "a.b" || n != 123456 || err != nil {
		t.Errorf("got %q %d %v", id, n, err)
	}
}

func TestPartNames(t *testing.T) {
	for _, i := range []int{0, 7, 99999, 100000, 1234567} {
		if got, ok := PartIndex(StageDepth, PartName(StageDepth, i)); got != i || !ok {
			t.Errorf("part %d came back as %d, %v", i, got, ok)
		}
	}
	for _, bad := range []string{"ingest/part-1.parquet", "ingest/part-000001.parquet", "ingest/part-00001.tmp", "extract/part-00001.parquet", "ingest/part--0001.parquet"} {
		if i, ok := PartIndex(StageIngest, bad); ok {
			t.Errorf("%s is part %d", bad, i)
		}
	}
}

func TestOutcome(t *testing.T) {
	o := OutcomeOf(Failed, errors.Join(errors.New("x"), Fail(Timeout, "no answer\nin %d s", 5)))
	if o != (Outcome{Failed, Timeout, "no answer in 5 s"}) {
		t.Errorf("got %+v", o)
	}
	if o := OutcomeOf(Failed, errors.New(strings.Repeat("\u00e9", 1000))); o.Class != Internal || len(o.Error) > maxErrorBytes+3 || !utf8.ValidString(o.Error) {
		t.Errorf("got %+v", o)
	}
	if o := OutcomeOf(Failed, nil); o != (Outcome{Status: OK}) {
		t.Errorf("got %+v", o)
	}
}

func store(t *testing.T) storage.Store {
	t.Helper()
	s, err := storage.NewLocal(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestFrozen(t *testing.T) {
	type settings struct {
		Height int     `json:"clip_height"`
		Rate   float64 `json:"rate"`
	}
	ctx, s := context.Background(), store(t)
	freeze := func(height int, ffmpeg string) error {
		f, err := LoadFrozen(ctx, s)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Freeze(StageIngest, struct{}{}, nil, ""); err != nil {
			t.Fatal(err)
		}
		if _, err := f.Freeze(StageExtract, settings{height, 2.5}, map[string]string{"ffmpeg": ffmpeg}, StageIngest); err != nil {
			return err
		}
		return f.Save(ctx, s)
	}
	for range 2 { // the second time from what was saved
		if err := freeze(360, "5.1"); err != nil {
			t.Fatal(err)
		}
	}
	var fe *FrozenError
	if err := freeze(720, "5.1"); !errors.As(err, &fe) || fe.VersionsOnly || !reflect.DeepEqual(fe.Differences, []string{"clip_height: the dataset has 360, asked for 720"}) {
		t.Errorf("got %v", err)
	}
	if err := freeze(360, "6.0"); !errors.As(err, &fe) || !fe.VersionsOnly || !reflect.DeepEqual(fe.Differences, []string{`ffmpeg: the dataset has "5.1", this machine "6.0"`}) {
		t.Errorf("got %v", err)
	}
}

func TestFingerprintFollowsUpstream(t *testing.T) {
	make := func(a int) string {
		f := &Frozen{Stages: map[string]Stage{}}
		if _, err := f.Freeze("a", map[string]int{"x": a}, nil, ""); err != nil {
			t.Fatal(err)
		}
		st, err := f.Freeze("b", map[string]int{"y": 1}, nil, "a")
		if err != nil {
			t.Fatal(err)
		}
		return st.Fingerprint
	}
	if make(1) == make(2) {
		t.Error("a change upstream did not change the fingerprint")
	}
	if a, b := make(1), make(1); a != b {
		t.Error("the same settings gave two fingerprints")
	}
}

func clip(n int) *Clip {
	c := &Clip{Key: Key("src", n), SourceID: "src", Start: float64(n), End: float64(n) + 1.5, Outcome: Outcome{Status: OK},
		Video:  table.Blob{Bytes: []byte(strings.Repeat("v", 1000*n+1)), Path: "v.mp4"},
		Frames: []Frame{{Time: 0.25, Image: table.Blob{Bytes: []byte("f0"), Path: "f0.jpg"}}, {Time: 0.75}},
		Errors: []StageError{{Stage: "audio", Class: Corrupt, Error: "x"}}, PHash: -5, Width: 640, Motion: 0.125}
	if n%2 == 0 {
		c.Subtitles = []Cue{{0.5, 1, "hi", "en"}}
	}
	return c
}

func writeClips(ctx context.Context, s storage.Store, n int) error {
	w, err := CreatePart(ctx, s, ClipSchema, PartInfo{Stage: StageExtract, Part: 3, Fingerprint: "abc"})
	if err != nil {
		return err
	}
	defer w.Abort()
	for i := range n {
		if err := w.Write(clip(i)); err != nil {
			return err
		}
	}
	return w.Commit(ctx)
}

func TestPartRoundTrip(t *testing.T) {
	ctx, s := context.Background(), store(t)
	if err := writeClips(ctx, s, 5); err != nil {
		t.Fatal(err)
	}
	i := 0
	info, err := ReadPart(ctx, s, ClipSchema, StageExtract, 3, func(c *Clip) error {
		if !reflect.DeepEqual(c, clip(i)) {
			t.Errorf("row %d: %+v\nwant %+v", i, c, clip(i))
		}
		i++
		return nil
	})
	if err != nil || i != 5 || info != (PartInfo{Stage: StageExtract, Part: 3, Fingerprint: "abc"}) {
		t.Errorf("%d rows, %+v, %v", i, info, err)
	}
	// Only what is asked for is read.
	if _, err := ReadPart(ctx, s, ClipSchema, StageExtract, 3, func(c *Clip) error {
		if c.Key == "" || c.Video.Bytes != nil || c.Width != 0 {
			t.Errorf("projection: %+v", c)
		}
		return nil
	}, "key"); err != nil {
		t.Fatal(err)
	}
	// A part under another's name is refused.
	data, err := os.ReadFile(s.Path(PartName(StageExtract, 3)))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(s.Path(PartName(StageExtract, 4)), data, 0o600); err != nil {
		t.Fatal(err)
	}
	var damage *storage.Error
	if _, err := OpenPart(ctx, s, ClipSchema, StageExtract, 4); !errors.As(err, &damage) || damage.Path != s.Path(PartName(StageExtract, 4)) {
		t.Errorf("part 3 was opened as part 4: %v", err)
	}
	if err := writeClips(ctx, s, 5); !errors.Is(err, fs.ErrExist) {
		t.Errorf("second commit: %v", err)
	}
}

// Whoever reads a part and however, what is wrong with its bytes is an error
// that names the file and says what to do.
func TestDamagedPart(t *testing.T) {
	ctx, s := context.Background(), store(t)
	if err := writeClips(ctx, s, 5); err != nil {
		t.Fatal(err)
	}
	name := s.Path(PartName(StageExtract, 3))
	good, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	at := strings.Index(string(good), "vvvv")
	if at < 0 {
		t.Fatal("no video in the file")
	}
	good[at] ^= 1
	if err := os.WriteFile(name, good, 0o600); err != nil {
		t.Fatal(err)
	}
	read := func(skip int64) error {
		r, err := OpenPart(ctx, s, ClipSchema, StageExtract, 3)
		if err != nil {
			return err
		}
		defer r.Close()
		if skip > 0 {
			return r.Skip(skip)
		}
		_, err = r.Next()
		return err
	}
	_, whole := ReadPart(ctx, s, ClipSchema, StageExtract, 3, func(*Clip) error { return nil })
	for how, err := range map[string]error{"ReadPart": whole, "Next": read(0), "Skip": read(1)} {
		var damage *storage.Error
		if !errors.As(err, &damage) || damage.Path != name || !strings.Contains(err.Error(), "column video.bytes") ||
			!strings.HasSuffix(err.Error(), "(remove the file, and the next run makes it again)") {
			t.Errorf("%s: %v", how, err)
		}
	}
	ingest := Damaged(s, PartName(StageIngest, 0), errors.New("x"))
	if !strings.HasSuffix(ingest.Error(), "(remove the file, and ingest with the same sources makes it again)") {
		t.Error(ingest)
	}
}

// A fault at any write leaves no part; the next try makes the same bytes.
func TestPartFaultAtEveryWrite(t *testing.T) {
	ctx, clean := context.Background(), store(t)
	counter := &storagetest.Faulty{Store: clean}
	if err := writeClips(ctx, counter, 2); err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile(clean.Path(PartName(StageExtract, 3)))
	if err != nil {
		t.Fatal(err)
	}
	for k := 1; k <= counter.Ops(); k++ {
		s := store(t)
		if err := writeClips(ctx, &storagetest.Faulty{Store: s, FailAt: k}, 2); !errors.Is(err, storagetest.ErrFault) {
			t.Fatalf("fault at operation %d: %v", k, err)
		}
		if left, err := s.List(ctx, ""); err != nil || len(left) != 0 {
			t.Fatalf("fault at operation %d left %v, %v", k, left, err)
		}
		if err := writeClips(ctx, s, 2); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(s.Path(PartName(StageExtract, 3)))
		if err != nil || string(got) != string(want) {
			t.Fatalf("after a fault at operation %d the part differs", k)
		}
	}
}

func TestClassesAreTheContracts(t *testing.T) {
	data, err := json.Marshal(Classes())
	if err != nil {
		t.Fatal(err)
	}
	const want = `["not_found","forbidden","rate_limited","timeout","network","too_large","not_media","unsupported_codec","corrupt","no_video","too_short","blocked_address","policy","labeler","internal"]`
	if string(data) != want {
		t.Errorf("got %s", data)
	}
}
