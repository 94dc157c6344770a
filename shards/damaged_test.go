package shards

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"micodata/dataset"
	"micodata/shards/testset"
	"micodata/storage"
)

// What is damaged in a set names its file and what to do, which makes the set whole.
func TestDamagedSets(t *testing.T) {
	cut := func(b []byte) []byte { return b[:len(b)/2] }
	env := newEnv(t, testset.Parts(t))
	env.Splits = Splits{Train: 1}
	shard := "data/train-00000-of-00001.parquet"
	for name, c := range map[string]struct {
		file   string
		change func([]byte) []byte // nil removes the file
		read   func(context.Context, storage.Store) error
		want   string
	}{
		"empty manifest": {ManifestName, func([]byte) []byte { return nil }, readManifest, "it is no manifest"},
		"cut manifest":   {ManifestName, cut, readManifest, "it is no manifest"},
		"list":           {ManifestName, func([]byte) []byte { return []byte("[]") }, getOne, "it is no manifest"},
		"object":         {ManifestName, func([]byte) []byte { return []byte("{}") }, getOne, "it is no manifest"},
		"cut index":      {IndexName, cut, getOne, "footer"},
		"flipped index":  {IndexName, func(b []byte) []byte { b[6] ^= 1; return b }, getOne, "a page"},
		"no index":       {IndexName, nil, getOne, "it is not there"},
		"cut shard":      {shard, func(b []byte) []byte { return b[:1000] }, getOne, "it ends too early"},
		"zeroed shard":   {shard, func(b []byte) []byte { return make([]byte, len(b)) }, getOne, "checksum"},
		"no shard":       {shard, nil, getOne, "it is not there"},
	} {
		t.Run(name, func(t *testing.T) {
			env.Out = testset.Local(t)
			write(t, env)
			whole := testset.Files(t, env.Out)
			path := env.Out.Path(c.file)
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
			if c.change != nil {
				if err := os.WriteFile(path, c.change(bytes.Clone(whole[c.file])), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			err := c.read(t.Context(), env.Out)
			var damaged *storage.Error
			if !errors.As(err, &damaged) || damaged.Path != path || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "(copy it anew") {
				t.Fatalf("err = %v", err)
			}
			if c.file == ManifestName {
				env.Out = testset.Local(t)
			} else if err := env.Out.Delete(t.Context(), c.file); err != nil {
				t.Fatal(err)
			}
			write(t, env)
			for file, data := range testset.Files(t, env.Out) {
				if strings.HasSuffix(file, ".parquet") && !bytes.Equal(data, whole[file]) {
					t.Errorf("%s did not come back", file)
				}
			}
		})
	}
}

func readManifest(ctx context.Context, s storage.Store) error {
	_, err := ReadManifest(ctx, s)
	return err
}

func getOne(ctx context.Context, s storage.Store) error {
	_, err := Get(ctx, s, "a.00002", "video")
	return err
}

// A blob is read of finished sets of this layout alone.
func TestGetOfOtherSets(t *testing.T) {
	env := newEnv(t, testset.Parts(t))
	write(t, env)
	if err := storage.WriteAll(t.Context(), env.Out, ManifestName, storage.Replace, []byte(`{"schema_version": 99, "tuples": "many"}`)); err != nil {
		t.Fatal(err)
	}
	var other *dataset.VersionError
	if err := getOne(t.Context(), env.Out); !errors.As(err, &other) || other.Have != 99 {
		t.Errorf("another layout: %v", err)
	}
	if err := env.Out.Delete(t.Context(), ManifestName); err != nil {
		t.Fatal(err)
	}
	if err := getOne(t.Context(), env.Out); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "not finished") {
		t.Errorf("an unfinished set: %v", err)
	}
}

// Where temporary files cannot be, the storage is to blame.
func TestNoRoomForTemporaryFiles(t *testing.T) {
	env := newEnv(t, testset.Parts(t))
	nowhere := filepath.Join(t.TempDir(), "nowhere")
	env.Shuffle, env.TempDir = 7, nowhere
	_, err := Write(t.Context(), env)
	var failed *storage.Error
	if !errors.As(err, &failed) || !strings.HasPrefix(failed.Path, nowhere) {
		t.Errorf("err = %v", err)
	}
}
