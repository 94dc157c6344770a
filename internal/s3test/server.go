// Package s3test runs a real S3 server for tests (versitygw over a folder), and a
// proxy before it that makes trouble.
package s3test

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Credentials of the server.
const (
	AccessKey = "micodata-test"
	SecretKey = "not-a-secret"
	Bucket    = "bucket"
)

// Server is a running server.
type Server struct {
	Endpoint string // its URL
	Dir      string // what it serves: buckets are folders in it
	Log      string // the file of its access log
}

// Start runs a server with one empty bucket for the length of a test, and points
// AWS's settings of this process at it.
func Start(t testing.TB) *Server {
	t.Helper()
	s := run(t)
	s.Use(t, s.Endpoint)
	return s
}

// Use points AWS's settings of this process at an endpoint before the server.
func (s *Server) Use(t testing.TB, endpoint string) {
	t.Helper()
	for name, value := range s.Env(endpoint) {
		setenv(t, name, value)
	}
}

// Env are the settings by which AWS's tools find the server at an endpoint.
func (s *Server) Env(endpoint string) map[string]string {
	return map[string]string{"AWS_ENDPOINT_URL": endpoint, "AWS_ACCESS_KEY_ID": AccessKey, "AWS_SECRET_ACCESS_KEY": SecretKey,
		"AWS_REGION": "us-east-1", "AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull, "AWS_PROFILE": "", "AWS_MAX_ATTEMPTS": ""}
}

func setenv(t testing.TB, name, value string) {
	t.Setenv(name, value)
	if value == "" {
		_ = os.Unsetenv(name) // t.Setenv puts it back
	}
}

func run(t testing.TB) *Server {
	t.Helper()
	program, err := find()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, d := range []string{"data/" + Bucket, "versions", "sidecar", "iam"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	s := &Server{Dir: filepath.Join(dir, "data"), Log: filepath.Join(dir, "access.log")}
	log, err := os.Create(filepath.Join(dir, "server.log"))
	if err != nil {
		t.Fatal(err)
	}
	address := freeAddress(t)
	s.Endpoint = "http://" + address
	// Attributes in files: not all folders for temporary files have extended ones.
	cmd := exec.Command(program, "--port", address, "--access", AccessKey, "--secret", SecretKey, "--quiet",
		"--access-log", s.Log, "posix", "--sidecar", filepath.Join(dir, "sidecar"), s.Dir)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // its folder goes with the test
		<-ended
		_ = log.Close()
	})
	for try := 0; ; try++ {
		c, err := (&net.Dialer{}).DialContext(context.Background(), "tcp", address)
		if err == nil {
			_ = c.Close()
			return s
		}
		select {
		case <-ended:
			err = fmt.Errorf("it ended")
		case <-time.After(20 * time.Millisecond):
			if try < 1500 { // half a minute
				continue
			}
		}
		said, _ := os.ReadFile(log.Name())
		t.Fatalf("versitygw does not serve: %v: %s", err, said)
	}
}

// find finds the server that make setup installs.
func find() (string, error) {
	cache := os.Getenv("XDG_CACHE_HOME")
	if cache == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", err
		}
		cache = filepath.Join(home, ".cache")
	}
	program := filepath.Join(cache, "micodata", "bin", "versitygw")
	if _, err := os.Stat(program); err != nil {
		return "", fmt.Errorf("no S3 server to test with: make setup-s3 installs %s", program)
	}
	return program, nil
}

func freeAddress(t testing.TB) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// Requests are the lines of the access log that hold all the words.
func (s *Server) Requests(t testing.TB, words ...string) (lines []string) {
	t.Helper()
	data, err := os.ReadFile(s.Log)
	if err != nil {
		t.Fatal(err)
	}
next:
	for line := range strings.SplitSeq(strings.TrimSpace(string(data)), "\n") {
		for _, w := range words {
			if !strings.Contains(line, w) {
				continue next
			}
		}
		lines = append(lines, line)
	}
	return lines
}
