package shards

import (
	"bytes"
	"encoding/base64"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow/ipc"

	"micodata/internal/table"
)

// The columns of docs/format.md, in its order, as a shard's footer has them.
func TestTupleColumns(t *testing.T) {
	const media = "struct<bytes: binary, path: utf8>"
	want := []string{
		"key: utf8", "clip_id: utf8", "source_id: utf8", "source_uri: utf8", "source_sha256: utf8", "title: utf8", "license: utf8",
		"start: float64", "end: float64", "text: utf8",
		"captions: list<item: struct<text: utf8, kind: utf8, model: utf8, lang: utf8, score: float32>, nullable>",
		"subtitles: list<item: struct<start: float64, end: float64, text: utf8, lang: utf8>, nullable>",
		"image: " + media, "image_time: float64", "video: " + media, "audio: " + media,
		"depth: " + media, "depth_meta: struct<model: utf8, weights_sha256: utf8, kind: utf8, min: float32, max: float32>",
		"normal: " + media, "normal_meta: struct<model: utf8, weights_sha256: utf8>",
		"frames: list<item: struct<time: float64, image: " + media + ", depth: " + media + ", normal: " + media + ">, nullable>",
		"width: int32", "height: int32", "fps: float64", "frame_count: int32", "video_codec: utf8", "audio_rate: int32", "audio_channels: int32",
		"audio_offset_ms: float64", "motion: float64", "sharpness: float64", "brightness: float64", "phash: int64", "silence: float64", "duration: float64",
		"status: list<item: struct<stage: utf8, error_class: utf8, error: utf8>, nullable>",
	}
	schema := NewTupleSchema(16000)
	var out bytes.Buffer
	if err := schema.NewWriter(&out, table.WriterOptions{}).Close(); err != nil {
		t.Fatal(err)
	}
	r, err := schema.NewReader(bytes.NewReader(out.Bytes()), table.ReaderOptions{})
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := base64.StdEncoding.DecodeString(r.Metadata("ARROW:schema"))
	if err != nil {
		t.Fatal(err)
	}
	stream, err := ipc.NewReader(bytes.NewReader(encoded))
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Release()
	var got []string
	for _, f := range stream.Schema().Fields() {
		got = append(got, f.Name+": "+f.Type.String())
	}
	if g, w := strings.Join(got, "\n"), strings.Join(want, "\n"); g != w {
		t.Errorf("the columns are\n%s\nwant\n%s", g, w)
	}
}

// Row groups are of 128 MiB and shards of 512 MiB; no row group may come near the
// 2 GiB of readers' 32-bit offsets.
func TestSizesOfShards(t *testing.T) {
	s := DefaultSettings()
	if s.RowGroupBytes != 128<<20 || s.ShardBytes != 512<<20 || s.Validate() != nil {
		t.Errorf("row groups of %d, shards of %d bytes: %v", s.RowGroupBytes, s.ShardBytes, s.Validate())
	}
	s.RowGroupBytes = 1<<30 + 1
	if err := s.Validate(); err == nil || !strings.Contains(err.Error(), "row_group_bytes 1073741825: want 1 KiB to 1 GiB") {
		t.Errorf("err = %v", err)
	}
}
