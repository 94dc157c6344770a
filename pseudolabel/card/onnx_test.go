package card

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// field is a field of protobuf with a message, a text or bytes.
func field(number uint64, parts ...string) string {
	value := strings.Join(parts, "")
	b := binary.AppendUvarint(nil, number<<3|2)
	b = binary.AppendUvarint(b, uint64(len(value)))
	return string(b) + value
}

// network is an ONNX file with the outputs depth and normal, and what more its
// graph has.
func network(more ...string) string {
	return "\x08\x08" + field(7, field(12, field(1, "depth")), field(12, field(1, "normal")), strings.Join(more, ""))
}

// outside is a tensor whose values are in a file.
func outside(location string) string {
	return field(8, "weight") + field(13, field(1, "location"), field(2, location)) + field(13, field(1, "length"), field(2, "5"))
}

func parse(data string) (*graph, error) {
	return parseGraph(strings.NewReader(data), int64(len(data)))
}

func TestGraph(t *testing.T) {
	inner := func(tensor string) string { return field(6, field(5, tensor)) } // an attribute's graph
	deep := outside("deep")
	for range 200 {
		deep = field(6, field(1, field(5, deep)))
	}
	for name, c := range map[string]struct {
		data string
		want []string
	}{
		"inside":           {network(field(5, field(9, "\x00\x00\x80?"))), nil},
		"initializer":      {network(field(5, outside("w.data"))), []string{"w.data"}},
		"two":              {network(field(5, outside("a")), field(5, outside("b")), field(5, outside("a"))), []string{"a", "b"}},
		"value first":      {network(field(5, field(13, field(2, "w"), field(1, "location")))), []string{"w"}},
		"constant":         {network(field(1, field(5, field(5, outside("w"))))), []string{"w"}},
		"list":             {network(field(1, field(5, field(10, outside("w"))))), []string{"w"}},
		"branch":           {network(field(1, field(5, inner(outside("w"))))), []string{"w"}},
		"sparse":           {network(field(15, field(1, outside("v")), field(2, outside("i")))), []string{"v", "i"}},
		"sparse constant":  {network(field(1, field(5, field(22, field(1, outside("w")))))), []string{"w"}},
		"function":         {network() + field(25, field(7, field(5, field(5, outside("w"))))), []string{"w"}},
		"training":         {network() + field(20, field(1, field(5, outside("w")))), []string{"w"}},
		"after large ones": {network(field(5, field(9, strings.Repeat("x", 10000))), field(5, outside("w"))), []string{"w"}},
	} {
		g, err := parse(c.data)
		if err != nil || !slices.Equal(g.external, c.want) || !slices.Equal(g.outputs, []string{"depth", "normal"}) {
			t.Errorf("%s: got %+v, %v; want %q", name, g, err, c.want)
		}
	}
	for name, data := range map[string]string{
		"empty": "", "text": "hello world\n", "web page": "<!DOCTYPE html>", "no graph": "\x08\x08", "cut": network()[:20], "group": "\x0b",
		"endless number": strings.Repeat("\xff", 20), "longer than the file": "\x3a\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
		"too deep": network(field(1, field(5, deep))), "huge name": network(field(12, field(1, strings.Repeat("x", maxName+1)))),
		"cut number": "\x3a\x01\x0d", "field 0": "\x02\x00",
	} {
		if g, err := parse(data); !errors.Is(err, errNotONNX) {
			t.Errorf("%s: got %+v, %v", name, g, err)
		}
	}
}

// typed is a tensor of a type, with these dimensions and no values.
func typed(kind byte, dims ...byte) string {
	t := "\x10" + string(kind)
	for _, d := range dims {
		t += "\x08" + string(d)
	}
	return t
}

