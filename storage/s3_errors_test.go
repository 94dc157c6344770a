package storage

import (
	"errors"
	"fmt"
	"io"
	"testing"
)

// A connection that ended is no object that ended.
func TestFaultIsNoEndOfAnObject(t *testing.T) {
	for _, cause := range []error{io.EOF, io.ErrUnexpectedEOF} {
		err := fmt.Errorf("read: %w", &s3Fault{text: "the connection ended", err: fmt.Errorf("get: %w", cause)})
		if errors.Is(err, cause) {
			t.Errorf("%v is %v", err, cause)
		}
	}
}
