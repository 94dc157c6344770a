package export

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"micodata/storage"
)

// Names of the files that every export has.
const (
	BeganName    = "export.begun.json" // written first
	ManifestName = "export.json"       // written last
	clipsName    = "clips.jsonl"       // a line a clip: whose id is which key
	FailedName   = "failed.jsonl"      // a line a clip that failed
)

// layout is raised when the same set is exported in other bytes, so that no export
// is half of each.
const layout = 2

// identity is what an export is of. Two that agree in it have the same bytes.
type identity struct {
	Format string `json:"format"`
	Set    string `json:"set"` // sha256 of the set's index.parquet, hex
	Layout int    `json:"layout"`
}

func (a identity) differs(b identity) string {
	switch {
	case a.Format != b.Format:
		return fmt.Sprintf("it has an export of format %s: name another folder for %s", a.Format, b.Format)
	case a.Set != b.Set:
		return "it has an export of another set, or of this one before it changed: name another folder"
	}
	return "it has an export by another version of micodata: name another folder"
}

// Manifest is export.json. An export without one is not finished.
type Manifest struct {
	identity
	Micodata string `json:"micodata"` // version that wrote the set
	Tuples   int64  `json:"tuples"`   // of the set
	Clips    int64  `json:"clips"`    // tuples that are in the export
	// Skipped counts by reason tuples that the format cannot take, Failed those whose
	// media are broken.
	Skipped map[string]int64 `json:"skipped"`
	Failed  map[string]int64 `json:"failed"`
	// LeftOut counts, as "list: reason", lines that a list has not although their
	// clip is in the export.
	LeftOut map[string]int64 `json:"left_out"`
	Lists   map[string]int64 `json:"lists"` // lines of each
	Files   int64            `json:"files"` // of media, or tar files
	Bytes   int64            `json:"bytes"` // of these
	// Missing says which configurations there are none of, and why.
	Missing []string          `json:"missing,omitempty"`
	Notes   map[string]string `json:"notes,omitempty"`
	// Texts are the lists and configurations. The other files are named in the parts.
	Texts []storedFile `json:"texts"`
}

// clipRow is a line of the list of clips.
type clipRow struct {
	ID        string  `json:"id"`
	Key       string  `json:"key"`
	ClipID    string  `json:"clip_id"`
	Split     string  `json:"split"`
	SourceID  string  `json:"source_id"`
	SourceURI string  `json:"source_uri"`
	License   string  `json:"license"`
	Start     float64 `json:"start"` // seconds in the source, half-open
	End       float64 `json:"end"`
}

func newClipRow(c *clip) clipRow {
	return clipRow{c.id, c.Key, c.ClipID, c.split, c.SourceID, c.SourceURI, c.License, c.Start, c.End}
}

// failedRow is a line of the list of clips that failed.
type failedRow struct {
	Key    string `json:"key"`
	Reason string `json:"reason"`
}

// OtherFolderError says that a folder is not this export's.
type OtherFolderError struct{ Path, Text string }

func (e *OtherFolderError) Error() string { return e.Path + ": " + e.Text }

// NoClipsError says that a format can take no tuple of a set.
type NoClipsError struct {
	Format          string
	Skipped, Failed map[string]int64
}

func (e *NoClipsError) Error() string {
	counts := maps.Clone(e.Skipped)
	maps.Copy(counts, e.Failed)
	return fmt.Sprintf("no tuple of the set can be exported as %s: %s", e.Format, Reasons(counts))
}

// Reasons spells counts by reason, the most frequent first: "3 no caption, 1 no
// video".
func Reasons(counts map[string]int64) string {
	var out []string
	for _, reason := range slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		if counts[a] != counts[b] {
			return int(counts[b] - counts[a])
		}
		return strings.Compare(a, b)
	}) {
		out = append(out, fmt.Sprintf("%d %s", counts[reason], reason))
	}
	return strings.Join(out, ", ")
}

// maxJSONBytes bounds the two files that are read back.
const maxJSONBytes = 1 << 20

func readJSON(ctx context.Context, s storage.Store, name string, v any) error {
	data, err := storage.ReadAll(ctx, s, name, maxJSONBytes)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, v); err != nil {
		return &OtherFolderError{s.Path(name), "it is no file of an export: " + err.Error()}
	}
	return nil
}

func writeJSON(ctx context.Context, s storage.Store, name string, v any) error {
	data, err := indented(v)
	if err != nil {
		return fmt.Errorf("encode %s: %w", name, err)
	}
	return storage.WriteAll(ctx, s, name, storage.Replace, data)
}

// writeWhole writes what a format's finish gives.
func writeWhole(ctx context.Context, s storage.Store, name string, v any) error {
	if text, ok := v.(verbatim); ok {
		return storage.WriteAll(ctx, s, name, storage.Replace, []byte(text))
	}
	return writeJSON(ctx, s, name, v)
}
