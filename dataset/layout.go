package dataset

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"micodata/storage"
)

// SchemaVersion names the layout of parts and shards. A change of what users
// rely on is a new version.
const SchemaVersion = 1

// Stages that write parts. A label stage is "label/" and the labeler's name.
const (
	StageIngest  = "ingest"
	StageExtract = "extract"
	StageDepth   = "label/depth"
	StageNormal  = "label/normal"
)

// Footer metadata keys of part files.
const (
	MetaStage       = "micodata.stage"
	MetaPart        = "micodata.part"
	MetaFingerprint = "micodata.fingerprint"
	// MetaLast is "true" in the ingest part that ends the list.
	MetaLast = "micodata.last"
	// MetaList is a hash of the list's rows that an ingest part was made from.
	MetaList = "micodata.list_sha256"
)

// PartName is the object of part i of a stage.
func PartName(stage string, i int) string { return fmt.Sprintf("%s/part-%05d.parquet", stage, i) }

// PartIndex is the inverse of [PartName]; ok is false for any other object.
func PartIndex(stage, name string) (i int, ok bool) {
	s, ok := strings.CutPrefix(name, stage+"/part-")
	if !ok {
		return 0, false
	}
	s, ok = strings.CutSuffix(s, ".parquet")
	if !ok || len(s) < 5 {
		return 0, false
	}
	i, err := strconv.Atoi(s)
	return i, err == nil && i >= 0 && PartName(stage, i) == name
}

// Parts are the committed parts of a stage, in order.
func Parts(ctx context.Context, s storage.Store, stage string) ([]int, error) {
	objects, err := s.List(ctx, stage+"/")
	if err != nil {
		return nil, err
	}
	var parts []int
	for _, o := range objects {
		if i, ok := PartIndex(stage, o.Name); ok {
			parts = append(parts, i)
		}
	}
	slices.Sort(parts) // names do not sort so, from part 100000 on
	return parts, nil
}

// Folders are the top folders of a dataset, for [storage.Store.Sweep].
func Folders() []string { return []string{"cost", "extract", "ingest", "label", "media", "settings"} }

// MediaName is where raw media with this sha256 (hex) lies; ext has its dot.
func MediaName(sha256Hex, ext string) string {
	return "media/" + sha256Hex[:2] + "/" + sha256Hex + ext
}
