package extract

import (
	"bytes"
	"encoding/binary"
	"slices"
	"testing"
)

// ramp is n mono samples that count from first.
func ramp(first, n int) []byte {
	var data []byte
	for i := range n {
		data = binary.LittleEndian.AppendUint16(data, uint16(first+i))
	}
	return data
}

func TestPCMKeepsTime(t *testing.T) {
	const rate = 1000 // so that maxJitter is 10 samples
	tests := []struct {
		name    string
		packets [][3]int // at, first, n
		from    int64
		want    []uint16
	}{
		{"late start is silence", [][3]int{{5, 1, 3}}, 3, []uint16{0, 0, 1, 2, 3, 0}},
		{"before zero", [][3]int{{-2, 1, 4}}, 0, []uint16{3, 4, 0}},
		{"asked before zero", [][3]int{{-1, 1, 4}}, -3, []uint16{0, 0, 1, 2, 3}},
		{"jitter is nothing", [][3]int{{0, 1, 3}, {6, 4, 2}, {2, 6, 1}}, 0, []uint16{1, 2, 3, 4, 5, 6, 0}},
		{"a gap is silence", [][3]int{{0, 1, 2}, {13, 3, 2}}, 1, []uint16{2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3, 4}},
		{"an overlap is lost", [][3]int{{0, 1, 20}, {8, 100, 14}}, 18, []uint16{19, 20, 112, 113, 0}},
		{"what is wholly past is lost", [][3]int{{0, 1, 20}, {1, 100, 5}, {20, 21, 1}}, 18, []uint16{19, 20, 21, 0}},
	}
	for _, test := range tests {
		p := pcm{rate: rate, channels: 1}
		for _, k := range test.packets {
			p.add(int64(k[0]), ramp(k[1], k[2]))
		}
		data := p.slice(test.from, test.from+int64(len(test.want)))
		got := make([]uint16, len(data)/2)
		for i := range got {
			got[i] = binary.LittleEndian.Uint16(data[2*i:])
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
	}
}

func TestPCMForgets(t *testing.T) {
	p := pcm{rate: 48000, channels: 2}
	const packet, n = 1000, 2000
	for i := range n {
		p.add(int64(i*packet), make([]byte, 4*packet))
	}
	if p.bytes != 4*packet*n || p.next() != packet*n {
		t.Fatalf("%d bytes up to %d", p.bytes, p.next())
	}
	want := p.slice(packet*n-10, packet*n)
	p.forget(packet*n - 10)
	if p.bytes > 2*pieceBytes || len(p.pieces) > 2 {
		t.Errorf("%d bytes in %d pieces are kept", p.bytes, len(p.pieces))
	}
	p.forget(packet * n * 2)
	if p.next() != packet*n || !bytes.Equal(p.slice(packet*n-10, packet*n), want) {
		t.Error("the end is lost")
	}
}
