package ffmpeg

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

func inspect(t *testing.T, path string, stream int, visit func(Packet) bool) error {
	t.Helper()
	return tools(t).Inspect(t.Context(), Inspection{Path: path, Format: "mov,mp4,m4a,3gp,3g2,mj2", Stream: stream}, visit)
}

func TestInspectWholeMedia(t *testing.T) {
	path := sample(t, "whole.mp4")
	for stream, want := range []int{10, 17} { // 1.6e4 samples by 1024, and one of priming
		n, frames := 0, 0
		var last Packet
		err := inspect(t, path, stream, func(p Packet) bool {
			if n == 0 && !p.Key || p.Duration <= 0 || n > 0 && p.DTS <= last.DTS || p.Decoder != "" || p.Demuxer != "" {
				t.Errorf("stream %d, packet %d: %+v", stream, n, p)
			}
			n++
			frames += p.Frames
			last = p
			return true
		})
		if err != nil || n != want || frames < n-1 {
			t.Errorf("stream %d: %d packets, want %d; %d frames; %v", stream, n, want, frames, err)
		}
	}
}

func TestInspectStopsWhenToldTo(t *testing.T) {
	n := 0
	err := inspect(t, sample(t, "whole.mp4"), 0, func(Packet) bool { n++; return n < 3 })
	if err != nil || n != 3 {
		t.Errorf("%d packets, %v", n, err)
	}
}

func TestInspectNoMedia(t *testing.T) {
	err := inspect(t, "no-such.mp4", 0, func(Packet) bool { t.Error("a packet of nothing"); return true })
	var exit *ExitError
	if !errors.As(err, &exit) {
		t.Errorf("error %v", err)
	}
}

// TestComplaintsBelongToPackets reads what ffprobe 5.1 and 7 write, in pieces of
// any size.
func TestComplaintsBelongToPackets(t *testing.T) {
	said := strings.Join([]string{
		"[h264 @ 0x5584093d12c0] [error] said while the file is opened",
		"packet|pts=0|dts=-512|duration=512|flags=K__",
		"frame|pts=0|side_data|side_data_type=H.26[45] User Data Unregistered SEI message",
		"packet|pts=1024|dts=0|duration=N/A|flags=__C|side_data|side_data_type=MPEGTS Stream ID|id=224",
		"[h264 @ 0x5584093d12c0] [error] error while decoding MB 0 6, bytestream 921",
		"[h264 @ 0x5584093d12c0] [error] " + strings.Repeat("x", 2*maxLine),
		"[NULL @ 0x5584093d12c1] [error] Invalid NAL unit size (1625521070 > 3104).",
		"packet|pts=N/A|dts=N/A|duration=512|flags=_D",
		"[matroska,webm @ 0x5584093b66c0] [error] Element at 0x1e24c ends beyond",
		"[outer @ 0x1] [vp9 @ 0x2] [fatal] no\x1b[31m more",
		"[error] of nobody", "",
	}, "\n") + "\n"
	want := fmt.Sprint([]Packet{
		{PTS: 0, DTS: -512, Duration: 512, Key: true, Frames: 1},
		{PTS: 1024, DTS: 0, Decoder: "h264: error while decoding MB 0 6, bytestream 921"},
		{PTS: NoTime, DTS: NoTime, Duration: 512, Discard: true, Decoder: "vp9: no?[31m more", Demuxer: "matroska,webm: Element at 0x1e24c ends beyond"},
	})
	for size := 1; size < len(said); size += 7 {
		var got []Packet
		r := &inspector{demuxer: "matroska,webm", visit: func(p Packet) bool { got = append(got, p); return true }}
		for rest := said; rest != ""; {
			n := min(size, len(rest))
			if _, err := r.Write([]byte(rest[:n])); err != nil {
				t.Fatal(err)
			}
			rest = rest[n:]
		}
		r.next(nil)
		if fmt.Sprint(got) != want {
			t.Fatalf("in pieces of %d:\n%v, want\n%s", size, got, want)
		}
	}
}
