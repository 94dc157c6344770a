package table

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"reflect"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/parquet"
	"github.com/apache/arrow/go/v15/parquet/compress"
)

// small is a file with every kind of page, and its rows.
func small(t testing.TB) ([]byte, []*row) {
	want := append(rows()[:4], rows()[5:8]...)
	want[1].Video, want[5].Video, want[6].Video = blob(50, 'v'), blob(20, 'w'), blob(21, 'x')
	data := write(t, WriterOptions{RowGroupBytes: 1000}, want)
	got, err := readAllRows(open(t, data))
	if n := len(open(t, data).RowGroups()); err != nil || n != 2 {
		t.Fatalf("%d row groups, %v", n, err)
	}
	return data, got
}

// Regions of a file.
const (
	inMagic = iota // in front, which nobody reads
	inHeader
	inPage
	inMark
	inFooter
	inTail
)

// pagePlace is where a page is in a file.
type pagePlace struct {
	leaf, header, data int // offsets in bytes
	h                  pageHeader
}

func pagesOf(t testing.TB, data []byte) (pages []pagePlace) {
	t.Helper()
	r := open(t, data)
	for g := range r.RowGroups() {
		for i := range rowSchema.leaves {
			c, err := r.footer.RowGroup(g).ColumnChunk(i)
			if err != nil {
				t.Fatal(err)
			}
			for at, end := int(c.DataPageOffset()), int(c.DataPageOffset()+c.TotalCompressedSize()); at < end; {
				b := bytes.NewReader(data[at:])
				buffered := bufio.NewReader(b)
				h, err := readPageHeader(buffered)
				if err != nil || !h.hasCRC {
					t.Fatalf("%+v, %v", h, err)
				}
				header := int(b.Size()) - b.Len() - buffered.Buffered()
				pages = append(pages, pagePlace{i, at, at + header, h})
				at += header + int(h.stored)
			}
		}
	}
	return pages
}

// regions tells of every byte of a file where it is, and of bytes of pages in
// which leaf.
func regions(t *testing.T, data []byte) (region, leaf []int) {
	region, leaf = make([]int, len(data)), make([]int, len(data))
	for _, p := range pagesOf(t, data) {
		for i := p.header; i < p.data+int(p.h.stored); i++ {
			region[i], leaf[i] = inHeader, p.leaf
			if i >= p.data {
				region[i] = inPage
			}
		}
	}
	tail := len(data) - tailBytes
	footer := tail - int(binary.LittleEndian.Uint32(data[tail:]))
	for i := range data {
		switch {
		case i >= tail:
			region[i] = inTail
		case i >= footer:
			region[i] = inFooter
		case i >= footer-tailBytes:
			region[i] = inMark
		case region[i] == inMagic && i >= len(magic):
			t.Fatalf("byte %d is in no page", i)
		}
	}
	return region, leaf
}

// A bit that flips in a page or in the footer is an error. One that flips in a
// page's header, or in what frames the footer, is an error or harms nothing.
func TestFlippedBits(t *testing.T) {
	data, want := small(t)
	region, _ := regions(t, data)
	harmless := 0
	for i := range data {
		for bit := range 8 {
			if (region[i] == inPage || region[i] == inFooter) && bit != i%8 {
				continue // a CRC finds one flipped bit as well as another
			}
			flipped := bytes.Clone(data)
			flipped[i] ^= 1 << bit
			var got []*row
			r, err := rowSchema.NewReader(bytes.NewReader(flipped), ReaderOptions{})
			if err == nil {
				got, err = readAllRows(r)
			}
			switch {
			case region[i] == inPage && !errors.Is(err, errChecksum), region[i] == inFooter && !errors.Is(err, errFooterChecksum):
				t.Fatalf("bit %d of byte %d, in region %d: %v", bit, i, region[i], err)
			case err == nil && !reflect.DeepEqual(got, want):
				t.Fatalf("bit %d of byte %d, in region %d, changed the rows, and nothing was said", bit, i, region[i])
			case err == nil:
				harmless++
			}
		}
	}
	t.Logf("%d bytes, %d flips of headers harmed nothing", len(data), harmless)
}

// Only the pages of columns that are read are checked, and all of these.
func TestFlippedBitsOfSomeColumns(t *testing.T) {
	data, want := small(t)
	region, leaf := regions(t, data)
	for _, column := range []string{"name", "video", "elems"} {
		for i := 0; i < len(data); i += 7 {
			if region[i] != inPage {
				continue
			}
			flipped := bytes.Clone(data)
			flipped[i] ^= 1 << (i % 8)
			got, err := readAllRows(open(t, flipped, column))
			if isRead := rowSchema.topLevel(leaf[i]) == column; isRead != errors.Is(err, errChecksum) || !isRead && len(got) != len(want) {
				t.Fatalf("byte %d, of %s, reading %s: %d rows, %v", i, rowSchema.leaves[leaf[i]].path, column, len(got), err)
			}
		}
	}
}

// topLevel is the name of the column that a leaf belongs to.
func (s *Schema[R]) topLevel(leaf int) string {
	for _, c := range s.columns {
		if leaf -= len(c.leaves); leaf < 0 {
			return c.field.Name
		}
	}
	panic("no such leaf")
}

// Files by versions that wrote no checksums are read as ever.
func TestWithoutChecksums(t *testing.T) {
	data, err := os.ReadFile("testdata/without_checksums.parquet")
	if err != nil {
		t.Fatal(err)
	}
	got, err := readAllRows(open(t, data))
	want, _ := readAllRows(open(t, write(t, WriterOptions{RowGroupBytes: 9000}, rows()[:4])))
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
	places, err := open(t, data).Blobs()
	if err != nil || len(places) != 4 {
		t.Errorf("%+v, %v", places, err)
	}
}

