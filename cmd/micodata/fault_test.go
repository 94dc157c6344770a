package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"micodata/dataset"
	"micodata/engine"
	"micodata/ingest"
	"micodata/internal/ffmpeg"
	"micodata/internal/testmedia"
	"micodata/shards"
	"micodata/storage"
	"micodata/storage/storagetest"
)

// pipeline is what `micodata run` does, on given stores.
func pipeline(t *testing.T, source string, ds, out storage.Store) error {
	t.Helper()
	ctx := context.Background()
	tools, err := ffmpeg.Find(ctx, "")
	if err != nil {
		t.Fatal(err)
	}
	in := newInterrupts(ctx)
	defer in.release()
	frozen, err := dataset.LoadFrozen(ctx, ds)
	if err != nil {
		return err
	}
	frozen.Micodata = "test"
	flags := pflag.NewFlagSet("run", pflag.ContinueOnError)
	up := newUpstream(flags)
	models, err := filepath.Abs("../../models")
	if err != nil {
		t.Fatal(err)
	}
	up.label.ModelDir = []string{models}
	up.work.Workers = 1
	s := &session{
		app:   &app{streams: streams{in: strings.NewReader(""), out: io.Discard, err: io.Discard}, signals: in},
		flags: flags, work: &up.work, store: ds, frozen: frozen, tools: tools, slots: engine.NewSlots(1),
	}
	settings, cut := defaultIngest(), shards.DefaultSettings()
	first, err := s.ingestStage(ctx, &settings, ingest.HTTPOptions{})
	if err != nil {
		return err
	}
	parts := s.listedParts(ctx, []string{source}, ingest.ListOptions{}, settings.PartSources)
	return s.buildInto(ctx, up, &cut, out, func(stages []engine.Stage) error {
		return s.runStages(ctx, 0, parts, append([]engine.Stage{first}, stages...))
	})
}

// contents hashes what is promised to be the same.
func contents(t *testing.T, stores ...storage.Store) map[string]string {
	t.Helper()
	sums := map[string]string{}
	for i, s := range stores {
		infos, err := s.List(context.Background(), "")
		if err != nil {
			t.Fatal(err)
		}
		for _, info := range infos {
			if !strings.HasSuffix(info.Name, ".parquet") {
				continue
			}
			data, err := storage.ReadAll(context.Background(), s, info.Name, 1<<30)
			if err != nil {
				t.Fatal(err)
			}
			sums[fmt.Sprint(i, " ", info.Name)] = fmt.Sprintf("%x", sha256.Sum256(data))
		}
	}
	return sums
}

func local(t *testing.T) storage.Store {
	t.Helper()
	s, err := storage.NewLocal(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Storage that fails at its k-th operation, for every k, and ever after: the run
// says so, no half-written object is there, and the next run ends with the bytes
// of a run that nothing happened to.
func TestFaultAtEveryOperationOfARun(t *testing.T) {
	source := testmedia.File(t, "tiny_16x16")
	cleanDS, cleanOut := local(t), local(t)
	countDS, countOut := &storagetest.Faulty{Store: cleanDS}, &storagetest.Faulty{Store: cleanOut}
	if err := pipeline(t, source, countDS, countOut); err != nil {
		t.Fatal(err)
	}
	want := contents(t, cleanDS, cleanOut)
	if len(want) != 6 { // four stages, a shard, the index
		t.Fatalf("a clean run made %v", want)
	}
	t.Logf("%d operations on the dataset, %d on the set", countDS.Ops(), countOut.Ops())
	for k := 1; k <= countDS.Ops()+countOut.Ops(); k++ {
		ds, out := local(t), local(t)
		faultyDS, faultyOut := storage.Store(&storagetest.Faulty{Store: ds, FailAt: k}), out
		if k > countDS.Ops() {
			faultyDS, faultyOut = ds, &storagetest.Faulty{Store: out, FailAt: k - countDS.Ops()}
		}
		err := pipeline(t, source, faultyDS, faultyOut)
		if !errors.Is(err, storagetest.ErrFault) || exitCode(err) != exitStorage {
			t.Fatalf("fault at operation %d: exit %d, %v", k, exitCode(err), err)
		}
		for name, sum := range contents(t, ds, out) {
			if want[name] != sum {
				t.Fatalf("fault at operation %d left another %s", k, name)
			}
		}
		if err := pipeline(t, source, ds, out); err != nil {
			t.Fatalf("after a fault at operation %d: %v", k, err)
		}
		if got := contents(t, ds, out); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("after a fault at operation %d: got %v, want %v", k, got, want)
		}
	}
}
