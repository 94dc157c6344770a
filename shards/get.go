package shards

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"micodata/internal/choice"
	"micodata/storage"
)

// ownBlobs are the columns whose blobs can be had; those of the frames are
// named as frames.2.image.
var ownBlobs = []string{"image", "video", "audio", "depth", "normal"}

// NoBlobError says that a set has no such blob: no such key, or a null.
type NoBlobError struct{ Text string }

func (e *NoBlobError) Error() string { return e.Text }

// ColumnError says that sets have no such column of blobs.
type ColumnError struct{ Err error }

func (e *ColumnError) Error() string { return e.Err.Error() }
func (e *ColumnError) Unwrap() error { return e.Err }

// Get reads one blob of a finished set: the column of the tuple with the key, or
// that of one of its frames, counted from 0 ("frames.2.depth"). It reads the manifest,
// which tells whether the set is one that it knows, of the index the keys, and the
// blob's place from the one row group that has it, and of the shard the blob alone, by
// one request. Errors: [*NoBlobError]; [*ColumnError]; those of [ReadManifest]; a
// [*storage.Error].
func Get(ctx context.Context, s storage.Store, key, column string) ([]byte, error) {
	field, frame, err := parseBlobColumn(column)
	if err != nil {
		return nil, &ColumnError{err}
	}
	if _, err := ReadManifest(ctx, s); err != nil {
		return nil, err
	}
	columns := []string{"shard", field + "_offset", field + "_size"}
	if frame >= 0 {
		columns = []string{"shard", "frames"}
	}
	found, err := indexRow(ctx, s, key, columns...)
	if err != nil {
		return nil, err
	}
	if found == nil {
		return nil, &NoBlobError{fmt.Sprintf("%s has no tuple %q", s.Path(""), key)}
	}
	var place Place
	switch {
	case frame < 0:
		place = *found.place(field)
	case frame >= len(found.Frames):
		return nil, &NoBlobError{fmt.Sprintf("%s has %d frames; they are counted from 0", key, len(found.Frames))}
	default:
		place = *found.Frames[frame].place(field)
	}
	if place.Offset == nil {
		return nil, &NoBlobError{fmt.Sprintf("%s of %s is null (its status column says why, where something failed)", column, key)}
	}
	return ReadBlob(ctx, s, found.Shard, place)
}

// parseBlobColumn reads "video" and "frames.2.depth"; frame is -1 without frames.
func parseBlobColumn(column string) (field string, frame int, err error) {
	parts := strings.Split(column, ".")
	if len(parts) == 3 && parts[0] == "frames" {
		n, err := strconv.Atoi(parts[1])
		if err == nil && n >= 0 && slices.Contains([]string{"image", "depth", "normal"}, parts[2]) {
			return parts[2], n, nil
		}
		return "", 0, fmt.Errorf("column %q: frames' blobs are frames.N.image, frames.N.depth and frames.N.normal, N from 0", column)
	}
	return column, -1, choice.OneOf("the column", column, ownBlobs...)
}
