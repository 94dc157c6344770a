package shards

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"micodata/dataset"
	"micodata/internal/table"
	"micodata/storage"
)

// Names of a set's files beside data/.
const (
	ManifestName = "manifest.json"
	IndexName    = "index.parquet"
	CardName     = "README.md"
	StatsName    = "stats.json"
	PreviewName  = "assets/preview.jpg"
)

// Folders are the top folders in which a set keeps files.
func Folders() []string { return []string{"data", "assets", ExcludedFolder} }

// maxManifestBytes bounds manifest.json: some 400 bytes a shard, of which there are
// two million in a petabyte.
const maxManifestBytes = 1 << 30

// Manifest is manifest.json. A set without one is not finished.
type Manifest struct {
	SchemaVersion int    `json:"schema_version"`
	Micodata      string `json:"micodata"` // version that wrote the set
	Fingerprint   string `json:"fingerprint"`
	// Plan identifies the set's content: settings, parts and rows.
	Plan     string           `json:"plan"`
	Tuples   int64            `json:"tuples"`
	Sources  int64            `json:"sources"` // that have a tuple
	Bytes    int64            `json:"bytes"`   // of all shards
	Seconds  float64          `json:"seconds"` // of all tuples
	Splits   map[string]int64 `json:"splits"`  // tuples of each
	Settings Settings         `json:"settings"`
	// Dataset tells datasets apart: the sha256 of the first sources' URIs.
	Dataset string `json:"dataset"`
	// AudioRate is the sampling rate of the column audio, Hz; 0 if it varies.
	AudioRate int     `json:"audio_rate"`
	Shards    []Shard `json:"shards"`
	Index     File    `json:"index"`
	// Counts are of sources (ingest), of clips (extract, the labels) and of the
	// clips that were joined (shard).
	Counts map[string]Counts `json:"counts"`
	// LeftOut counts clips that could be tuples and are none, by the setting that left
	// them out: where, require depth, limit, exclude.
	LeftOut map[string]int64 `json:"left_out,omitempty"`
	// Missing counts tuples by the modality that failed and its class.
	Missing map[string]map[dataset.Class]int64 `json:"missing"`
	Notes   []string                           `json:"notes,omitempty"`
	// TakenDownBy is the later version of micodata that last took tuples out.
	TakenDownBy string                   `json:"taken_down_by,omitempty"`
	Models      []Model                  `json:"models,omitempty"`
	Stages      map[string]dataset.Stage `json:"stages"`
	// Cost is what making the parts took. It is no part of the promise of the
	// same bytes.
	Cost map[string]Cost `json:"cost"`
}

// File is a file of the set.
type File struct {
	Name   string `json:"name"`
	Rows   int64  `json:"rows"`
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"`
}

// Shard is a file of tuples.
type Shard struct {
	File
	Split     string  `json:"split"`
	Plan      string  `json:"plan"`       // identifies its content
	RowGroups []int64 `json:"row_groups"` // rows of each
}

// Cost is what a stage took, in seconds and bytes.
type Cost struct {
	CPUSeconds  float64 `json:"cpu_seconds"`
	GPUSeconds  float64 `json:"gpu_seconds"`
	WallSeconds float64 `json:"wall_seconds"`
	BytesRead   int64   `json:"bytes_read"`
}

// ReadManifest reads the manifest of a set. The error wraps [io/fs.ErrNotExist] if
// the set is not finished, is a [*dataset.VersionError] if it is of another layout, and a
// [*storage.Error] if it cannot be read.
func ReadManifest(ctx context.Context, s storage.Store) (*Manifest, error) {
	data, err := storage.ReadAll(ctx, s, ManifestName, maxManifestBytes)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: the set is not finished: %w", s.Path(""), err)
	}
	if err != nil {
		return nil, err
	}
	m := new(Manifest)
	err = json.Unmarshal(data, m)
	switch {
	case m.SchemaVersion != 0 && m.SchemaVersion != dataset.SchemaVersion: // whose types may be others
		return nil, &dataset.VersionError{Path: s.Path(ManifestName), Have: m.SchemaVersion, Want: dataset.SchemaVersion}
	case err != nil || m.SchemaVersion == 0:
		return nil, Damaged(s, ManifestName, errors.New("it is no manifest of a set"))
	}
	return m, nil
}

