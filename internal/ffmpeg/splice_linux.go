package ffmpeg

import (
	"errors"
	"io"
	"os"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"
)

// spliceFrom copies what r is: the rest of a child's output that [io.CopyN] may
// take. It appends that to kept, too, if kept is not nil. If r is anything else,
// it does nothing, and ok is false.
func spliceFrom(in *input, r io.Reader, kept *[]byte) (n int64, ok bool, err error) {
	l, ok := r.(*io.LimitedReader)
	if !ok {
		return 0, false, nil
	}
	out, ok := l.R.(*output)
	if !ok {
		return 0, false, nil
	}
	n, err = in.splice(out, l.N, kept)
	l.N -= n
	return n, true, err
}

// splice moves up to n bytes from a child's output, appending them to kept, too,
// if that is not nil. Less than n without an error is the end of the output.
//
// The kernel hands the pages that one child has written to the other (splice(2)),
// or a reference to them (tee(2)), where a copy through this process would pass
// over them twice.
func (in *input) splice(out *output, n int64, kept *[]byte) (moved int64, err error) {
	from, err := out.file.SyscallConn()
	if err != nil {
		return 0, err
	}
	to, err := in.file.SyscallConn()
	if err != nil {
		return 0, err
	}
	in.widenFor(int(n))
	out.widenFor(int(n))
	hand := splice
	if kept != nil {
		*kept, hand = slices.Grow(*kept, int(n)), tee
	}
	for moved < n {
		if err := awaitBoth(in, out, from, to); err != nil {
			return moved, err
		}
		k, err := handOver(from, to, n-moved, hand)
		switch {
		case errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return moved, err
		case k == 0:
			return moved, nil
		}
		if kept != nil {
			end := len(*kept)
			*kept = (*kept)[:end+int(k)]
			if _, err := io.ReadFull(out, (*kept)[end:]); err != nil {
				return moved, err
			}
		}
		moved += k
	}
	return moved, nil
}

// awaitBoth waits until there is something to read and room to write.
func awaitBoth(in *input, out *output, from, to syscall.RawConn) error {
	out.pulse.enter()
	err := from.Read(func(fd uintptr) bool { return isReady(fd, unix.POLLIN) })
	out.pulse.leave()
	if err != nil {
		return err
	}
	in.pulse.enter()
	defer in.pulse.leave()
	return to.Write(func(fd uintptr) bool { return isReady(fd, unix.POLLOUT) })
}

// isReady tells whether a call would not block, also because it would fail.
func isReady(fd uintptr, event int16) bool {
	n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: event}}, 0)
	return n > 0 || err != nil && err != unix.EINTR
}

// handOver makes one call of hand, which does not block, for up to n bytes.
func handOver(from, to syscall.RawConn, n int64, hand func(r, w, n int) (int64, error)) (k int64, err error) {
	var toErr error
	fromErr := from.Control(func(r uintptr) {
		toErr = to.Control(func(w uintptr) { k, err = hand(int(r), int(w), int(min(n, pipeBytes))) })
	})
	if fromErr != nil {
		return 0, fromErr
	}
	if toErr != nil {
		return 0, toErr
	}
	return max(0, k), err // k is -1 with an error
}

func splice(r, w, n int) (int64, error) {
	k, err := unix.Splice(r, nil, w, nil, n, unix.SPLICE_F_MOVE|unix.SPLICE_F_NONBLOCK)
	return k, os.NewSyscallError("splice", err)
}

func tee(r, w, n int) (int64, error) {
	k, err := unix.Tee(r, w, n, unix.SPLICE_F_NONBLOCK)
	return k, os.NewSyscallError("tee", err)
}
