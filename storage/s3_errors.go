package storage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
)

// s3Fault is what a request ended with, without the wrapping of AWS's library: a
// line for users, and what callers branch on.
type s3Fault struct {
	text string
	kind error // nil, or of io/fs
	err  error
}

func (f *s3Fault) Error() string { return f.text }

// Unwrap leaves out that a connection ended: callers read of an object's end in it.
func (f *s3Fault) Unwrap() []error {
	return slices.DeleteFunc([]error{f.kind, f.err}, func(err error) bool {
		return err == nil || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
	})
}

// settingsFault names the setting that AWS' library could not make sense of.
func settingsFault(err error) error {
	var file *fs.PathError
	var profile config.SharedConfigProfileNotExistError
	switch bundle := os.Getenv("AWS_CA_BUNDLE"); {
	case errors.As(err, &file) && file.Path == bundle:
		return wrongSetting(fmt.Sprintf("AWS_CA_BUNDLE=%s: %v: name a PEM file, or unset it", bundle, file.Err), err)
	case bundle != "" && strings.Contains(err.Error(), "CA bundle"):
		return wrongSetting(fmt.Sprintf("AWS_CA_BUNDLE=%s: no certificates in it: name a PEM file, or unset it", bundle), err)
	case errors.As(err, &profile):
		return wrongSetting(fmt.Sprintf("AWS_PROFILE=%s: there is no such profile in AWS' settings files", profile.Profile), err)
	}
	return wrongSetting("AWS settings: "+err.Error(), err)
}

func wrongSetting(text string, err error) error {
	return &s3Fault{text: text, kind: fs.ErrInvalid, err: err}
}

// s3Cause says in one line what went wrong and what to do.
func s3Cause(err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		if cause := contextCause(err); cause != nil {
			return cause
		}
	}
	var own *s3Fault
	if errors.As(err, &own) || errors.Is(err, fs.ErrInvalid) || errors.Is(err, fs.ErrExist) || errors.Is(err, fs.ErrClosed) {
		return err
	}
	var api smithy.APIError
	code, words := "", ""
	if errors.As(err, &api) {
		code, words = api.ErrorCode(), api.ErrorMessage()
	}
	var status int
	var response *awshttp.ResponseError
	if errors.As(err, &response) {
		status = response.HTTPStatusCode()
	}
	fault := &s3Fault{err: err}
	switch {
	case errors.Is(err, errStalled):
		fault.text = errStalled.Error()
	case code == "NoSuchBucket":
		fault.text = "there is no such bucket: make it, or mind the name and the region"
	case isDropped(err):
		fault.text = "the upload was ended before it was whole: does a rule of the bucket end uploads early, or another run of the same command write it? (run it again: what is committed stays)"
	case isNotFound(err):
		fault.text, fault.kind = "there is no such object", fs.ErrNotExist
	case status == http.StatusForbidden || status == http.StatusUnauthorized:
		fault.text, fault.kind = fmt.Sprintf("%s: the credentials (AWS_ACCESS_KEY_ID, AWS_PROFILE) must allow it", orStatus(code, words, status)), fs.ErrPermission
	case status == http.StatusMovedPermanently, code == "PermanentRedirect", code == "AuthorizationHeaderMalformed", code == "IllegalLocationConstraintException":
		fault.text = "the bucket is in another region: set AWS_REGION"
		if region := serverRegion(response); region != "" {
			fault.text += " to " + region
		}
	case status == http.StatusRequestedRangeNotSatisfiable:
		fault.text = "the object is shorter than what is read of it: is it still what it was?"
	case code != "" || status != 0 && (status < 200 || status > 299):
		fault.text = orStatus(code, words, status)
	case strings.Contains(err.Error(), "get credentials"), strings.Contains(err.Error(), "no EC2 IMDS role found"):
		fault.text = "no credentials were found: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
	default:
		var dial *net.OpError
		if errors.As(err, &dial) {
			fault.text = fmt.Sprintf("no connection: %v (AWS_ENDPOINT_URL says where to)", dial)
		} else {
			fault.text = deepest(err).Error()
		}
	}
	return fault
}

func orStatus(code, words string, status int) string {
	switch {
	case code != "" && words != "":
		return code + ": " + strings.TrimSuffix(words, ".")
	case code != "":
		return code
	}
	return fmt.Sprintf("%d %s", status, http.StatusText(status))
}

// contextCause is the context's own error within another.
func contextCause(err error) error {
	for _, end := range []error{context.Canceled, context.DeadlineExceeded} {
		if errors.Is(err, end) {
			return end
		}
	}
	return nil
}

func deepest(err error) error {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err
		}
		err = inner
	}
}

// serverRegion is where the bucket is, by an answer that says so.
func serverRegion(r *awshttp.ResponseError) string {
	if r == nil || r.Response == nil {
		return ""
	}
	return r.Response.Header.Get("X-Amz-Bucket-Region")
}

// isNotFound tells that an object is not there.
func isNotFound(err error) bool {
	var api smithy.APIError
	return errors.As(err, &api) && (api.ErrorCode() == "NoSuchKey" || api.ErrorCode() == "NotFound")
}

// isDropped tells that an upload is not there any more.
func isDropped(err error) bool {
	var api smithy.APIError
	return errors.As(err, &api) && api.ErrorCode() == "NoSuchUpload"
}

// isRefused tells that a request is not allowed, or not known to the server.
func isRefused(err error) bool {
	var response *awshttp.ResponseError
	if !errors.As(err, &response) {
		return false
	}
	switch response.HTTPStatusCode() {
	case http.StatusForbidden, http.StatusNotImplemented, http.StatusMethodNotAllowed:
		return true
	}
	return false
}

// isTaken tells that a condition did not hold: the object is there.
func isTaken(err error) bool { return hasStatus(err, http.StatusPreconditionFailed) }

// isConflict tells that another request of the same key was under way.
func isConflict(err error) bool { return hasStatus(err, http.StatusConflict) }

func hasStatus(err error, status int) bool {
	var response *awshttp.ResponseError
	return errors.As(err, &response) && response.HTTPStatusCode() == status
}

// serverTime is the server's clock at an answer.
func serverTime(m middleware.Metadata) time.Time {
	t, _ := awsmiddleware.GetServerTime(m)
	return t
}
