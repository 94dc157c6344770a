package storage

import (
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"micodata/internal/s3test"
)

// Uploads that nobody ends go when they are old, and only those of our own places.
func TestS3SweepDropsOldUploads(t *testing.T) {
	s3test.Start(t)
	ctx := t.Context()
	s, err := NewS3(ctx, "s3://"+s3test.Bucket+"/set")
	if err != nil {
		t.Fatal(err)
	}
	keys := []string{"other/x", "set/dataset.json", "set/media/ab/x.mp4", "set/photos/x", "settle"}
	for _, key := range keys {
		if _, err := s.client.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: &s.bucket, Key: &key}); err != nil {
			t.Fatal(err)
		}
	}
	left := func() (keys []string) {
		if err := s.Sweep(ctx, "media", "extract"); err != nil {
			t.Fatal(err)
		}
		out, err := s.client.ListMultipartUploads(ctx, &s3.ListMultipartUploadsInput{Bucket: &s.bucket})
		if err != nil {
			t.Fatal(err)
		}
		for _, u := range out.Uploads {
			keys = append(keys, aws.ToString(u.Key))
		}
		return keys
	}
	if got := left(); !slices.Equal(got, keys) {
		t.Errorf("young uploads: left %q", got)
	}
	s.staleAfter = -time.Hour
	if got, want := left(), []string{"other/x", "set/photos/x", "settle"}; !slices.Equal(got, want) {
		t.Errorf("old uploads: left %q, want %q", got, want)
	}
}
