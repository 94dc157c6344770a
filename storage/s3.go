package storage

import (
	"context"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go/logging"
)

// S3 is what is below a prefix of a bucket as a [Store]. An object appears by one
// conditional request (If-None-Match), of a whole small object or of the end of a
// multipart upload: a server that ignores the condition has no exclusive commits.
//
// Credentials, region, endpoint and profile are found as by all of AWS's tools. At
// another endpoint than AWS' the bucket is in the path of the URL, not in the
// host's name.
type S3 struct {
	client  *s3.Client
	bucket  string
	prefix  string // "" or with a slash at its end
	retryer *retryer
	// partSize is the most bytes of a request that writes.
	partSize int
	// staleAfter is how old an upload is that nobody goes on with.
	staleAfter time.Duration
	// checksums are asked of the parts of an upload, too.
	checksums bool
}

const (
	// defaultPartSize allows objects of 160 GB, in the 10,000 parts of S3.
	defaultPartSize = 16 << 20
	maxParts        = 10_000
	// idleConnections to a server are kept: one for each request that a machine of
	// many cores makes at a time. AWS' default of 10 has the others dial each time.
	idleConnections = 128
)

// NewS3 opens "s3://bucket/prefix". It asks the bucket nothing yet. Locations and
// settings that are wrong are [fs.ErrInvalid].
func NewS3(ctx context.Context, location string) (*S3, error) {
	return newS3(ctx, location, stallLimit, maxBackoff)
}

func newS3(ctx context.Context, location string, stall, backoff time.Duration) (*S3, error) {
	bucket, prefix, err := splitS3(location)
	if err != nil {
		return nil, &Error{Op: "open", Path: location, Err: err}
	}
	// The library is silent from here on: what matters comes back as an error.
	cfg, err := config.LoadDefaultConfig(ctx, config.WithLogger(logging.Nop{}))
	if err != nil {
		return nil, &Error{Op: "open", Path: location, Err: settingsFault(err)}
	}
	if cfg.Region == "" {
		cfg.Region = defaultRegion
	}
	s := &S3{bucket: bucket, prefix: prefix, retryer: newRetryer(ctx, location, cfg.RetryMaxAttempts, backoff), partSize: defaultPartSize, staleAfter: staleAfter,
		checksums: cfg.RequestChecksumCalculation != aws.RequestChecksumCalculationWhenRequired}
	s.client = s3.NewFromConfig(cfg, func(o *s3.Options) {
		o.DisableLogOutputChecksumValidationSkipped = true // ranges have none
		o.UsePathStyle = o.BaseEndpoint != nil && !isAWS(*o.BaseEndpoint)
		o.Retryer = s.retryer
		if client, ok := o.HTTPClient.(*awshttp.BuildableClient); ok { // as it ever is
			o.HTTPClient = client.WithDialerOptions(keepUnsentLow).WithTransportOptions(func(t *http.Transport) {
				t.MaxIdleConns, t.MaxIdleConnsPerHost = idleConnections, idleConnections
			})
		}
		o.HTTPClient = stallGuard{o.HTTPClient, stall}
	})
	if endpoint := s.client.Options().BaseEndpoint; endpoint != nil {
		if u, err := url.Parse(*endpoint); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			return nil, &Error{Op: "open", Path: location, Err: wrongSetting(fmt.Sprintf("AWS_ENDPOINT_URL=%s: want http://HOST:PORT or https://HOST", *endpoint), nil)}
		}
	}
	return s, nil
}

// defaultRegion is what servers that know no regions are called.
const defaultRegion = "us-east-1"

// splitS3 reads "s3://bucket/prefix"; the prefix gets a slash at its end.
func splitS3(location string) (bucket, prefix string, err error) {
	bucket, prefix, _ = strings.Cut(strings.TrimPrefix(location, S3Scheme), "/")
	prefix = strings.Trim(prefix, "/")
	if bucket == "" || strings.ContainsAny(bucket, "?#@: ") {
		return "", "", fmt.Errorf("want s3://BUCKET or s3://BUCKET/PREFIX: %w", fs.ErrInvalid)
	}
	if prefix == "" {
		return bucket, "", nil
	}
	if err := checkName(prefix); err != nil {
		return "", "", err
	}
	return bucket, prefix + "/", nil
}

