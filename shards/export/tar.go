package export

import (
	"archive/tar"
	"bufio"
	"context"
	"errors"
	"path"
	"strings"

	"micodata/storage"
)

// tarName is the tar file of a shard of the set.
func tarName(shard string) string { return strings.TrimSuffix(path.Base(shard), ".parquet") + ".tar" }

// sink puts the files of a shard's clips into a tar file. It does nothing where the
// format has none.
type sink struct {
	members bool // it has some
	object  storage.Writer
	bytes   int64 // written to object
	buf     *bufio.Writer
	tar     *tar.Writer // nil if there is nothing to do
}

// newSink opens the tar file of a shard.
func (x *exporter) newSink(ctx context.Context, shard string) (*sink, error) {
	s := &sink{}
	if !x.tars {
		return s, nil
	}
	var err error
	if s.object, err = x.Out.Create(ctx, tarName(shard), storage.Replace); err != nil {
		return nil, err
	}
	s.buf = bufio.NewWriterSize(s, 1<<20)
	s.tar = tar.NewWriter(s.buf)
	return s, nil
}

// Write counts what goes to the file.
func (s *sink) Write(p []byte) (int, error) {
	s.bytes += int64(len(p))
	return s.object.Write(p)
}

// add writes a clip's files as members that follow each other.
func (s *sink) add(m made) error {
	if s.tar == nil {
		return nil
	}
	s.members = true
	for i, f := range m.files {
		// No times and no owners: the same set gives the same bytes.
		if err := s.tar.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: f.name, Mode: 0o644, Size: int64(len(m.data[i]))}); err != nil {
			return err
		}
		if _, err := s.tar.Write(m.data[i]); err != nil {
			return err
		}
	}
	return nil
}

// commit puts a tar file that has members in place, and tells whether there is one.
func (s *sink) commit(ctx context.Context) (there bool, err error) {
	if !s.members {
		return false, nil
	}
	if err := errors.Join(s.tar.Close(), s.buf.Flush()); err != nil {
		return false, err
	}
	return true, s.object.Commit(ctx)
}

func (s *sink) abort() {
	if s.object != nil {
		s.object.Abort()
	}
}
