package main

import (
	"errors"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"micodata/dataset"
	"micodata/shards"
	"micodata/shards/testset"
	"micodata/storage"
)

// A clip whose media do not decode is a failure, told by exit code 1, of an export
// that is whole as well; --allow-failures makes that 0.
func TestExportTellsBrokenMedia(t *testing.T) {
	var p testset.Part
	for _, key := range []string{"good.00000", "bad.00000"} {
		id, _, err := dataset.SplitKey(key)
		if err != nil {
			t.Fatal(err)
		}
		p.Sources = append(p.Sources, testset.NewSource(id))
		p.Rows = append(p.Rows, testset.NewRow(testset.Make(t, 0, 0), key, 0))
	}
	p.Rows[1].Clip.Audio.Bytes = p.Rows[1].Clip.Audio.Bytes[:1000]
	data, err := storage.NewLocal(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	set, err := storage.NewLocal(filepath.Join(t.TempDir(), "set"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := shards.Write(t.Context(), shards.Env{Dataset: data, Out: set, Settings: shards.DefaultSettings(), Version: "test",
		Frozen: testset.Dataset(t, data, []testset.Part{p}), Labels: []string{dataset.StageDepth, dataset.StageNormal}}); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(t.TempDir(), "vast")
	for _, c := range []struct {
		args []string
		code int
	}{{nil, 1}, {nil, 1}, {[]string{"--allow-failures"}, 0}} {
		cmd := exec.Command("micodata", append([]string{"export", set.Path(""), "--format", "vast", "-o", out}, c.args...)...)
		said, err := cmd.CombinedOutput()
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			t.Fatal(err)
		}
		if cmd.ProcessState.ExitCode() != c.code || !strings.Contains(string(said), "1 clips of 2") ||
			strings.Contains(string(said), "1 audio that does not decode") != (c.code == 1) {
			t.Errorf("%v: exit code %d, want %d: %s", c.args, cmd.ProcessState.ExitCode(), c.code, said)
		}
	}
}
