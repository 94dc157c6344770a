package extract_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"micodata/dataset"
	"micodata/extract"
	"micodata/internal/ffmpeg"
	"micodata/storage"
)

// findTools finds ffmpeg.
func findTools(t testing.TB) ffmpeg.Tools {
	t.Helper()
	tools, err := ffmpeg.Find(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	return tools
}

// source is the ingest row of a local file.
func source(t testing.TB, path string) dataset.Source {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(data)
	s := dataset.Source{URI: path, Media: path, SHA256: hex.EncodeToString(sum[:]), Bytes: int64(len(data))}
	s.ID = dataset.IDFromHash(s.SHA256)
	probe, err := findTools(t).Probe(t.Context(), path)
	if err != nil {
		s.Outcome = dataset.OutcomeOf(dataset.Failed, dataset.Fail(dataset.NotMedia, "%w", err))
		return s
	}
	text, err := json.Marshal(probe)
	if err != nil {
		t.Fatal(err)
	}
	s.Probe = string(text)
	s.Status = dataset.OK
	return s
}

// a workplace is a dataset with one ingest part.
type workplace struct {
	env extract.Env
	dir string
}

func newWorkplace(t testing.TB, sources ...dataset.Source) *workplace {
	t.Helper()
	dir := t.TempDir()
	store, err := storage.NewLocal(filepath.Join(dir, "dataset"))
	if err != nil {
		t.Fatal(err)
	}
	w, err := dataset.CreatePart(t.Context(), store, dataset.SourceSchema, dataset.PartInfo{Stage: dataset.StageIngest})
	if err != nil {
		t.Fatal(err)
	}
	for i := range sources {
		if err := w.Write(&sources[i]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	temp := filepath.Join(dir, "temp")
	if err := os.Mkdir(temp, 0o700); err != nil {
		t.Fatal(err)
	}
	return &workplace{dir: dir, env: extract.Env{Store: store, Tools: findTools(t), Settings: extract.DefaultSettings(), TempDir: temp, Workers: 2}}
}

// run extracts the part and returns its rows.
func (w *workplace) run(t testing.TB) []dataset.Clip {
	t.Helper()
	if _, err := extract.Run(t.Context(), w.env, 0); err != nil {
		t.Fatal(err)
	}
	var rows []dataset.Clip
	_, err := dataset.ReadPart(t.Context(), w.env.Store, dataset.ClipSchema, dataset.StageExtract, 0, func(c *dataset.Clip) error {
		rows = append(rows, *c)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return rows
}
