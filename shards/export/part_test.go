package export

import (
	"context"
	"errors"
	"image"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"micodata/internal/table"
	"micodata/shards"
	"micodata/shards/testset"
	"micodata/storage"
)

var threeSplits = shards.Splits{Train: 0.4, Validation: 0.3, Test: 0.3}

// openings is a set that notes which of its files are opened.
type openings struct {
	storage.Store
	names []string
}

func (o *openings) Open(ctx context.Context, name string) (storage.Object, error) {
	o.names = append(o.names, name)
	return o.Store.Open(ctx, name)
}

// What is missing of an export is made again, whenever it went missing, and nothing
// else of the set is read for it.
func TestWhatIsMissingIsMade(t *testing.T) {
	set := newSet(t, threeSplits, onePart(t))
	for _, format := range []string{"mico", "webdataset"} {
		m, out := export(t, set, format)
		want := files(t, out)
		first := id(t, decodeJSON[clipRow](t, strings.SplitN(want[clipsName], "\n", 2)[0]).Key)
		media, config := "videos/"+first+".mp4", "configs/tv.json"
		if format == "webdataset" {
			media, config = "train-00000-of-00001.tar", "configs/srcindexed.json"
		}
		shard := "data/train-00000-of-00001.parquet"
		damage := map[string]func() error{
			"a file is gone":          func() error { return out.Delete(t.Context(), media) },
			"a file was cut":          func() error { return os.Truncate(out.Path(media), 10) },
			"a list is gone":          func() error { return out.Delete(t.Context(), clipsName) },
			"a configuration is gone": func() error { return out.Delete(t.Context(), config) },
			"a part is gone":          func() error { return out.Delete(t.Context(), partName(shard)) },
			"a part is broken":        func() error { return os.Truncate(out.Path(partName(shard)), 100) },
			// After a crash, what no part names may be torn and of the right size.
			"a file without a part is torn": func() error {
				torn := make([]byte, len(want[media]))
				return errors.Join(out.Delete(t.Context(), ManifestName), out.Delete(t.Context(), partName(shard)), os.WriteFile(out.Path(media), torn, 0o600))
			},
			"nothing": func() error { return nil },
		}
		for name, do := range damage {
			if err := do(); err != nil {
				t.Fatal(err)
			}
			seen := &openings{Store: set}
			again, err := Run(t.Context(), newEnv(seen, out, format))
			if err != nil || again.Clips != m.Clips || again.Bytes != m.Bytes {
				t.Errorf("%s, %s: %+v, %v", format, name, again, err)
			}
			same(t, files(t, out), want)
			var read []string
			for _, opened := range seen.names {
				if strings.HasPrefix(opened, "data/") {
					read = append(read, opened)
				}
			}
			var wantRead []string
			if strings.Contains(name, "file") || strings.Contains(name, "part") {
				wantRead = []string{shard}
			}
			if !slices.Equal(read, wantRead) {
				t.Errorf("%s, %s: %q is read, want %q", format, name, read, wantRead)
			}
		}
	}
}

// While the files of a shard are made again there is no part that names them: they
// have its sizes before they are durable.
func TestNoPartWhileItsFilesAreMade(t *testing.T) {
	set := newSet(t, allTrain, onePart(t))
	m, out := export(t, set, "vast")
	shard := "data/train-00000-of-00001.parquet"
	var p part
	if err := readJSON(t.Context(), out, partName(shard), &p); err != nil || m.Clips == 0 {
		t.Fatal(err)
	}
	if err := out.Delete(t.Context(), p.Files[0].Name); err != nil {
		t.Fatal(err)
	}
	noted := true
	stop := &opened{set, func(name string) error {
		if name == shard {
			noted = exists(t, out, partName(shard))
		}
		return nil
	}}
	if _, err := Run(t.Context(), newEnv(stop, out, "vast")); err != nil || noted || !exists(t, out, partName(shard)) {
		t.Errorf("noted before: %v; %v", noted, err)
	}
}

// opened is a set of which something is done before a file is opened.
type opened struct {
	storage.Store
	before func(name string) error
}

func (o *opened) Open(ctx context.Context, name string) (storage.Object, error) {
	if err := o.before(name); err != nil {
		return nil, err
	}
	return o.Store.Open(ctx, name)
}

// A set that is changed while it is exported ends the export, whose files would be of
// two sets.
func TestASetThatChangesMeanwhile(t *testing.T) {
	set := newSet(t, allTrain, onePart(t))
	p := onePart(t)
	p.Sources, p.Rows = p.Sources[1:], p.Rows[1:]
	later := newSet(t, allTrain, p) // without a clip
	shard := "data/train-00000-of-00001.parquet"
	changing := &opened{set, func(name string) error {
		if name != shard {
			return nil
		}
		data, err := os.ReadFile(later.Path(shard))
		return errors.Join(err, os.WriteFile(set.Path(shard), data, 0o600))
	}}
	out := local(t)
	_, err := Run(t.Context(), newEnv(changing, out, "vast"))
	var fault *storage.Error
	if !errors.As(err, &fault) || !strings.Contains(err.Error(), "changed meanwhile") || exists(t, out, ManifestName) {
		t.Errorf("err = %v", err)
	}
}

