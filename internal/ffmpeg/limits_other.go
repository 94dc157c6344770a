//go:build !linux

package ffmpeg

import "os"

// maxRSSUnit is the unit of Rusage.Maxrss in bytes on the BSDs and macOS.
const maxRSSUnit = 1

// apply does nothing: another process's limits can be set on Linux only. The
// limits of time hold everywhere.
func (l Limits) apply(int) error { return nil }

func widen(*os.File) {}

// BatchScheduling does nothing: the policy is Linux's.
func BatchScheduling() {}
