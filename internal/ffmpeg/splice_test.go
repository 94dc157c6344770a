package ffmpeg

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"testing"
	"time"
)

// pass lets one shell give data to another, by move, and returns what comes of
// the other, which runs script.
func pass(t *testing.T, data []byte, script string, move func(w io.Writer, r io.Reader) error) ([]byte, error) {
	t.Helper()
	giver, err := Start(t.Context(), "/bin/sh", Job{
		Args: []string{"-c", "exec cat <&3 >&4"}, Inputs: []Feed{Copy(bytes.NewReader(data))}, Outputs: 1,
	})
	if err != nil {
		t.Fatal(err)
	}
	getter, err := Start(t.Context(), "/bin/sh", Job{
		Args: []string{"-c", "exec " + script + " <&3 >&4"},
		Inputs: []Feed{func(_ context.Context, w io.Writer) error {
			defer giver.Output(0).Close()
			return move(w, giver.Output(0))
		}}, Outputs: 1,
	})
	if err != nil {
		t.Fatal(err)
	}
	got, readErr := io.ReadAll(getter.Output(0))
	err = errors.Join(readErr, getter.Wait())
	_ = giver.Wait() // it fails if the getter has had enough
	return got, err
}

func noise(t *testing.T, size int) []byte {
	t.Helper()
	data := make([]byte, size)
	if _, err := rand.NewChaCha8([32]byte{5}).Read(data); err != nil {
		t.Fatal(err)
	}
	return data
}

// Bytes that are read, moved between the children and kept by turns arrive in
// order, far more of them than pipes hold.
func TestSplice(t *testing.T) {
	data := noise(t, 20<<20)
	var kept []byte
	sizes := []int{1, 4095, 3 << 20, 7, 9<<20 + 1}
	got, err := pass(t, data, "cat", func(w io.Writer, r io.Reader) error {
		tee := &Tee{W: w}
		for _, size := range sizes {
			for _, to := range []io.Writer{w, tee} {
				head := make([]byte, 100)
				if _, err := io.ReadFull(r, head); err != nil {
					return err
				}
				if _, err := to.Write(head); err != nil {
					return err
				}
				if _, err := io.CopyN(to, r, int64(size)); err != nil && err != io.EOF {
					return err
				}
			}
		}
		kept = tee.Kept
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, data) {
		t.Errorf("%d bytes came, of %d; or others", len(got), len(data))
	}
	var want []byte
	at := 0
	for _, size := range sizes {
		at += 100 + size
		end := min(len(data), at+100+size)
		want = append(want, data[at:end]...)
		at = end
	}
	if !bytes.Equal(kept, want) {
		t.Errorf("%d bytes were kept, want %d; or others", len(kept), len(want))
	}
}

// What the giver has less than asked for is told, with and without a copy.
func TestSpliceOfTooLittle(t *testing.T) {
	data := noise(t, 3<<20)
	for _, isKept := range []bool{false, true} {
		var n int64
		var kept []byte
		got, err := pass(t, data, "cat", func(w io.Writer, r io.Reader) error {
			tee := &Tee{W: w}
			to := w
			if isKept {
				to = tee
			}
			var err error
			if n, err = io.CopyN(to, r, 4<<20); err != io.EOF {
				return errors.Join(errors.New("no end"), err)
			}
			kept = tee.Kept
			return nil
		})
		if err != nil || n != int64(len(data)) || !bytes.Equal(got, data) || isKept && !bytes.Equal(kept, data) {
			t.Errorf("kept %v: moved %d, kept %d, got %d of %d (%v)", isKept, n, len(kept), len(got), len(data), err)
		}
	}
}

// A child that has had enough ends the splice, which is no error of the feed's.
func TestSpliceToOneThatEnds(t *testing.T) {
	data := noise(t, 8<<20)
	for _, isKept := range []bool{false, true} {
		got, err := pass(t, data, "head -c 48000", func(w io.Writer, r io.Reader) error {
			if isKept {
				w = &Tee{W: w}
			}
			_, err := io.CopyN(w, r, int64(len(data)))
			if err == nil {
				err = errors.New("all went")
			}
			return err
		})
		if err != nil || !bytes.Equal(got, data[:48000]) {
			t.Errorf("kept %v: %d bytes (%v)", isKept, len(got), err)
		}
	}
}

// While a splice waits for a child that gives nothing, it is that which has stalled.
func TestStallWhileSplicing(t *testing.T) {
	giver, err := Start(t.Context(), "/bin/sh", Job{
		Args: []string{"-c", "head -c 5000 /dev/zero >&3; sleep 60"}, Outputs: 1, Limits: Limits{Stall: 20 * time.Millisecond}})
	if err != nil {
		t.Fatal(err)
	}
	getter, err := Start(t.Context(), "/bin/sh", Job{Args: []string{"-c", "cat <&3 >/dev/null"},
		Inputs: []Feed{func(_ context.Context, w io.Writer) error {
			_, err := io.CopyN(w, giver.Output(0), 1<<20)
			if err == io.EOF {
				return nil
			}
			return err
		}}})
	if err != nil {
		t.Fatal(err)
	}
	getErr := getter.Wait()
	var timeout *TimeoutError
	if err := giver.Wait(); !errors.As(err, &timeout) || !timeout.Stalled || getErr != nil {
		t.Errorf("giver: %v; getter: %v", err, getErr)
	}
}
