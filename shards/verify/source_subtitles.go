package verify

import (
	"context"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"micodata/dataset"
	"micodata/internal/ffmpeg"
	"micodata/internal/sidecar"
	"micodata/internal/subtitle"
	"micodata/shards"
)

// textTracks reads a source's subtitles: the files beside it, then the tracks
// inside.
func (v *verifier) textTracks(ctx context.Context, s *source, probe *ffmpeg.Probe) ([]subtitle.Track, error) {
	var tracks []subtitle.Track
	ingested := v.manifest.Stages[dataset.StageIngest]
	if with, _ := ingested.Settings["sidecars"].(bool); with {
		limit := int64(ingested.Int("max_sidecar_bytes"))
		tracks = v.sources.folders.beside(localSource(s.uri), limit)
	}
	inside, err := subtitle.Embedded(ctx, v.Tools, s.path, probe, ffmpeg.Limits{})
	return append(tracks, inside...), err
}

// textFolders remembers the subtitle files of the folder that was read last:
// sources come folder by folder, and one may hold a million.
type textFolders struct {
	mu    sync.Mutex
	dir   string
	names []string // sorted
}

// beside reads the subtitle files that ingest takes for those of the medium at
// path, in the same order. What cannot be read is as if it were not there.
func (f *textFolders) beside(path string, limit int64) (tracks []subtitle.Track) {
	if path == "" {
		return nil
	}
	dir, stem := filepath.Dir(path), filepath.Base(sidecar.Stem(path))
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.dir != dir {
		f.dir, f.names = dir, subtitleNames(dir)
	}
	first, _ := slices.BinarySearch(f.names, stem+".")
	for _, name := range f.names[first:] {
		if !strings.HasPrefix(name, stem+".") {
			break
		}
		lang, ext, ok := sidecar.Match(name, stem)
		if !ok || ext != "srt" && ext != "vtt" {
			continue
		}
		if data, err := readText(filepath.Join(dir, name), limit); err == nil {
			tracks = append(tracks, subtitle.Track{Lang: lang, Cues: subtitle.Parse(data)})
		}
	}
	return tracks
}

func subtitleNames(dir string) (found []string) {
	d, err := os.Open(dir)
	if err != nil {
		return nil
	}
	defer d.Close()
	for err == nil {
		var names []string
		names, err = d.Readdirnames(1000) // at a time: a folder may hold millions
		for _, name := range names {
			if ext := strings.ToLower(filepath.Ext(name)); ext == ".srt" || ext == ".vtt" {
				found = append(found, name)
			}
		}
	}
	slices.Sort(found)
	return found
}

// readText reads a subtitle file of at most limit bytes.
func readText(path string, limit int64) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > limit {
		return nil, errNoFile
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, subtitle.MaxBytes))
}

// subtitleProblems compares a tuple's subtitles with those of its source. Those
// of a language that the source has no subtitles of came from a file that is no
// longer beside it, and nothing is said of them.
func subtitleProblems(t *shards.Tuple, tracks []subtitle.Track) []difference {
	has := func(lang string) bool {
		return slices.ContainsFunc(tracks, func(k subtitle.Track) bool { return k.Lang == lang })
	}
	have := slices.DeleteFunc(slices.Clone(t.Subtitles), func(c dataset.Cue) bool { return !has(c.Lang) })
	var want []dataset.Cue
	for _, k := range tracks {
		for _, c := range subtitle.Within(k.Cues, t.Start, t.End) {
			want = append(want, dataset.Cue{Start: c.Start, End: c.End, Text: c.Text, Lang: k.Lang})
		}
	}
	for i := range max(len(have), len(want)) {
		switch {
		case i == len(have):
			return []difference{{"subtitles", fmt.Sprintf("the source's cue %s is missing", cueText(want[i]))}}
		case i == len(want):
			return []difference{{"subtitles", fmt.Sprintf("the source has no cue %s", cueText(have[i]))}}
		case !sameCue(have[i], want[i]):
			return []difference{{"subtitles", fmt.Sprintf("cue %d is %s, the source's %s", i, cueText(have[i]), cueText(want[i]))}}
		}
	}
	return nil
}

func sameCue(a, b dataset.Cue) bool {
	return a.Text == b.Text && a.Lang == b.Lang && math.Abs(a.Start-b.Start) <= timeSlack && math.Abs(a.End-b.End) <= timeSlack
}

func cueText(c dataset.Cue) string {
	return fmt.Sprintf("%.40q (%s) from %.3f to %.3f s", c.Text, c.Lang, c.Start, c.End)
}
