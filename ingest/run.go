package ingest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/sync/errgroup"

	"micodata/dataset"
	"micodata/internal/ffmpeg"
)

// runner is what the sources of one part share.
type runner struct {
	env    Env
	client *http.Client
	beside map[string][]string // paths by the media's path without extension
}

// Run makes ingest part number part of items and commits it; last marks the
// part that ends the list. Each item becomes one row, in order. Whatever is
// wrong with an item is in its row; an error is one of the storage, of a
// missing program, of a machine out of open files or memory, or of the context,
// and leaves no part. If somebody else has committed the part meanwhile the
// error is fs.ErrExist.
//
// In the report, Cost.Bytes is what was read from sources.
func Run(ctx context.Context, env Env, part int, items []Item, last bool) (dataset.Report, error) {
	env = env.withDefaults()
	if err := env.Settings.Validate(); err != nil {
		return dataset.Report{}, err
	}
	client, done := newClient(env.HTTP)
	defer done()
	r := &runner{env: env, client: client}
	if env.Settings.Sidecars {
		var err error
		if r.beside, err = env.Folders.beside(ctx, items); err != nil {
			return dataset.Report{}, fmt.Errorf("ingest part %d: %w", part, err)
		}
	}
	sources := make([]dataset.Source, len(items))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(env.Workers)
	for i := range items {
		g.Go(func() error {
			if err := gctx.Err(); err != nil {
				return err
			}
			s, err := r.source(gctx, items[i])
			sources[i] = s
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return dataset.Report{}, fmt.Errorf("ingest part %d: %w", part, err)
	}
	unique(sources, items, part)
	info := dataset.PartInfo{Stage: dataset.StageIngest, Part: part, Fingerprint: env.Fingerprint, List: ListHash(items), Last: last}
	return write(ctx, env, info, sources)
}

func write(ctx context.Context, env Env, info dataset.PartInfo, sources []dataset.Source) (dataset.Report, error) {
	var report dataset.Report
	w, err := dataset.CreatePart(ctx, env.Store, dataset.SourceSchema, info)
	if err != nil {
		return report, err
	}
	defer w.Abort()
	for i := range sources {
		if err := w.Write(&sources[i]); err != nil {
			return report, fmt.Errorf("ingest part %d: %w", info.Part, err)
		}
		report.Count(sources[i].Outcome)
		report.Cost.Bytes += sources[i].Bytes
	}
	return report, w.Commit(ctx)
}

// source makes an item's row. Its error is one that ends the run.
func (r *runner) source(ctx context.Context, it Item) (dataset.Source, error) {
	s := dataset.Source{
		URI: storedURI(it.URI), Title: it.Title, License: it.License,
		Texts: slices.Clone(it.Texts), Spans: slices.Clone(it.Spans),
	}
	status, err := dataset.Failed, it.Err
	switch {
	case err != nil:
	case it.Spans != nil && len(it.Spans) == 0:
		status, err = dataset.Skipped, errNoClips
	default:
		err = r.fill(ctx, it, &s)
	}
	if ctx.Err() != nil {
		return s, ctx.Err()
	}
	if _, ok := dataset.AsItem(err); err != nil && !ok {
		return s, err
	}
	s.Outcome = dataset.OutcomeOf(status, err)
	switch {
	case it.ID != "":
		s.ID = dataset.SafeID(it.ID)
	case s.SHA256 != "":
		s.ID = dataset.IDFromHash(s.SHA256)
	default:
		s.ID = dataset.IDFromURI(it.URI)
	}
	return s, nil
}

// errNoClips is the skipped row of a source with nothing to cut: it is not
// fetched.
var errNoClips = dataset.Fail(dataset.Policy, "the list names no clips of it (a row without a list of clips is cut by content)")

// fill fetches, hashes and probes.
func (r *runner) fill(ctx context.Context, it Item, s *dataset.Source) (err error) {
	m, remote, err := r.obtain(ctx, it)
	defer func() { err = errors.Join(err, m.discard()) }()
	if err != nil {
		return err
	}
	s.SHA256, s.Bytes = m.sha256, m.bytes
	p, err := r.probe(ctx, m)
	if err != nil {
		return err
	}
	if s.Probe, err = probeText(&p); err != nil {
		return err
	}
	if !remote && r.env.Settings.Sidecars {
		if err := r.sidecars(s, it.URI); err != nil {
			return err
		}
	}
	title(s, &p)
	if !remote && !r.env.Settings.Copy && utf8.ValidString(it.URI) {
		s.Media = it.URI
		return nil
	}
	s.Media, err = retryLocal(ctx, localPause, func() (string, error) { return r.keep(ctx, m, extension(&p)) })
	return err
}

func (r *runner) obtain(ctx context.Context, it Item) (m media, remote bool, err error) {
	if isRemote(it.URI) {
		m, err = r.fetch(ctx, it.URI)
		return m, true, err
	}
	if !it.Trusted {
		return m, false, dataset.Fail(dataset.Policy, "a local file, named by something that was fetched")
	}
	m, err = retryLocal(ctx, localPause, func() (media, error) { return r.readLocal(ctx, it.URI) })
	return m, false, err
}

// title takes the media's own where the list has none.
func title(s *dataset.Source, p *ffmpeg.Probe) {
	if s.Title == "" {
		s.Title = strings.TrimSpace(strings.ToValidUTF8(p.Title, "\uFFFD"))
	}
	addText(s, s.Title, "title", "")
}

// unique gives every row of the part an id of its own: keys are made of it. The
// first of two rows has the id; the second failed if its media is other, and
// else is skipped. Rows of other parts are not looked at, so that parts can be
// made in any order: of two sources with one id in two parts the shard stage
// keeps the first and counts the later one as a failure in the manifest.
func unique(sources []dataset.Source, items []Item, part int) {
	byID, byHash := map[string]int{}, map[string]int{}
	for i := range sources {
		s := &sources[i]
		j, taken := byID[s.ID]
		if !taken && items[i].ID == "" && s.SHA256 != "" {
			// The same media under an id of its own already.
			j, taken = byHash[s.SHA256]
		}
		if !taken {
			byID[s.ID] = i
			if s.SHA256 != "" {
				byHash[s.SHA256] = i
			}
			continue
		}
		id := s.ID
		// "~" stands in no id that a list could give.
		s.ID = fmt.Sprintf("%s~%d-%d", id, part, i)
		first := &sources[j]
		if s.URI == first.URI || s.SHA256 != "" && s.SHA256 == first.SHA256 {
			s.Outcome = dataset.OutcomeOf(dataset.Skipped, duplicate(s, first))
		} else if s.Status == dataset.OK {
			s.Outcome = dataset.OutcomeOf(dataset.Failed, dataset.Fail(dataset.Policy, "the id %s names different media: %s", id, first.URI))
		}
	}
}

func duplicate(s, first *dataset.Source) error {
	if !slices.Equal(s.Spans, first.Spans) {
		return dataset.Fail(dataset.Policy, "duplicate of %s with other clips: give all clips of a source in one row, or each row an id", first.URI)
	}
	return dataset.Fail(dataset.Policy, "duplicate of %s", first.URI)
}