func isAWS(endpoint string) bool {
	u, err := url.Parse(endpoint)
	return err == nil && (strings.HasSuffix(u.Hostname(), ".amazonaws.com") || strings.HasSuffix(u.Hostname(), ".amazonaws.com.cn"))
}

// Path is the object's URL.
func (s *S3) Path(name string) string {
	return S3Scheme + path.Join(s.bucket, s.prefix, name)
}

func (s *S3) key(name string) *string { return aws.String(s.prefix + name) }

func (s *S3) fail(op, name string, err error) error {
	if err == nil {
		return nil
	}
	return &Error{Op: op, Path: s.Path(name), Err: s3Cause(err)}
}

// Stat implements [Store].
func (s *S3) Stat(ctx context.Context, name string) (Info, error) {
	head, err := s.head(ctx, name)
	if err != nil {
		return Info{}, s.fail("stat", name, err)
	}
	return Info{Name: name, Size: aws.ToInt64(head.ContentLength)}, nil
}

func (s *S3) head(ctx context.Context, name string) (*s3.HeadObjectOutput, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	return s.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &s.bucket, Key: s.key(name)})
}

// List implements [Store].
func (s *S3) List(ctx context.Context, prefix string) ([]Info, error) {
	if i := strings.LastIndexByte(prefix, '/'); i >= 0 {
		if err := checkName(prefix[:i]); err != nil {
			return nil, s.fail("list", prefix, err)
		}
	}
	var out []Info
	pages := s3.NewListObjectsV2Paginator(s.client, &s3.ListObjectsV2Input{Bucket: &s.bucket, Prefix: s.key(prefix)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, s.fail("list", prefix, err)
		}
		for _, o := range page.Contents {
			name := strings.TrimPrefix(aws.ToString(o.Key), s.prefix)
			if checkName(name) == nil { // not the "folders" that some programs make
				out = append(out, Info{Name: name, Size: aws.ToInt64(o.Size)})
			}
		}
	}
	return out, nil // S3 sorts by the keys' bytes, as we do
}

// Delete implements [Store].
func (s *S3) Delete(ctx context.Context, name string) error {
	if err := checkName(name); err != nil {
		return s.fail("delete", name, err)
	}
	_, err := s.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &s.bucket, Key: s.key(name)})
	if isNotFound(err) {
		err = nil
	}
	return s.fail("delete", name, err)
}

// Sweep implements [Store]. What interrupted writers leave here is unfinished
// uploads, which cost as much as objects and are in no list. A living one cannot be
// told from a dead one, so those go that are older than [staleAfter] by the
// server's clock: no object takes so long. Who may not list uploads cannot sweep;
// that is no error.
func (s *S3) Sweep(ctx context.Context, folders ...string) error {
	for _, folder := range folders {
		if err := checkName(folder); err != nil {
			return s.fail("sweep", folder, err)
		}
		if err := s.sweep(ctx, folder+"/", nil); err != nil {
			return s.fail("sweep", folder, err)
		}
	}
	return s.fail("sweep", "", s.sweep(ctx, "", aws.String("/")))
}

func (s *S3) sweep(ctx context.Context, prefix string, delimiter *string) error {
	return s.dropUploads(ctx, prefix, delimiter, func(_ string, age time.Duration) bool { return age > s.staleAfter })
}

// dropUploads drops the unfinished uploads below a prefix that are dead by their
// object's name and their age on the server's clock, which is 0 where it is not
// known.
func (s *S3) dropUploads(ctx context.Context, prefix string, delimiter *string, dead func(name string, age time.Duration) bool) error {
	pages := s3.NewListMultipartUploadsPaginator(s.client, &s3.ListMultipartUploadsInput{Bucket: &s.bucket, Prefix: s.key(prefix), Delimiter: delimiter})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if isRefused(err) {
			return nil
		}
		if err != nil {
			return err
		}
		now := serverTime(page.ResultMetadata)
		for _, u := range page.Uploads {
			var age time.Duration
			if u.Initiated != nil && !now.IsZero() {
				age = now.Sub(*u.Initiated)
			}
			if key := aws.ToString(u.Key); dead(strings.TrimPrefix(key, s.prefix), age) {
				if err := s.dropUpload(ctx, key, aws.ToString(u.UploadId)); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (s *S3) dropUpload(ctx context.Context, key, id string) error {
	_, err := s.client.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: &s.bucket, Key: &key, UploadId: &id})
	if isNotFound(err) || isDropped(err) {
		return nil // ended meanwhile
	}
	return err
}
