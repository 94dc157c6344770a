package shards

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"micodata/internal/choice"
	"micodata/internal/table"
)

// Settings shape a training set.
type Settings struct {
	// ShardBytes caps a shard file. A single tuple that is larger has a shard of
	// its own.
	ShardBytes int64 `json:"shard_bytes"`
	// RowGroupBytes caps a row group by the bytes of its values; one tuple may
	// exceed it. Readers hold a row group in memory, and so does the writer.
	RowGroupBytes int64 `json:"row_group_bytes"`
	// Splits are the shares of the splits.
	Splits Splits `json:"splits"`
	// Where keeps only the clips for which it is true; see [ParseFilter]. ""
	// keeps all.
	Where string `json:"where"`
	// Require keeps only tuples that have all of these: of [Requirable].
	Require []string `json:"require,omitempty"`
	// Shuffle is the seed of the tuples' order; 0 keeps that of the sources.
	Shuffle int64 `json:"shuffle,omitempty"`
	// Columns are the modalities to write, of [Modalities]; the others are null in
	// every tuple. None means all.
	Columns []string `json:"columns,omitempty"`
	// Limit is the most tuples, the first ones; 0 for all.
	Limit int64 `json:"limit,omitempty"`
}

// Modalities are what can be left out of a set.
func Modalities() []string { return []string{"image", "video", "audio", "depth", "normal", "frames"} }

// Keeps tells whether a modality is written, one of [Modalities].
func (s *Settings) Keeps(modality string) bool {
	return len(s.Columns) == 0 || slices.Contains(s.Columns, modality)
}

// trim takes out of a tuple what is not written.
func (s *Settings) trim(t *Tuple) *Tuple {
	for modality, blob := range map[string]*table.Blob{"image": &t.Image, "video": &t.Video, "audio": &t.Audio} {
		if !s.Keeps(modality) {
			*blob = table.Blob{}
		}
	}
	if !s.Keeps("frames") {
		t.Frames = nil
	}
	if !s.Keeps("depth") {
		t.Depth, t.DepthMeta = table.Blob{}, nil
	}
	if !s.Keeps("normal") {
		t.Normal, t.NormalMeta = table.Blob{}, nil
	}
	for i := range t.Frames {
		if !s.Keeps("depth") {
			t.Frames[i].Depth = table.Blob{}
		}
		if !s.Keeps("normal") {
			t.Frames[i].Normal = table.Blob{}
		}
	}
	return t
}

// Requirable are the modalities that tuples can be required to have.
func Requirable() []string {
	return []string{"image", "video", "audio", "depth", "normal", "text", "subtitles"}
}

// DefaultSettings are the training set's defaults: shards of 512 MiB, the size
// that Hugging Face's own libraries write and few enough files for 10 million
// videos; row groups of 128 MiB, which pyarrow reads ahead well and which stay
// far from the 2 GiB at which it cannot read a struct column; 1 % of the sources
// each to validate and to test.
func DefaultSettings() Settings {
	return Settings{
		ShardBytes:    512 << 20,
		RowGroupBytes: 128 << 20,
		Splits:        Splits{Train: 0.98, Validation: 0.01, Test: 0.01},
	}
}

// canonical is the settings in the one form that equal ones have.
func (s Settings) canonical() Settings {
	s.Require, s.Columns = sorted(s.Require), sorted(s.Columns)
	return s
}

func sorted(names []string) []string { return slices.Compact(slices.Sorted(slices.Values(names))) }

// Validate says which setting makes no sense.
func (s Settings) Validate() error {
	switch {
	case s.ShardBytes < 1<<20:
		return fmt.Errorf("shard_bytes %d: want 1 MiB or more", s.ShardBytes)
	case s.RowGroupBytes < 1<<10 || s.RowGroupBytes > 1<<30:
		return fmt.Errorf("row_group_bytes %d: want 1 KiB to 1 GiB", s.RowGroupBytes)
	}
	if _, err := ParseFilter(s.Where); err != nil {
		return err
	}
	for _, name := range s.Require {
		if err := choice.OneOf("require", name, Requirable()...); err != nil {
			return err
		}
	}
	for _, name := range s.Columns {
		if err := choice.OneOf("columns", name, Modalities()...); err != nil {
			return err
		}
	}
	if s.Limit < 0 {
		return fmt.Errorf("limit %d: want 1 and more, or 0 for all", s.Limit)
	}
	return s.Splits.validate()
}

// Names of the splits, in the order in which their shards are listed.
const (
	Train      = "train"
	Validation = "validation"
	Test       = "test"
)

// Splits are the shares of sources that go to each split. A source belongs to
// one split, by a hash of its id, whatever else is in the set. It is a flag's
// value: "train=0.98,validation=0.01,test=0.01".
type Splits struct {
	Train      float64 `json:"train"`
	Validation float64 `json:"validation"`
	Test       float64 `json:"test"`
}

func (s Splits) validate() error {
	const slack = 1e-6 // of decimal fractions
	sum := s.Train + s.Validation + s.Test
	if !(s.Train > 0 && s.Validation >= 0 && s.Test >= 0 && sum > 1-slack && sum < 1+slack) {
		return fmt.Errorf("splits %s: want shares that add up to 1, train's above 0", s)
	}
	return nil
}

// Of is the split of a source: [Train], [Validation] or [Test]. Hashes at the low end
// go to test, then to validation, so that growing either moves no source between those
// two.
func (s Splits) Of(sourceID string) string {
	sum := sha256.Sum256([]byte(sourceID))
	u := float64(binary.BigEndian.Uint64(sum[:])>>11) / (1 << 53)
	switch {
	case u < s.Test:
		return Test
	case u < s.Test+s.Validation:
		return Validation
	default:
		return Train
	}
}

func (s Splits) String() string {
	f := func(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }
	return "train=" + f(s.Train) + ",validation=" + f(s.Validation) + ",test=" + f(s.Test)
}

// Set reads the form that String writes; a split that is left out gets nothing.
func (s *Splits) Set(text string) error {
	var out Splits
	shares := map[string]*float64{Train: &out.Train, Validation: &out.Validation, Test: &out.Test}
	for item := range strings.SplitSeq(text, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(item), "=")
		share, ok := shares[name]
		if ok && share == nil {
			return fmt.Errorf("split %s is given twice", name)
		}
		if !ok {
			return fmt.Errorf("%q is no split: want %s", name, strings.Join(slices.Sorted(maps.Keys(shares)), ", "))
		}
		v, err := strconv.ParseFloat(value, 64)
		if err != nil {
			return errors.New("want shares such as " + DefaultSettings().Splits.String())
		}
		*share, shares[name] = v, nil
	}
	if err := out.validate(); err != nil {
		return err
	}
	*s = out
	return nil
}

// Type names the value in a command's help.
func (Splits) Type() string { return "shares" }
