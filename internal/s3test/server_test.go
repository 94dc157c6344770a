package s3test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// Where another server took the address, ours takes another, and is not mistaken
// for it.
func TestLaunchWhereTheAddressIsTaken(t *testing.T) {
	stranger := httptest.NewServer(http.NotFoundHandler())
	defer stranger.Close()
	tries := 0
	s, stop, err := launch(t.TempDir(), func() (string, error) {
		if tries++; tries == 1 {
			return strings.TrimPrefix(stranger.URL, "http://"), nil
		}
		return freeAddress()
	})
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	if s.Endpoint == stranger.URL || tries != 2 {
		t.Errorf("it serves at %s, after %d tries; %s was taken", s.Endpoint, tries, stranger.URL)
	}
}