// Beside are the names of the files that the set has for people: card, statistics, and
// the card's picture.
func (m *Manifest) Beside() []string {
	names := []string{CardName, StatsName}
	if m.Settings.Keeps("image") && m.Tuples > 0 {
		names = append(names, PreviewName) // every tuple has a picture
	}
	return names
}

// Digests are what Fingerprint and Plan are to be by the rest of the manifest.
func (m *Manifest) Digests() (fingerprint, plan string, err error) {
	if fingerprint, err = settingsDigest(m.Micodata, m.Settings, m.Stages); err != nil {
		return "", "", err
	}
	var shards []string
	for _, s := range m.Shards {
		shards = append(shards, s.Plan)
	}
	plan, err = planDigest(m.Fingerprint, shards, m.Counts, m.Notes)
	return fingerprint, plan, err
}

// settingsDigest identifies all that shapes a set but the parts' content.
func settingsDigest(version string, s Settings, stages map[string]dataset.Stage) (string, error) {
	prints := map[string]string{}
	for name, st := range stages {
		prints[name] = st.Fingerprint
	}
	return digest(dataset.SchemaVersion, StageShard, version, s, prints)
}

// planDigest identifies a set's content by that of its shards.
func planDigest(fingerprint string, shards []string, counts map[string]Counts, notes []string) (string, error) {
	return digest(fingerprint, shards, counts, notes)
}

// digest is the sha256 of values' JSON, hex; maps marshal with sorted keys.
func digest(values ...any) (string, error) {
	data, err := json.Marshal(values)
	if err != nil {
		return "", fmt.Errorf("encode for a digest: %w", err)
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:]), nil
}

func (m *Manifest) save(ctx context.Context, s storage.Store) error {
	return writeJSON(ctx, s, ManifestName, m)
}

func writeJSON(ctx context.Context, s storage.Store, name string, v any) error {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("encode %s: %w", name, err)
	}
	if len(data) > maxManifestBytes {
		return fmt.Errorf("%s would have %d bytes, the limit is %d: write larger shards (--shard-bytes)", s.Path(name), len(data), maxManifestBytes)
	}
	return storage.WriteAll(ctx, s, name, storage.Replace, append(data, '\n'))
}

func (m *Manifest) result(p *plan, unknown []string) Result {
	if m == nil {
		return Result{}
	}
	return Result{Tuples: m.Tuples, Shards: len(m.Shards), Bytes: m.Bytes, Stages: m.Counts, Excluded: p.excluded, Unknown: unknown}
}

// describeShard reads a committed shard's footer back. Its sha256 is computed if it
// is not known.
func describeShard(ctx context.Context, s storage.Store, schema *table.Schema[Tuple], p *shardPlan, sha256 string) (Shard, error) {
	out := Shard{File: File{Name: p.name(), SHA256: sha256}, Split: p.Split, Plan: p.Digest}
	o, err := s.Open(ctx, p.name())
	if err != nil {
		return out, err
	}
	defer o.Close()
	if sha256 == "" {
		if out.SHA256, err = checksum(ctx, o); err != nil {
			return out, err
		}
	}
	r, err := schema.NewReader(o, table.ReaderOptions{})
	if err != nil {
		return out, err
	}
	out.Bytes, out.Rows, out.RowGroups = o.Size(), r.Rows(), r.RowGroups()
	if r.Metadata(MetaPlan) != p.Digest || out.Rows != p.Rows {
		return out, conflict(s, "another run put a shard of another set in its place")
	}
	return out, nil
}

// checksum is the sha256 of an object, hex.
func checksum(ctx context.Context, o storage.Object) (string, error) {
	h := sha256.New()
	buf := make([]byte, 1<<20)
	for off := int64(0); off < o.Size(); {
		n, err := o.ReadAt(buf[:min(int64(len(buf)), o.Size()-off)], off)
		if err != nil && err != io.EOF {
			return "", err
		}
		if n == 0 {
			return "", io.ErrUnexpectedEOF
		}
		h.Write(buf[:n])
		off += int64(n)
		if err := ctx.Err(); err != nil {
			return "", err
		}
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
