package ffmpeg

import (
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// BatchScheduling gives this process, and so all that it starts, the policy
// SCHED_BATCH (sched(7)): whoever is woken by a write to a pipe waits for its
// turn. Otherwise a reader may interrupt the writer at each 32 KiB that ffmpeg
// writes at a time, where it could take a whole pipe of them at once; that
// costs four times as many context switches, and a tenth of all CPU. A policy
// or a niceness that somebody chose stays as it is. To be called first, before
// there are threads that start others.
func BatchScheduling() {
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return
	}
	for _, t := range threads {
		id, err := strconv.Atoi(t.Name())
		if err != nil {
			continue
		}
		attr, err := unix.SchedGetAttr(id, 0)
		if err != nil || attr.Policy != unix.SCHED_NORMAL {
			continue
		}
		attr.Policy = unix.SCHED_BATCH
		_ = unix.SchedSetAttr(id, attr, 0) // as it was is slower, and not wrong
	}
}