// The checksums of other writers are checked: those that pyarrow 26 wrote with
// write_page_checksum into pages of version 1 and 2, with a dictionary, zstd.
func TestForeignChecksums(t *testing.T) {
	for _, name := range []string{"testdata/pyarrow_v1.parquet", "testdata/pyarrow_v2.parquet"} {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		want, err := entries(data)
		if err != nil || len(want) != 36 || want[1] != (Entry{Rep: 1, Def: 3, Value: "abc"}) {
			t.Fatalf("%s: %+v, %v", name, want, err)
		}
		f, err := OpenFile(bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		c, err := f.footer.RowGroup(0).ColumnChunk(0)
		if err != nil {
			t.Fatal(err)
		}
		found, size := 0, int(c.TotalCompressedSize())
		for i := range size {
			flipped := bytes.Clone(data)
			flipped[4+i] ^= 1 << (i % 8)
			got, err := entries(flipped)
			if errors.Is(err, errChecksum) {
				found++
			} else if err == nil && !reflect.DeepEqual(got, want) {
				t.Fatalf("%s: byte %d changed the entries, and nothing was said", name, i)
			}
		}
		if found < size/4 { // the pages are about as small as their headers
			t.Errorf("%s: %d of %d flips were seen by checksums", name, found, size)
		}
	}
}

// What headers are given comes from broken files.
func TestBrokenHeaders(t *testing.T) {
	whole := string((&pageHeader{size: 9, stored: 7, crc: 1 << 31, values: 5, def: 3, rep: 3}).appendTo(nil))
	h, err := readPageHeader(bufio.NewReader(bytes.NewReader([]byte(whole))))
	if err != nil || h != (pageHeader{size: 9, stored: 7, crc: 1 << 31, hasCRC: true, values: 5, def: 3, rep: 3}) {
		t.Fatalf("%+v, %v", h, err)
	}
	deep := ""
	for range 100 {
		deep += "\x9c"
	}
	for name, head := range map[string]string{
		"empty": "", "zeros": "\x00\x00\x00\x00", "cut": whole[:len(whole)-1], "no header of the kind": "\x15\x00\x15\x00\x15\x00\x00",
		"negative size": "\x15\x00\x15\x01\x15\x00\x2c\x15\x02\x00\x00", "endless number": "\x15\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
		"deep": deep, "a list": "\x19\x15\x00", "long string": "\x18\xff\xff\xff\x7f", "header of another kind": "\x15\x04\x15\x00\x15\x00\x2c\x15\x02\x00\x00",
	} {
		if h, err := readPageHeader(bufio.NewReader(bytes.NewReader([]byte(head)))); err == nil {
			t.Errorf("%s: %+v", name, h)
		}
	}
}

// Values that a page says to be larger than they are, or smaller.
func TestPageSizes(t *testing.T) {
	p := &pageReader{}
	for _, codec := range []compress.Compression{compress.Codecs.Uncompressed, compress.Codecs.Zstd, compress.Codecs.Snappy} {
		if codec != compress.Codecs.Uncompressed {
			var err error
			if p.codec, err = compress.GetCodec(codec); err != nil {
				t.Fatal(err)
			}
		}
		stored := []byte("0123456789")
		if p.codec != nil {
			stored = p.codec.Encode(nil, stored)
		}
		for size := range int32(20) {
			data, err := func() (_ []byte, err error) {
				defer recoverTo(&err)
				return p.uncompress(pageHeader{size: size}, stored)
			}()
			if (err == nil) != (size == 10) || err == nil && string(data) != "0123456789" {
				t.Errorf("%v, %d bytes: %q, %v", codec, size, data, err)
			}
		}
	}
}

// A page of version 2 of nulls only has no values to uncompress.
func TestOnlyNulls(t *testing.T) {
	for _, codec := range []compress.Compression{compress.Codecs.Snappy, compress.Codecs.Zstd} {
		data := foreign(t, arrow.BinaryTypes.String, `[{"x":null},{"x":null}]`, parquet.WithDataPageVersion(parquet.DataPageV2), parquet.WithCompression(codec), parquet.WithDictionaryDefault(false))
		if got, err := entries(data); err != nil || fmt.Sprint(got) != "[{0 0 <nil>} {0 0 <nil>}]" {
			t.Errorf("%v: %+v, %v", codec, got, err)
		}
	}
}

// withoutChecksums is a file whose pages' checksums are of a type that makes
// them unknown fields, which readers pass over.
func withoutChecksums(t testing.TB, data []byte) []byte {
	data = bytes.Clone(data)
	for _, p := range pagesOf(t, data) {
		data[p.header+len(appendNumbers(nil, int32(p.h.kind), p.h.size, p.h.stored))] = 1<<4 | thriftI64
	}
	return data
}

// The sub-benchmarks tell what a file of blobs of 1 MiB costs to read from
// memory, and the same file if no page had a checksum.
func BenchmarkReader(b *testing.B) {
	var many []*row
	for i := range 64 {
		many = append(many, &row{Name: fmt.Sprint(i), Video: blob(1<<20, byte(i))})
	}
	data := write(b, WriterOptions{}, many)
	for name, file := range map[string][]byte{"checked": data, "unchecked": withoutChecksums(b, data)} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(file)))
			for b.Loop() {
				if got, err := readAllRows(open(b, file)); err != nil || len(got) != len(many) {
					b.Fatal(err)
				}
			}
		})
	}
}
