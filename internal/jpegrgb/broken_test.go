package jpegrgb

import (
	"bytes"
	"errors"
	"testing"
)

// A picture that ends early is never read, wherever that is: not even if all that
// is missing is the end's marker.
func TestTruncated(t *testing.T) {
	for _, name := range []string{"420-37x29", "420p-37x29", "restart-progressive", "apart-420-restart", "grey-6x5"} {
		data := read(t, "testdata/"+name+".jpg")
		for n := range data {
			if _, _, _, err := Decode(data[:n], 1<<20); err == nil || errors.Is(err, ErrUnsupported) || errors.Is(err, ErrTooLarge) {
				t.Errorf("%s: %d of %d bytes: %v", name, n, len(data), err)
			}
		}
	}
}

// at is the place of a marker, counted from 0.
func at(t *testing.T, data []byte, marker byte, which int) int {
	t.Helper()
	i := 0
	for ; ; i += 2 {
		next := bytes.Index(data[i:], []byte{0xff, marker})
		if next < 0 {
			t.Fatalf("no marker %x", marker)
		}
		if i += next; which == 0 {
			return i
		}
		which--
	}
}

func TestRefused(t *testing.T) {
	// set changes bytes from a place after a marker.
	set := func(marker byte, from int, to ...byte) func(*testing.T, []byte) []byte {
		return func(t *testing.T, data []byte) []byte {
			copy(data[at(t, data, marker, 0)+from:], to)
			return data
		}
	}
	drop := func(marker byte, which int) func(*testing.T, []byte) []byte {
		return func(t *testing.T, data []byte) []byte {
			i := at(t, data, marker, which)
			return append(data[:i], data[i+2+int(data[i+2])<<8+int(data[i+3]):]...)
		}
	}
	// end cuts a progressive picture after some scans.
	end := func(scans int) func(*testing.T, []byte) []byte {
		return func(t *testing.T, data []byte) []byte {
			return append(data[:at(t, data, sos, scans)], 0xff, eoi)
		}
	}
	again := func(t *testing.T, data []byte) []byte {
		scan := bytes.Clone(data[at(t, data, sos, 0):])
		return append(data[:len(data)-2], scan...)
	}
	broken := errors.New("")
	for name, c := range map[string]struct {
		file   string
		change func(*testing.T, []byte) []byte
		want   error
	}{
		"arithmetic":               {"420-37x29", set(sof0, 1, 0xc9), ErrUnsupported},
		"lossless":                 {"420-37x29", set(sof0, 1, 0xc3), ErrUnsupported},
		"hierarchical":             {"420-37x29", set(sof0, 1, 0xc5), ErrUnsupported},
		"12 bits":                  {"420-37x29", set(sof0, 4, 12), ErrUnsupported},
		"thrice as wide":           {"420-37x29", set(sof0, 11, 0x31), ErrUnsupported},
		"CMYK":                     {"beyond/cmyk", nil, ErrUnsupported},
		"without codes":            {"optimised", drop(dht, 0), ErrUnsupported},
		"progressive in part":      {"420p-37x29", end(5), ErrUnsupported},
		"progressive, DC alone":    {"420p-37x29", end(1), ErrUnsupported},
		"progressive, no scan":     {"420p-37x29", end(0), broken},
		"a large size":             {"420-37x29", set(sof0, 5, 0xff, 0xff, 0xff, 0xff), ErrTooLarge},
		"a large progressive":      {"420p-37x29", set(sof2, 5, 0xff, 0xff, 0xff, 0xff), ErrTooLarge},
		"no size":                  {"420-37x29", set(sof0, 5, 0, 0), broken},
		"more rows":                {"420-37x29", set(sof0, 5, 0, 99), broken},
		"sampling by 0":            {"420-37x29", set(sof0, 11, 0x20), broken},
		"two components of a name": {"420-37x29", set(sof0, 10, 2), broken},
		"a component without scan": {"apart-420", drop(sos, 2), broken},
		"a component's scan twice": {"apart-420", again, broken},
		"a scan twice":             {"420-37x29", again, broken},
		"a progressive scan twice": {"420p-37x29", again, broken},
		"a scan of another":        {"420-37x29", set(sos, 5, 9), broken},
		"no table of quantisation": {"420-37x29", drop(dqt, 0), broken},
		"a frame twice": {"420-37x29", func(t *testing.T, d []byte) []byte {
			i := at(t, d, sof0, 0)
			return append(bytes.Clone(d[:i+19]), d[i:]...)
		}, broken},
		"too many codes":            {"420-37x29", set(dht, 5, 3), broken},
		"a restart that is missing": {"restart-blocks", set(rst0, 0, 1, 1), broken},
		"restarts out of turn":      {"restart-blocks", set(rst0+1, 1, rst0), broken},
		"a scan from AC on":         {"420p-37x29", set(sos, 11, 1), broken},
		"too fine steps":            {"420p-37x29", set(sos, 13, 0x0e), broken},
	} {
		data := read(t, "testdata/"+c.file+".jpg")
		if c.change != nil {
			data = c.change(t, data)
		}
		_, _, _, err := Decode(data, 1<<20)
		if unsupported, large := errors.Is(err, ErrUnsupported), errors.Is(err, ErrTooLarge); err == nil ||
			unsupported != (c.want == ErrUnsupported) || large != (c.want == ErrTooLarge) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A scan of a progressive picture is a way through all blocks for a few bytes.
func TestManyScans(t *testing.T) {
	part := func(marker byte, data ...byte) []byte {
		return append([]byte{0xff, marker, 0, byte(len(data) + 2)}, data...)
	}
	// One block of one component; each code is a single 0, of a symbol 0.
	code := append(make([]byte, 17), 0)
	code[1] = 1
	data := bytes.Join([][]byte{{0xff, soi}, part(dqt, make([]byte, 65)...), part(sof2, 8, 0, 8, 0, 8, 1, 1, 0x11, 0), part(dht, code...)}, nil)
	code[0] = 0x10
	data = append(data, part(dht, code...)...)
	scan := func(k, high, low byte) []byte { return append(part(sos, 1, 1, 0, k, k, high<<4|low), 0x7f) }
	data = append(data, scan(0, 0, 0)...)
	for n := 1; n <= maxScans; n++ {
		rgb, _, _, err := Decode(append(bytes.Clone(data), 0xff, eoi), 64)
		if want := n > 9*14; want != (err == nil) || want && !bytes.Equal(rgb, bytes.Repeat([]byte{128}, 3*64)) {
			t.Fatalf("%d scans: %v", n, err)
		}
		k, low := byte(1+(n-1)/14), byte(13-(n-1)%14)
		high := low + 1
		if low == 13 {
			high = 0
		}
		data = append(data, scan(k, high, low)...)
	}
	if _, _, _, err := Decode(append(data, 0xff, eoi), 64); err == nil || errors.Is(err, ErrUnsupported) {
		t.Errorf("%d scans: %v", maxScans+1, err)
	}
}

func FuzzDecode(f *testing.F) {
	for _, file := range append(files(f), "testdata/beyond/411.jpg", "testdata/beyond/cmyk.jpg") {
		f.Add(read(f, file))
	}
	const maxPixels = 1 << 14
	f.Fuzz(func(t *testing.T, data []byte) {
		rgb, w, h, err := Decode(data, maxPixels)
		if err == nil && (w < 1 || h < 1 || w*h > maxPixels || len(rgb) != 3*w*h) {
			t.Fatalf("%dx%d, %d bytes", w, h, len(rgb))
		}
		if err != nil && rgb != nil {
			t.Fatalf("both a picture and %v", err)
		}
	})
}
