package main

import (
	"os"
	"strings"
	"testing"
)

// A place in a bucket that is written wrong makes no folder, and a setting of AWS'
// that is wrong is the user's mistake.
func TestWrongLocations(t *testing.T) {
	t.Chdir(t.TempDir())
	t.Setenv("AWS_CA_BUNDLE", "/nonexistent")
	for location, words := range map[string]string{
		"s3:bkt/x":   "s3://bkt/x",
		"s3:/bkt/x":  "s3://bkt/x",
		"s3://":      "s3://BUCKET",
		"s3://bkt/x": "AWS_CA_BUNDLE=/nonexistent: no such file",
	} {
		_, err := openStore(t.Context(), location, datasetMark, true)
		if exitCode(err) != exitUsage || !strings.Contains(err.Error(), words) {
			t.Errorf("%s: exit code %d: %v", location, exitCode(err), err)
		}
	}
	if left, err := os.ReadDir("."); err != nil || len(left) > 0 {
		t.Errorf("made %v, %v", left, err)
	}
	if _, err := openStore(t.Context(), "./s3:bkt", datasetMark, true); err != nil {
		t.Errorf("a folder of such a name: %v", err)
	}
}
