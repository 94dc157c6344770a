package storage

import (
	"context"
	"strings"
)

// S3Scheme begins the locations of object stores.
const S3Scheme = "s3://"

// IsS3 tells a location in an object store from a folder.
func IsS3(location string) bool { return strings.HasPrefix(location, S3Scheme) }

// New opens the store at a location: "s3://bucket/prefix", or a folder, which is
// made if it is missing.
func New(ctx context.Context, location string) (Store, error) {
	if IsS3(location) {
		return NewS3(ctx, location)
	}
	return NewLocal(location)
}
