package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"micodata/internal/s3test"
)

// kills is how often the tests of crashes on S3 kill: few each time, and as many as
// TEST_KILLS says in a soak (make soak).
func kills(t *testing.T) int {
	t.Helper()
	text := os.Getenv("TEST_KILLS")
	if text == "" {
		return 6
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// Killed while it writes a set to S3, over a connection that loses a fifth of all
// requests in all ways, and run again each time, shard ends with the set that it writes into
// a folder, byte for byte: no row is lost and none is there twice.
func TestShardKilledOnS3(t *testing.T) {
	killShard(t, kills(t), sources(t), "--frames", "2", "--shard-bytes", "1048576", "--row-group-bytes", "262144")
}

// The same where shards are so large that they are uploaded in parts.
func TestLargeShardKilledOnS3(t *testing.T) {
	if os.Getenv("TEST_KILLS") == "" {
		t.Skip("a set of 100 MB: make soak")
	}
	killShard(t, max(1, kills(t)/5), filepath.Join("..", "..", "testdata", "media"), "--frames", "8", "--shard-bytes", "50331648", "--row-group-bytes", "16777216")
}

// killShard makes a dataset of src, and kills shard with its settings so many times.
func killShard(t *testing.T, wanted int, src string, frames, count string, settings ...string) {
	server := s3test.Start(t)
	proxy := s3test.NewProxy(t, server, s3test.Trouble(0.2, 3))
	t.Setenv("AWS_ENDPOINT_URL", proxy.Endpoint)

	whole := filepath.Join(t.TempDir(), "whole")
	made := command(t, src, whole, 2)
	made.Args = append(made.Args, frames, count)
	complete(t, made)
	shard := func(out string) *exec.Cmd {
		cmd := exec.Command("micodata", append([]string{"shard", filepath.Join(whole, datasetInSet), "-o", out, "--allow-failures"}, settings...)...)
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		return cmd
	}
	local := filepath.Join(t.TempDir(), "local")
	complete(t, shard(local))
	want := fingerprints(t, local)
	if len(want) < 4 {
		t.Fatalf("only %d files: %v", len(want), want)
	}

	begin := time.Now()
	complete(t, shard("s3://"+s3test.Bucket+"/unharmed"))
	took := time.Since(begin)
	at := func(prefix string) string { return filepath.Join(server.Dir, s3test.Bucket, prefix) }
	same(t, "unharmed", fingerprints(t, at("unharmed")), want)

	rng := rand.New(rand.NewPCG(5, 6))
	killed := 0
	for round := 0; killed < wanted; round++ {
		if round == 2*wanted {
			t.Fatalf("only %d of %d kills hit a running command", killed, wanted)
		}
		prefix := fmt.Sprint("killed/", round)
		for ended := false; !ended && killed < wanted; {
			if ended = killOnce(t, shard("s3://"+s3test.Bucket+"/"+prefix), time.Duration(rng.Float64()*float64(took))); !ended {
				killed++
			} else {
				took = took * 4 / 5 // the machine has become faster
			}
		}
		complete(t, shard("s3://"+s3test.Bucket+"/"+prefix))
		same(t, fmt.Sprintf("after %d kills", killed), fingerprints(t, at(prefix)), want)
	}
	total, each := proxy.Counts()
	t.Logf("%d kills, %d faults %v", killed, total, each)
}
