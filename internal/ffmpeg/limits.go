package ffmpeg

import "time"

// Limits bound one process. A zero field takes its default.
type Limits struct {
	// Timeout is the longest run time. Default 6 h: a day of 1080p video takes
	// one core some three hours to decode.
	Timeout time.Duration

	// Stall is the longest time in which none of the pipes still open moves a
	// byte while we wait on all of them. Default 5 min: a filter that drops
	// frames may be silent for long on a loaded machine, a hang is for ever.
	Stall time.Duration

	// MemoryBytes bounds the address space (RLIMIT_AS). Default 8 GiB: 8K HEVC
	// on 16 threads needs about 3, and glibc sets 64 MiB aside per thread.
	MemoryBytes uint64

	// FileBytes bounds each file written (RLIMIT_FSIZE). Default 64 GiB, which
	// is above the largest source taken by default.
	FileBytes uint64
}

func (l Limits) withDefaults() Limits {
	if l.Timeout == 0 {
		l.Timeout = 6 * time.Hour
	}
	if l.Stall == 0 {
		l.Stall = 5 * time.Minute
	}
	if l.MemoryBytes == 0 {
		l.MemoryBytes = 8 << 30
	}
	if l.FileBytes == 0 {
		l.FileBytes = 64 << 30
	}
	return l
}
