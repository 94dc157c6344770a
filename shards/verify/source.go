package verify

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"math"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"micodata/dataset"
	"micodata/internal/ffmpeg"
	"micodata/internal/subtitle"
	"micodata/shards"
	"micodata/storage"
)

// SourceReport says how many of the sampled tuples were compared with their
// sources.
type SourceReport struct {
	Compared int64 `json:"compared"`
	// NotCompared counts those that were not, by reason: [SourceRemote] and the
	// like. Tuples whose own media do not decode are in neither number.
	NotCompared map[string]int64 `json:"not_compared,omitempty"`
}

func (r *SourceReport) add(o *SourceReport) {
	r.Compared += o.Compared
	for reason, n := range o.NotCompared {
		if r.NotCompared == nil {
			r.NotCompared = map[string]int64{}
		}
		r.NotCompared[reason] += n
	}
}

// Reasons why a tuple is not compared with its source.
const (
	SourceRemote   = "remote"    // came from elsewhere, and no dataset at hand holds it
	SourceMissing  = "missing"   // there is no such file, or it cannot be read
	SourceChanged  = "changed"   // the file is not the one that was ingested
	SourceTooLarge = "too_large" // the dataset is in a bucket, and its copy larger than is fetched for this
	SourceDamaged  = "damaged"   // does not decode without errors: what an error leaves differs from decode to decode
)

// sources finds the sources of tuples. It hashes each local file once, as long as it
// remembers.
type sources struct {
	dataset storage.Store // which may hold media; nil if there is none
	tempDir string
	folders textFolders

	mu   sync.Mutex
	sums map[string]func() (string, error) // by path
}

// maxSums is how many files' hashes are remembered, some 5 MB of them. Tuples of a
// source stand together, so that few are asked for again.
const maxSums = 20_000

// maxFetched bounds the copy of a source that is fetched from a bucket, in bytes: an
// hour at 9 Mbit/s.
const maxFetched = 4 << 30

// foundSource is a file that holds the source of a tuple.
type foundSource struct {
	path   string
	isCopy bool // made for this, and to be removed
}

// find gives the source of a tuple, or the reason why there is none. An error is the
// context's, or the storage's.
func (s *sources) find(ctx context.Context, t *shards.Tuple) (found foundSource, reason string, err error) {
	reason = SourceRemote
	var candidates []string
	if local := localSource(t.SourceURI); local != "" {
		reason = SourceMissing
		candidates = append(candidates, local)
	}
	held, err := s.inDataset(ctx, t.SourceSHA256)
	if err != nil {
		return found, "", err
	}
	for _, name := range held {
		if path := s.dataset.Path(name); !storage.IsS3(path) {
			candidates = append(candidates, path)
		}
	}
	for _, path := range candidates {
		sum, err := s.sum(ctx, path)
		switch {
		case ctx.Err() != nil:
			return found, "", ctx.Err()
		case err == nil && sum == t.SourceSHA256:
			return foundSource{path: path}, "", nil
		case err == nil:
			reason = SourceChanged
		}
	}
	for _, name := range held {
		if !storage.IsS3(s.dataset.Path(name)) {
			continue
		}
		path, why, err := s.fetch(ctx, name, t.SourceSHA256)
		if err != nil || why == "" {
			return foundSource{path, true}, "", err
		}
		reason = why
	}
	return found, reason, nil
}

// fetch copies a medium of the dataset into a file, or tells why it is of no use.
func (s *sources) fetch(ctx context.Context, name, want string) (path, reason string, err error) {
	o, err := s.dataset.Open(ctx, name)
	if errors.Is(err, fs.ErrNotExist) {
		return "", SourceMissing, nil
	}
	if err != nil {
		return "", "", err
	}
	defer o.Close()
	if o.Size() > maxFetched {
		return "", SourceTooLarge, nil
	}
	f, err := os.CreateTemp(s.tempDir, "micodata-verify-*"+filepath.Ext(name))
	if err != nil {
		return "", "", &storage.Error{Op: "create a file in", Path: cmp.Or(s.tempDir, os.TempDir()), Err: err}
	}
	sum := sha256.New()
	_, err = io.CopyBuffer(io.MultiWriter(f, sum), onlyReader{o}, make([]byte, 8<<20))
	if err = errors.Join(err, f.Close()); err != nil {
		err = cmp.Or(storage.Fault(ctx, err), err)
	} else if hex.EncodeToString(sum.Sum(nil)) != want {
		reason = SourceChanged
	}
	if err != nil || reason != "" {
		_ = os.Remove(f.Name())
		return "", reason, err
	}
	return f.Name(), "", nil
}

// onlyReader hides all but Read, so that a copy is made in pieces of its buffer.
type onlyReader struct{ io.Reader }

// localSource is the path that a source's URI names, "" for one of elsewhere.
func localSource(uri string) string {
	if filepath.IsAbs(uri) {
		return uri
	}
	// A path that is not UTF-8 stands in the column as a URL.
	if u, err := url.Parse(uri); err == nil && u.Scheme == "file" && u.Host == "" && filepath.IsAbs(u.Path) {
		return u.Path
	}
	return ""
}