// A disk that fails is no folder of another export's.
func TestPartThatCannotBeRead(t *testing.T) {
	set := newSet(t, allTrain, onePart(t))
	_, out := export(t, set, "vast")
	name := out.Path(partName("data/train-00000-of-00001.parquet"))
	// Reading a process's memory at 0 fails.
	if err := errors.Join(os.Remove(name), os.Symlink("/proc/self/mem", name)); err != nil {
		t.Skip(err)
	}
	_, err := Run(t.Context(), newEnv(set, out, "vast"))
	var fault *storage.Error
	if !errors.As(err, &fault) {
		t.Errorf("err = %v", err)
	}
}

// An export that came to nothing leaves nothing, and what was cut off before its
// first file no more than its mark: the folder is free for another.
func TestAnExportOfNothingLeavesTheFolderFree(t *testing.T) {
	p := onePart(t)
	for i := range p.Rows {
		p.Sources[i].Texts = nil
		p.Rows[i].Clip.Subtitles = nil
	}
	out := local(t)
	_, err := Run(t.Context(), newEnv(newSet(t, allTrain, p), out, "mico"))
	var none *NoClipsError
	if !errors.As(err, &none) || !strings.Contains(err.Error(), "10 no caption, 1 no video, 1 video of fewer than 8 frames") {
		t.Errorf("%v", err)
	}
	if got := files(t, out); len(got) > 0 {
		t.Errorf("it leaves %v", slices.Collect(maps.Keys(got)))
	}
	if err := writeJSON(t.Context(), out, BeganName, identity{"vast", "another", layout}); err != nil {
		t.Fatal(err)
	}
	if _, err := Run(t.Context(), newEnv(newSet(t, allTrain, onePart(t)), out, "mico")); err != nil {
		t.Errorf("a folder with a mark and no files: %v", err)
	}
}

// Clips whose media are broken are no skipped ones: they are failures, and named; of
// their files none is written.
func TestBrokenMediaFail(t *testing.T) {
	p := onePart(t)
	p.Sources, p.Rows = p.Sources[:3], p.Rows[:3]
	p.Rows[0].Depth.Depth.Bytes = testset.EncodePNG(image.NewGray(image.Rect(0, 0, testset.Width, testset.Height)))
	p.Rows[1].Clip.Audio.Bytes = p.Rows[1].Clip.Audio.Bytes[:1000]
	m, out := export(t, newSet(t, allTrain, p), "mico")
	if m.Clips != 1 || len(m.Skipped) > 0 || m.Failed[errDepth.reason] != 1 || m.Failed[errSound.reason] != 1 {
		t.Errorf("%d clips, skipped %v, failed %v", m.Clips, m.Skipped, m.Failed)
	}
	for _, key := range []string{plain, dotted} {
		if exists(t, out, "videos/"+id(t, key)+".mp4") {
			t.Errorf("%s has a video", key)
		}
	}
	want := `{"key":"plain.00000","reason":"depth is no 16-bit gray PNG"}` + "\n" + `{"key":"a.b.00000","reason":"audio that does not decode"}` + "\n"
	if got := files(t, out)[FailedName]; got != want {
		t.Errorf("failed: %s", got)
	}
	p.Sources, p.Rows = p.Sources[:1], p.Rows[:1]
	var none *NoClipsError
	if _, err := Run(t.Context(), newEnv(newSet(t, allTrain, p), local(t), "mico")); !errors.As(err, &none) || !strings.Contains(err.Error(), "1 depth is no 16-bit gray PNG") {
		t.Errorf("a set of one broken clip: %v", err)
	}
}

// An export without a configuration says so.
func TestMissingConfigurationsAreTold(t *testing.T) {
	p := onePart(t)
	for i := range p.Sources {
		p.Sources[i].Texts = p.Sources[i].Texts[:min(4, len(p.Sources[i].Texts))] // none is heard
	}
	set := newSet(t, allTrain, p)
	m, out := export(t, set, "mico")
	if want := []string{"no configs/ta.json: " + nothingToTrainOn}; !slices.Equal(m.Missing, want) || exists(t, out, "configs/ta.json") {
		t.Errorf("missing %q, want %q", m.Missing, want)
	}
	_, all := export(t, newSet(t, threeSplits, onePart(t)), "webdataset")
	p = onePart(t)
	for row := range strings.Lines(files(t, all)[clipsName]) {
		if c := decodeJSON[clipRow](t, row); c.Split == shards.Train {
			clip := p.Rows[slices.IndexFunc(p.Rows, func(r testset.Row) bool { return r.Clip.Key == c.Key })].Clip
			clip.Video, clip.Audio, clip.Image, clip.FrameCount = table.Blob{}, table.Blob{}, table.Blob{}, 0
		}
	}
	set = newSet(t, threeSplits, p)
	for format, want := range map[string]int{"mico": 4, "gram": 1, "webdataset": 1, "vast": 0} {
		if m, _ := export(t, set, format); len(m.Missing) != want {
			t.Errorf("%s, of a set with nothing in train: missing %q", format, m.Missing)
		}
	}
}
