package shards

import (
	"context"
	"fmt"

	"micodata/dataset"
	"micodata/internal/hash64"
)

// owners are, by the hashes of their ids, the sources that were OK in a part: the first
// part keeps an id. They take some 25 bytes a source, a quarter of a gigabyte for ten
// million; ids of one hash are told apart where a part is read again for them.
type owners map[uint64]owner

type owner struct{ part, media uint32 } // media is a hash of the sha256

// repeat says what becomes of the clips of a source that a part before has.
type repeat struct {
	outcome dataset.Outcome
	note    string
}

func sameAgain(part int, s *dataset.Source) *repeat {
	return &repeat{dataset.Outcome{Status: dataset.Skipped, Class: dataset.Policy},
		fmt.Sprintf("source %s: part %d has it again; its clips there were left out", s.ID, part)}
}

func otherMedia(part int, s *dataset.Source, first string) *repeat {
	return &repeat{dataset.Outcome{Status: dataset.Failed, Class: dataset.Policy},
		fmt.Sprintf("source %s: in part %d the id names different media, %s instead of %s; its clips there were left out", s.ID, part, s.URI, first)}
}

// repeats takes the sources of a part and tells which an earlier part has already.
func (p *planner) repeats(ctx context.Context, part int, sources []*dataset.Source) (map[*dataset.Source]*repeat, error) {
	again := map[*dataset.Source]*repeat{}
	for _, s := range sources {
		if s.Status != dataset.OK {
			continue
		}
		id, own := hash64.Of(s.ID), owner{uint32(part), uint32(hash64.Of(s.SHA256))}
		first, seen := p.owners[id]
		switch {
		case !seen:
			p.owners[id] = own
		case first.part == own.part: // its own clips, or those of an id twice in a part
		case first.media == own.media:
			again[s] = sameAgain(part, s)
		case len(p.plan.notes) >= maxNotes: // nobody is told what is where
			again[s] = otherMedia(part, s, "")
		default:
			uri, found, err := p.uriOf(ctx, int(first.part), s.ID)
			if err != nil {
				return nil, err
			}
			if found { // else two ids have one hash
				again[s] = otherMedia(part, s, uri)
			}
		}
	}
	return again, nil
}

// uriOf looks up a source that is OK in a part.
func (p *planner) uriOf(ctx context.Context, part int, id string) (uri string, found bool, err error) {
	_, err = dataset.ReadPart(ctx, p.env.Dataset, dataset.SourceSchema, dataset.StageIngest, part, func(s *dataset.Source) error {
		if s.ID == id && s.Status == dataset.OK && !found {
			uri, found = s.URI, true
		}
		return nil
	}, "source_id", "status", "uri")
	return uri, found, err
}
