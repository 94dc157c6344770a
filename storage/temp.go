package storage

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Unfinished files are named ".<stem>.<kernel><chance>.tmp": a tag of the kernel
// that their writer runs on, and chance, in base32. No object is named so.
const (
	tmpSuffix = ".tmp"
	kernelLen = 4
	chanceLen = 6
	digits    = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
	// fetchPrefix begins the names of ingest's downloads, which may lie at the
	// top of a dataset.
	fetchPrefix = "micodata-fetch-"
)

// isTemp tells a file that only this program makes, and that is nothing yet.
func isTemp(base string) bool {
	rest, ok := strings.CutSuffix(base, tmpSuffix)
	if !ok {
		return false
	}
	i := strings.LastIndexByte(rest, '.')
	return strings.HasPrefix(rest, fetchPrefix) ||
		i > 1 && rest[0] == '.' && len(rest)-i-1 == kernelLen+chanceLen && strings.Trim(rest[i+1:], digits) == ""
}

// writtenHere tells whether the writer of an unfinished file runs, or ran, on
// this kernel, so that this kernel knows of its lock whatever the file system.
// Names of downloads do not tell.
func writtenHere(base string) bool {
	if strings.HasPrefix(base, fetchPrefix) {
		return true
	}
	tag := len(base) - len(tmpSuffix) - kernelLen - chanceLen
	return base[tag:tag+kernelLen] == kernelTag()
}

// kernelTag names the running kernel, by the id that Linux draws at each boot.
func kernelTag() string {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		name, _ := os.Hostname() // without a name, all such hosts are one
		id = []byte(name)
	}
	sum := sha256.Sum256(id)
	return base32.StdEncoding.EncodeToString(sum[:])[:kernelLen]
}

// temps makes unfinished files and folders. Tests put file systems that are not
// at hand in place of its functions.
type temps struct {
	flock   func(fd, how int) error
	syncDir func(dir string) error
	syncAll func(dir *os.File) error
}

// CreateTemp makes a file in dir for what is no object yet, such as a download.
// It is the caller's to remove; what a crash leaves of it falls to
// [Store.Sweep] if dir is the top of a local store or a folder there.
func CreateTemp(dir, stem string) (*os.File, error) {
	return temps{unix.Flock, syncDir, syncAll}.create(dir, stem)
}

// create makes an unfinished file and locks it: the lock goes with the process.
func (t temps) create(dir, stem string) (*os.File, error) {
	stem = stem[:min(len(stem), 200)] // names have at most 255 bytes
	for range 100 {                   // it takes a second try in some millions
		// Not os.CreateTemp: its mode 0600 would lock out those whom the umask lets in.
		name := filepath.Join(dir, "."+stem+"."+kernelTag()+rand.Text()[:chanceLen]+tmpSuffix)
		f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o666)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if err := t.lock(f, unix.LOCK_EX); err != nil && !noLocks(err) {
			return nil, errors.Join(fmt.Errorf("lock: %w", err), os.Remove(name), f.Close())
		}
		// Before it was locked, a sweeper may have locked and removed it.
		if stillNamed(f) {
			return f, nil
		}
		f.Close() // empty
	}
	return nil, fmt.Errorf("make a temporary file in %s: each was removed at once", dir)
}

func stillNamed(f *os.File) bool {
	open, err := f.Stat()
	if err != nil {
		return false
	}
	named, err := os.Lstat(f.Name())
	return err == nil && os.SameFile(open, named)
}

func (t temps) lock(f *os.File, how int) error {
	for {
		if err := t.flock(int(f.Fd()), how); !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}

// noLocks tells the errors of file systems that know no locks, such as Lustre
// without -o flock and NFS without a lock daemon.
func noLocks(err error) bool {
	return errors.Is(err, syscall.ENOSYS) || errors.Is(err, syscall.ENOTSUP) || errors.Is(err, syscall.ENOLCK)
}

// mkdirAll makes a folder and those above it that are missing. What is synced
// into a folder is not safe until the folder's own name is.
func (t temps) mkdirAll(dir string) error {
	var missing []string
	for d := dir; d != filepath.Dir(d); d = filepath.Dir(d) {
		if _, err := os.Stat(d); !errors.Is(err, fs.ErrNotExist) {
			break // it is there, or MkdirAll meets the same error
		}
		missing = append(missing, d)
	}
	err := os.MkdirAll(dir, 0o777)
	if errors.Is(err, fs.ErrExist) { // neither a folder, nor a file, which is another error
		err = errors.New("a link there leads nowhere: make the folder that it names, or remove it")
	}
	if err != nil {
		return err
	}
	for _, d := range missing {
		if err := t.syncDir(filepath.Dir(d)); err != nil {
			return err
		}
	}
	return nil
}

// syncDir makes the names in a folder durable where that can be asked for: some
// CIFS and FUSE mounts refuse to sync folders.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	err = d.Sync()
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.ENOTSUP) {
		err = nil
	}
	return errors.Join(err, d.Close())
}