// inDataset lists the dataset's media of that hash: one file, or none.
func (s *sources) inDataset(ctx context.Context, sum string) ([]string, error) {
	if s.dataset == nil || len(sum) != hex.EncodedLen(sha256.Size) || strings.Trim(sum, "0123456789abcdef") != "" {
		return nil, nil
	}
	objects, err := s.dataset.List(ctx, dataset.MediaName(sum, ""))
	var names []string
	for _, o := range objects {
		names = append(names, o.Name)
	}
	return names, err
}

func (s *sources) sum(ctx context.Context, path string) (string, error) {
	s.mu.Lock()
	once := s.sums[path]
	if once == nil {
		once = sync.OnceValues(func() (string, error) { return hashFile(ctx, path) })
		if s.sums == nil || len(s.sums) >= maxSums {
			s.sums = map[string]func() (string, error){}
		}
		s.sums[path] = once
	}
	s.mu.Unlock()
	return once()
}

var errNoFile = errors.New("not a regular file")

// hashFile is the sha256 of a file, hex.
func hashFile(ctx context.Context, path string) (string, error) {
	info, err := os.Stat(path) // not opened yet: it may be a pipe
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() {
		return "", errNoFile
	}
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	hash, buf := sha256.New(), make([]byte, 1<<20)
	for ctx.Err() == nil {
		n, err := f.Read(buf)
		hash.Write(buf[:n])
		if err == io.EOF {
			return hex.EncodeToString(hash.Sum(nil)), nil
		}
		if err != nil {
			return "", err
		}
	}
	return "", ctx.Err()
}

// source is a source at hand.
type source struct {
	uri, sha256 string // the tuples' columns
	reason      string // why it is none, else ""
	foundSource
	isIndexed bool // the container tells where each frame lies, so that a seek is exact
	video     *ffmpeg.Stream
	audio     *ffmpeg.Stream // nil: without sound
	tracks    []subtitle.Track
}

// open finds and probes the source of a tuple.
func (v *verifier) open(ctx context.Context, t *shards.Tuple) (*source, error) {
	s := &source{uri: t.SourceURI, sha256: t.SourceSHA256}
	var err error
	if s.foundSource, s.reason, err = v.sources.find(ctx, t); err != nil || s.reason != "" {
		return s, err
	}
	opened := s
	defer func() {
		if err != nil {
			opened.close()
		}
	}()
	probe, err := v.Tools.Probe(ctx, s.path)
	if isBroken := new(brokenMedia); errors.As(broken(ctx, "video", err), &isBroken) {
		s.reason = SourceDamaged
		return s, nil
	}
	if err != nil {
		return nil, err
	}
	if s.video = probe.VideoStream(); s.video == nil {
		s.reason = SourceDamaged
		return s, nil
	}
	s.audio = probe.AudioStream()
	s.isIndexed = probe.IsIndexed(s.video)
	s.tracks, err = v.textTracks(ctx, s, &probe)
	return s, err
}

// close removes what was fetched.
func (s *source) close() {
	if s != nil && s.isCopy {
		_ = os.Remove(s.path)
	}
}

// source compares a tuple whose media were decoded with its source. Tuples of a
// source follow each other, so that the last one is kept.
func (c *check) source(ctx context.Context, last **source, clip *clipMedia, stills []still) error {
	t := c.t
	if c.v.WithoutSources || !(t.Start >= 0 && t.End > t.Start && !math.IsInf(t.End, 1)) {
		return nil
	}
	s := *last
	if s == nil || s.uri != t.SourceURI || s.sha256 != t.SourceSHA256 {
		var err error
		if s, err = c.v.open(ctx, t); err != nil {
			return err
		}
		(*last).close()
		*last = s
	}
	if s.reason != "" {
		c.sources.add(&SourceReport{NotCompared: map[string]int64{s.reason: 1}})
		return nil
	}
	span := newSpan(t, clip, stills)
	span.isSilent = span.isSilent || !c.v.manifest.Settings.Keeps("audio")
	span.isSmall, span.isCoarse = isSmall(s.video), isSmall(s.video) || clip.video != nil && c.v.isCoarse(clip.video)
	err := c.v.decodeSpan(ctx, s, span)
	isBroken := new(brokenMedia)
	if err != nil && !errors.As(err, &isBroken) {
		return err
	}
	found := span.problems(s)
	if err != nil && len(found) > 0 {
		c.sources.add(&SourceReport{NotCompared: map[string]int64{SourceDamaged: 1}})
		return nil
	}
	for _, p := range append(found, subtitleProblems(t, s.tracks)...) {
		c.problem(p.promise, "%s", p.detail)
	}
	c.sources.Compared++
	return nil
}

// difference is what of a tuple is not as in its source.
type difference struct{ promise, detail string }
