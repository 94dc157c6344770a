package main

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"micodata/internal/testmedia"
)

// sources makes a small folder of odd and plain videos, some of which fail.
func sources(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for i, name := range []string{"two_languages", "text_named_mp4", "vfr", "no_audio"} {
		data, err := os.ReadFile(testmedia.File(t, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%d-%s.mp4", i, name)), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// command is a run over several small parts, so that there is much to interrupt.
func command(t *testing.T, src, out string, workers int) *exec.Cmd {
	t.Helper()
	models, err := filepath.Abs("../../models")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("micodata", "run", src, "-o", out, "--model-dir", models, "--part-sources", "2",
		"--min-clip", "0.5s", "--geometry", "frames", "--frames", "2", "--allow-failures", "--workers", fmt.Sprint(workers))
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return cmd
}

func complete(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	if msg, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", cmd.Args, err, msg)
	}
}

// fingerprints hashes every file that is promised to be the same: the parts, the
// shards and the index. Accounts differ from run to run.
func fingerprints(t *testing.T, out string) map[string]string {
	t.Helper()
	sums := map[string]string{}
	err := filepath.WalkDir(out, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		name, err := filepath.Rel(out, path)
		if err != nil {
			return err
		}
		if strings.HasSuffix(name, ".tmp") {
			t.Errorf("a temporary file stayed: %s", name)
		}
		isSame := strings.HasSuffix(name, ".parquet") || name == "README.md" || strings.HasPrefix(name, "assets")
		if !isSame { // what a run cost is in the others
			return nil
		}
		data, err := os.ReadFile(path)
		sums[name] = fmt.Sprintf("%x", sha256.Sum256(data))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return sums
}

func same(t *testing.T, what string, got, want map[string]string) {
	t.Helper()
	for name, sum := range want {
		if got[name] != sum {
			t.Errorf("%s: %s differs", what, name)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%s: %d files, want %d", what, len(got), len(want))
	}
}

// Killed at 20 random moments and run again each time, the result is that of a
// run that nobody touched, byte for byte; so it is with 1, 2 and 4 workers.
func TestKilledAndResumedGivesTheSameBytes(t *testing.T) {
	src := sources(t)
	whole := filepath.Join(t.TempDir(), "whole")
	begin := time.Now()
	complete(t, command(t, src, whole, 1))
	took := time.Since(begin)
	want := fingerprints(t, whole)
	if len(want) < 2*4+2 { // 2 parts of 4 stages, a shard, the index
		t.Fatalf("only %d files: %v", len(want), want)
	}
	for _, workers := range []int{2, 4} {
		out := filepath.Join(t.TempDir(), "out")
		complete(t, command(t, src, out, workers))
		same(t, fmt.Sprintf("%d workers", workers), fingerprints(t, out), want)
	}

	rng := rand.New(rand.NewPCG(1, 2))
	kills := 0
	for round := 0; kills < 20; round++ {
		if round == 20 {
			t.Fatalf("only %d of 20 kills hit a running command", kills)
		}
		out := filepath.Join(t.TempDir(), fmt.Sprint(round))
		for ended := false; !ended && kills < 20; {
			ended = killOnce(t, command(t, src, out, 1+kills%4), time.Duration(rng.Float64()*float64(took)))
			if !ended {
				kills++
				checkPartial(t, out)
			} else {
				took = took * 4 / 5 // the machine has become faster
			}
		}
		complete(t, command(t, src, out, 2))
		same(t, fmt.Sprintf("after %d kills", kills), fingerprints(t, out), want)
	}
}

// killOnce kills the command after a while, which leaves its ffmpegs to themselves; it tells whether the
// command had ended before.
func killOnce(t *testing.T, cmd *exec.Cmd, after time.Duration) (ended bool) {
	t.Helper()
	var said bytes.Buffer
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	select {
	case err := <-done:
		if err != nil {
			t.Fatalf("%v: %s", err, &said)
		}
		return true
	case <-time.After(after):
		if err := syscall.Kill(cmd.Process.Pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			t.Fatal(err)
		}
		<-done
		return false
	}
}

// checkPartial looks at what a kill left: every committed file is whole.
func checkPartial(t *testing.T, out string) {
	t.Helper()
	err := filepath.WalkDir(out, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // killed before it made the folder
		}
		if err != nil || !strings.HasSuffix(path, ".parquet") {
			return err
		}
		data, err := os.ReadFile(path)
		if err == nil && (len(data) < 12 || !bytes.HasPrefix(data, []byte("PAR1")) || !bytes.HasSuffix(data, []byte("PAR1"))) {
			t.Errorf("a kill left half of %s", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// The first Ctrl-C ends what runs and commits it; the next run goes on.
func TestInterruptCommitsAndResumes(t *testing.T) {
	src, out := sources(t), filepath.Join(t.TempDir(), "out")
	cmd := command(t, src, out, 1)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	part := filepath.Join(out, ".dataset", "ingest", "part-00000.parquet")
	for range 3000 {
		if _, err := os.Stat(part); err == nil {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) || exit.ExitCode() != exitInterrupted {
		t.Fatalf("got %v\n%s", err, stderr.String())
	}
	if !strings.Contains(stderr.String(), "interrupted; the same command goes on from here") {
		t.Errorf("stderr: %s", stderr.String())
	}
	if _, err := os.Stat(filepath.Join(out, "manifest.json")); err == nil {
		t.Error("an interrupted run finished its set")
	}
	complete(t, command(t, src, out, 2))
	if _, err := os.Stat(filepath.Join(out, "manifest.json")); err != nil {
		t.Error(err)
	}
}

// The second interrupt ends the process whatever it does, even where it does not
// look up: here it waits for a settings file that nobody writes.
func TestInterruptedTwiceEnds(t *testing.T) {
	fifo := filepath.Join(t.TempDir(), "micodata.yaml")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("micodata", "doctor", "--config", fifo)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var w *os.File
	err := errors.New("not begun")
	for begun := time.Now(); err != nil && time.Since(begun) < time.Minute; time.Sleep(10 * time.Millisecond) {
		w, err = os.OpenFile(fifo, os.O_WRONLY|syscall.O_NONBLOCK, 0) // ENXIO until it reads
	}
	if err != nil {
		t.Fatal(errors.Join(err, cmd.Process.Kill(), cmd.Wait()))
	}
	defer w.Close()
	for range 2 {
		if err := cmd.Process.Signal(os.Interrupt); err != nil {
			t.Fatal(err)
		}
		time.Sleep(300 * time.Millisecond) // two at once are one
	}
	second := time.Now()
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) || exit.ExitCode() != exitInterrupted {
		t.Errorf("ended with %v", err)
	}
	if took := time.Since(second); took > lastGrace/2 {
		t.Errorf("ended %v after the second interrupt", took)
	}
}
