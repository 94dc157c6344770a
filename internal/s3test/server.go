// Package s3test runs a real S3 server for tests (versitygw over a folder), and a
// proxy before it that makes trouble.
package s3test

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/http"
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
	s, stop, err := Launch(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	s.Use(t, s.Endpoint)
	return s
}

// Use points AWS's settings of this process at an endpoint before the server.
func (s *Server) Use(t testing.TB, endpoint string) {
	t.Helper()
	for name, value := range Env(endpoint) {
		t.Setenv(name, value)
		if value == "" {
			_ = os.Unsetenv(name) // t.Setenv puts it back
		}
	}
}

// Env are the settings by which AWS's tools find the server at an endpoint.
func Env(endpoint string) map[string]string {
	return map[string]string{"AWS_ENDPOINT_URL": endpoint, "AWS_ACCESS_KEY_ID": AccessKey, "AWS_SECRET_ACCESS_KEY": SecretKey,
		"AWS_REGION": "us-east-1", "AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull, "AWS_PROFILE": "", "AWS_MAX_ATTEMPTS": ""}
}

// Launch runs a server in a folder until stop is called.
func Launch(dir string) (s *Server, stop func(), err error) { return launch(dir, freeAddress) }

// launch tries again where somebody took the address before the server did.
func launch(dir string, address func() (string, error)) (s *Server, stop func(), err error) {
	program, err := find()
	if err != nil {
		return nil, nil, err
	}
	for _, d := range []string{"data/" + Bucket, "sidecar"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			return nil, nil, err
		}
	}
	for range 5 {
		at, err := address()
		if err != nil {
			return nil, nil, err
		}
		s, stop, err = serve(program, dir, at)
		if !errors.Is(err, errTaken) {
			return s, stop, err
		}
	}
	return nil, nil, errTaken
}

var errTaken = errors.New("the address of the S3 server is taken")

func serve(program, dir, address string) (s *Server, stop func(), err error) {
	s = &Server{Endpoint: "http://" + address, Dir: filepath.Join(dir, "data"), Log: filepath.Join(dir, "access.log")}
	log, err := os.Create(filepath.Join(dir, "server.log"))
	if err != nil {
		return nil, nil, err
	}
	defer log.Close() // the server has it
	// Who else listens there does not know this path.
	health := "/" + rand.Text()
	// Attributes in files: not all folders for temporary files have extended ones.
	cmd := exec.Command(program, "--port", address, "--access", AccessKey, "--secret", SecretKey, "--quiet", "--health", health,
		"--access-log", s.Log, "posix", "--sidecar", filepath.Join(dir, "sidecar"), s.Dir)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return nil, nil, err
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	stop = func() {
		_ = cmd.Process.Kill() // its folder goes with the test
		<-ended
	}
	err = answers(s.Endpoint+health, ended)
	if err == nil {
		return s, stop, nil
	}
	stop()
	said, _ := os.ReadFile(log.Name())
	if strings.Contains(string(said), syscall.EADDRINUSE.Error()) {
		return nil, nil, errTaken
	}
	return nil, nil, fmt.Errorf("versitygw does not serve: %w: %s", err, said)
}

// answers waits until a server does.
func answers(url string, ended <-chan struct{}) error {
	client := &http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	for try := 0; ; try++ {
		r, err := client.Get(url) //nolint:noctx // the client's timeout ends it
		if err == nil {
			_ = r.Body.Close()
			if r.StatusCode == http.StatusOK {
				return nil
			}
			err = errors.New(r.Status)
		}
		select {
		case <-ended:
			return errors.New("it ended")
		case <-time.After(20 * time.Millisecond):
		}
		if try > 1500 { // half a minute
			return err
		}
	}
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
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
