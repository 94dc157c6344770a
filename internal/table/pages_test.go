package table

import (
	"errors"
	"testing"

	"github.com/apache/arrow/go/v15/parquet/compress"
)

// TestPageOfNothing has no compressed bytes: it stands for no value, not for as
// many zeros as its header says.
func TestPageOfNothing(t *testing.T) {
	zstd, err := compress.GetCodec(compress.Codecs.Zstd)
	if err != nil {
		t.Fatal(err)
	}
	p := &pageReader{codec: zstd}
	if data, err := p.uncompress(pageHeader{size: 8}, nil); !errors.Is(err, errPageSize) {
		t.Errorf("8 bytes of nothing: %v, error %v", data, err)
	}
	levels := []byte{1, 2, 3}
	h := pageHeader{kind: dataPageV2, def: 3, size: 3, compressed: true}
	if data, err := p.uncompress(h, levels); err != nil || string(data) != string(levels) {
		t.Errorf("levels alone: %v, error %v", data, err)
	}
}
