package verify

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"micodata/shards"
	"micodata/shards/testset"
	"micodata/storage"
)

// watched is a store that counts what is read of an object, and whose reads can fail.
type watched struct {
	storage.Store
	name  string // of the objects: a part of it
	read  atomic.Int64
	opens atomic.Int64
	left  int64 // bytes that are read before reads fail; 0 for all
}

func (w *watched) Open(ctx context.Context, name string) (storage.Object, error) {
	o, err := w.Store.Open(ctx, name)
	if err != nil || !strings.Contains(name, w.name) {
		return o, err
	}
	w.opens.Add(1)
	return &watchedObject{o, w}, nil
}

type watchedObject struct {
	storage.Object
	w *watched
}

func (o *watchedObject) ReadAt(p []byte, off int64) (int, error) {
	n, err := o.Object.ReadAt(p, off)
	if read := o.w.read.Add(int64(n)); o.w.left > 0 && read > o.w.left {
		return 0, &storage.Error{Op: "read", Path: "s3://bucket/set", Err: syscall.EIO}
	}
	return n, err
}

// A shard is read once, but for its scalar columns, and the index twice, however
// many shards there are.
func TestVerifyReadsOnce(t *testing.T) {
	const footerBytes = 48 << 10 // of a file, at most
	env := newEnv(t, testset.Parts(t))
	env.ShardBytes, env.RowGroupBytes = 1<<20, 300<<10
	write(t, env)
	for _, name := range []string{"data/", shards.IndexName} {
		w := &watched{Store: env.Out, name: name}
		r, err := Set(t.Context(), Env{Out: w, Tools: tools(t)})
		if err != nil || len(r.Problems) > 0 || r.Shards < 2 {
			t.Fatalf("%+v, %v", r, err)
		}
		size := int64(0)
		for file, data := range testset.Files(t, env.Out) {
			if strings.Contains(file, name) {
				size += int64(len(data))
			}
		}
		footers := int64(r.Shards) * footerBytes
		if most := map[string]int64{"data/": size*5/4 + 2*footers, shards.IndexName: 2*size + footerBytes}[name]; w.read.Load() > most {
			t.Errorf("%s: %d bytes were read of %d", name, w.read.Load(), size)
		}
		if name == shards.IndexName && w.opens.Load() > 2 {
			t.Errorf("the index was opened %d times", w.opens.Load())
		}
	}
}

// A storage that fails is an error and no problem of the set, wherever it fails; nor
// is the set whole when the work is cut short.
func TestVerifyTellsTheStoragesFaults(t *testing.T) {
	env := newEnv(t, testset.Parts(t)[:1])
	write(t, env)
	rewrite(t, env.Out, func(r []*shards.Tuple) []*shards.Tuple { return append(r, r[0]) }) // so that keys are compared at the end
	whole := &watched{Store: env.Out, name: "data/"}
	verify(t, whole)
	all := whole.read.Load()
	for _, left := range []int64{1, all / 50, all / 2, all * 9 / 10, all - 100} {
		w := &watched{Store: env.Out, name: "data/", left: left}
		r, err := Set(t.Context(), Env{Out: w, Tools: tools(t), Sample: 1})
		if own := new(storage.Error); !errors.As(err, &own) {
			t.Errorf("reads fail after %d bytes of %d: %+v, %v", left, all, r, err)
		}
	}
	if _, err := Set(t.Context(), Env{Out: &watched{Store: env.Out, name: shards.IndexName, left: 1}, Tools: tools(t)}); !errors.Is(err, syscall.EIO) {
		t.Errorf("the index cannot be read: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	env2 := Env{Out: env.Out, Tools: tools(t), Progress: func(int, int) { cancel() }}
	if r, err := Set(ctx, env2); !errors.Is(err, context.Canceled) {
		t.Errorf("cut short: %+v, %v", r, err)
	}
}

// Where temporary files cannot be, the storage is to blame.
func TestNoRoomForTemporaryFiles(t *testing.T) {
	env := newEnv(t, testset.Parts(t))
	write(t, env)
	nowhere := filepath.Join(t.TempDir(), "nowhere")
	_, err := Set(t.Context(), Env{Out: env.Out, Tools: tools(t), TempDir: nowhere})
	var failed *storage.Error
	if !errors.As(err, &failed) || !strings.HasPrefix(failed.Path, nowhere) {
		t.Errorf("err = %v", err)
	}
}
