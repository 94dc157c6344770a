package storage

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

const canSyncAll = true

// syncAll makes durable all of the file system that a folder is on. Since Linux 5.8
// it also tells of what could not be written.
func syncAll(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(unix.Syncfs(int(d.Fd())), d.Close())
}
