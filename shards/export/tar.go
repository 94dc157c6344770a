package export

import (
	"archive/tar"
	"bufio"
	"context"
	"errors"
	"io/fs"
	"path"
	"strings"

	"micodata/storage"
)

// tarName is the tar file of a shard of the set.
func tarName(shard string) string { return strings.TrimSuffix(path.Base(shard), ".parquet") + ".tar" }

// sink puts the files of a shard's clips into a tar file. It does nothing where the
// format has none, and where the tar file is there already.
type sink struct {
	x       *exporter
	members bool // it has some
	object  storage.Writer
	bytes   int64 // written to object
	buf     *bufio.Writer
	tar     *tar.Writer // nil if there is nothing to do
}

// newSink opens the tar file of a shard.
func (x *exporter) newSink(ctx context.Context, shard string) (*sink, error) {
	s := &sink{x: x}
	if !x.tars {
		return s, nil
	}
	switch info, err := x.Out.Stat(ctx, tarName(shard)); {
	case err == nil:
		x.count(info.Size)
		s.members = true
		return s, nil
	case !errors.Is(err, fs.ErrNotExist):
		return nil, err
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

// commit puts a tar file that has members in place.
func (s *sink) commit(ctx context.Context) error {
	if s.tar == nil || !s.members {
		return nil
	}
	if err := errors.Join(s.tar.Close(), s.buf.Flush()); err != nil {
		return err
	}
	s.x.count(s.bytes)
	return s.object.Commit(ctx)
}

// there tells whether the shard has a tar file in the end.
func (s *sink) there() bool { return s.x.tars && s.members }

func (s *sink) abort() {
	if s.object != nil {
		s.object.Abort()
	}
}
