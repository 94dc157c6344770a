//go:build cgo && !linux

package gpu

// preload is of Linux: CUDA runs nowhere else that micodata does.
func preload(string) error { return nil }
