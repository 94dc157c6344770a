package hash64

import (
	"math"
	"testing"

	"micodata/dataset"
)

// A sample of tuples is of all sources, not of some of them whole.
func TestSamplesAreSpread(t *testing.T) {
	const sources, clips, share = 200, 50, 0.05
	all, most := 0, 0
	for i := range sources {
		of := 0
		for k := range clips {
			key := dataset.Key(dataset.Key("source", i), k)
			if float64(Of(key)) < share*math.MaxUint64 {
				of++
			}
		}
		all, most = all+of, max(most, of)
	}
	if want := int(sources * clips * share); all < want*4/5 || all > want*6/5 || most > clips/4 {
		t.Errorf("%d of %d tuples, want about %d; %d of one source", all, sources*clips, want, most)
	}
}
