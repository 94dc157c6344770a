package storage

import (
	"os"

	"golang.org/x/sys/unix"
)

const canSyncAll = true

// syncAll makes durable all of the file system that an open folder is on. Since Linux
// 5.8 it also tells of what could not be written since the folder was opened.
func syncAll(d *os.File) error { return unix.Syncfs(int(d.Fd())) }