func TestHalf(t *testing.T) {
	const float32s, int64s, float16s, bfloat16s = 1, 7, 10, 16
	for name, c := range map[string]struct {
		data string
		want bool
	}{
		"fp32":                   {network(field(5, typed(float32s, 64, 3))), false},
		"fp16":                   {network(field(5, typed(float16s, 64, 3))), true},
		"bf16":                   {network(field(5, typed(bfloat16s, 64, 3))), true},
		"a constant of fp32":     {network(field(5, typed(float16s, 64, 3)), field(1, field(5, field(5, typed(float32s, 2))))), true},
		"a constant of fp16":     {network(field(5, typed(float32s, 64, 3)), field(5, typed(float16s))), false},
		"weights beside":         {network(field(5, typed(float16s, 9)+outside("w.data"))), true},
		"shapes are no weights":  {network(field(5, typed(int64s, 99)), field(5, typed(float16s, 9))), true},
		"more than can be there": {network(field(5, typed(float32s, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127)), field(5, typed(float16s, 9))), false},
	} {
		file := filepath.Join(t.TempDir(), "net.onnx")
		if err := os.WriteFile(file, []byte(c.data), 0o644); err != nil {
			t.Fatal(err)
		}
		m := &Card{Dir: filepath.Dir(file)}
		if half, err := m.Half(File{Path: "net.onnx"}); err != nil || half != c.want {
			t.Errorf("%s: %v (%v), want %v", name, half, err, c.want)
		}
	}
}

func FuzzGraph(f *testing.F) {
	f.Add([]byte(network(field(5, outside("w.data")))))
	f.Add([]byte(network(field(1, field(5, field(6, field(5, outside("w"))))))))
	f.Fuzz(func(t *testing.T, data []byte) {
		g, err := parseGraph(bytes.NewReader(data), int64(len(data)))
		if (g == nil) == (err == nil) || err != nil && !errors.Is(err, errNotONNX) {
			t.Errorf("got %+v, %v", g, err)
		}
	})
}

// What is where a network should be is named, and so is what it takes weights
// from.
func TestVerifyNames(t *testing.T) {
	for _, c := range []struct{ file, changes, says string }{
		{"", "", "small.onnx is empty"},
		{"version https://git-lfs.github.com/spec/v1\noid sha256:abc\n", "", "git lfs pull"},
		{"<!DOCTYPE html><html>404</html>", "", "is a web page"},
		{"hello world", "", "no ONNX file"},
		{network(field(5, outside("w.data"))), "", `weights from "w.data", which is not among files`},
		{network(field(5, outside("../w.data"))), "", `weights from "../w.data"`},
		{network(field(5, outside("/w.data"))), "", `weights from "/w.data"`},
		{network(), "{name: depth,", `no output "far"; it has depth, normal`},
	} {
		dir := t.TempDir()
		text := cardOf("small", c.file)
		if c.changes != "" {
			text = strings.Replace(text, c.changes, "{name: far,", 1)
		}
		model(t, dir, "small", text, c.file)
		m, err := Load(filepath.Join(dir, "small"))
		if err != nil {
			t.Fatal(err)
		}
		err = m.Verify(context.Background())
		var file *FileError
		var card *Error
		if err == nil || !strings.Contains(err.Error(), c.says) || !errors.As(err, &file) && !errors.As(err, &card) {
			t.Errorf("%q: got %v, want an error with %q", c.file, err, c.says)
		}
	}

	// With its checksum it is as good as inside.
	dir := t.TempDir()
	net := network(field(5, outside("w.data")))
	text := strings.Replace(cardOf("small", net), "networks:", "  - {path: w.data, sha256: "+hash("weights")+"}\nnetworks:", 1)
	model(t, dir, "small", text, net)
	weights := filepath.Join(dir, "small", "w.data")
	for data, good := range map[string]bool{"weights": true, "others!": false} {
		if err := os.WriteFile(weights, []byte(data), 0o644); err != nil {
			t.Fatal(err)
		}
		m, err := Load(filepath.Join(dir, "small"))
		if err != nil {
			t.Fatal(err)
		}
		if err := m.Verify(context.Background()); (err == nil) != good {
			t.Errorf("%s: got %v", data, err)
		}
	}
}
