package nut

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"
)

// Raw video: the same pixels as without a container, and times that are exact
// in time bases of all kinds.
func TestReadRawVideo(t *testing.T) {
	for _, c := range []struct {
		pixels, fourCC string
		rate           string
		base           Rational // seconds per frame
	}{
		{"yuv420p", FourCCYUV420P, "25", Rational{1, 25}},
		{"gray", FourCCGray, "30000/1001", Rational{1001, 30000}},
		{"bgr24", FourCCBGR24, "90000", Rational{1, 90000}},
		{"rgb24", FourCCRGB24, "1000000", Rational{1, 1000000}},
	} {
		source := []string{"-f", "lavfi", "-i", "testsrc2=s=320x180:r=" + c.rate, "-frames:v", "40", "-pix_fmt", c.pixels}
		want := run(t, nil, append(source, "-f", "rawvideo")...)
		r, frames := readAll(t, run(t, nil, append(source, "-c:v", "rawvideo", "-f", "nut")...))
		s := r.Streams()[0]
		if len(r.Streams()) != 1 || s.Class != ClassVideo || s.FourCC != c.fourCC || s.Width != 320 || s.Height != 180 {
			t.Errorf("%s: %+v", c.pixels, s)
		}
		if !bytes.Equal(join(frames, 0), want) {
			t.Errorf("%s: other pixels", c.pixels)
		}
		for i, f := range frames {
			if f.PTS*s.TimeBase.Num*c.base.Den != int64(i)*c.base.Num*s.TimeBase.Den || !f.Key {
				t.Errorf("%s: frame %d at %d, time base %v", c.pixels, i, f.PTS, s.TimeBase)
			}
		}
	}
}

// Uneven times, one of them 4096 s after the last: setpts makes them, in units
// of 1/90000 s.
func TestReadUnevenTimes(t *testing.T) {
	want := []int64{0, 1, 7, 100, 3603, 3603 + 4096*90000, 3603 + 4096*90000 + 1, 3603 + 8192*90000}
	expr := ""
	for i, pts := range slices.Backward(want) {
		if expr == "" {
			expr = fmt.Sprint(pts)
			continue
		}
		expr = fmt.Sprintf("if(eq(N,%d),%d,%s)", i, pts, expr)
	}
	r, frames := readAll(t, run(t, nil, "-f", "lavfi", "-i", "testsrc2=s=320x180:r=10", "-frames:v", fmt.Sprint(len(want)),
		"-vf", "settb=1/90000,setpts='"+expr+"'", "-vsync", "passthrough", "-enc_time_base", "1/90000",
		"-pix_fmt", "gray", "-c:v", "rawvideo", "-f", "nut"))
	if base := r.Streams()[0].TimeBase; base != (Rational{1, 90000}) {
		t.Errorf("time base %v", base)
	}
	var got []int64
	for _, f := range frames {
		got = append(got, f.PTS)
	}
	if !slices.Equal(got, want) {
		t.Errorf("times %v, want %v", got, want)
	}
}

func TestReadPCM(t *testing.T) {
	source := []string{"-f", "lavfi", "-i", "sine=r=16000:d=3", "-c:a", "pcm_s16le"}
	want := run(t, nil, append(source, "-f", "s16le")...)
	r, frames := readAll(t, run(t, nil, append(source, "-f", "nut")...))
	s := r.Streams()[0]
	if s.Class != ClassAudio || s.FourCC != FourCCS16LE || s.SampleRate != (Rational{16000, 1}) || s.Channels != 1 ||
		s.TimeBase != (Rational{1, 16000}) {
		t.Errorf("%+v", s)
	}
	if got := join(frames, 0); len(got) != 3*16000*2 || !bytes.Equal(got, want) {
		t.Errorf("other samples: %d bytes", len(got))
	}
	var at int64
	for i, f := range frames {
		if f.PTS != at {
			t.Fatalf("frame %d at %d, not %d", i, f.PTS, at)
		}
		at += int64(len(f.Data) / 2)
	}
}

// H.264 with B-frames: the elementary stream byte for byte, in decoding order,
// with presentation times that begin at 0 though decoding begins before.
func TestReadH264(t *testing.T) {
	args := []string{"-f", "lavfi", "-i", "testsrc2=s=320x180:r=25:d=2", "-c:v", "libx264", "-threads", "1",
		"-bf", "3", "-x264-params", "b-adapt=0:scenecut=0", "-flags", "+bitexact"}
	r, frames := readAll(t, run(t, nil, append(args, "-avoid_negative_ts", "disabled", "-write_index", "0", "-f", "nut")...))
	s := r.Streams()[0]
	if s.FourCC != FourCCH264 || !bytes.HasPrefix(s.CodecData, []byte{0, 0, 0, 1, 0x67}) || s.DecodeDelay != 2 {
		t.Errorf("%+v", s)
	}
	want := run(t, nil, append(args, "-flags", "+bitexact+global_header", "-f", "h264")...)
	if got := join(frames, 0); !bytes.HasSuffix(want, got) || len(got) < 10000 {
		t.Errorf("%d bytes of H.264, not those %d", len(got), len(want))
	}
	var times []int64
	ordered, key := true, 0
	for _, f := range frames {
		ordered = ordered && (len(times) == 0 || f.PTS > times[len(times)-1])
		times = append(times, f.PTS)
		if f.Key {
			key++
		}
	}
	if ordered || key != 1 {
		t.Errorf("in order %v, %d key frames", ordered, key)
	}
	slices.Sort(times)
	for i, pts := range times {
		if len(times) != 50 || pts != int64(i)*s.TimeBase.Den/25 {
			t.Fatalf("frame %d of %d at %d", i, len(times), pts)
		}
	}
}

// H.264 and AAC in one stream, moved so that the encoder's padding, which
// precedes time 0, has times that NUT can hold.
func TestReadH264AndAAC(t *testing.T) {
	r, frames := readAll(t, run(t, nil, "-f", "lavfi", "-i", "testsrc2=s=320x180:r=25", "-f", "lavfi", "-i", "sine=r=16000",
		"-t", "2", "-c:v", "libx264", "-bf", "0", "-c:a", "aac", "-f", "nut"))
	s := r.Streams()
	if len(s) != 2 || s[1].Class != ClassAudio || s[1].FourCC != FourCCAAC || len(s[1].CodecData) < 2 ||
		s[1].TimeBase != (Rational{1, 16000}) {
		t.Errorf("%+v", s)
	}
	// 1024 samples of padding are 64 ms, which is not a whole number of 1/51200 s.
	next := []int64{(64*s[0].TimeBase.Den + 500) / 1000, 0}
	step := []int64{s[0].TimeBase.Den / 25, 1024}
	count := []int{0, 0}
	for _, f := range frames {
		if f.PTS != next[f.Stream] {
			t.Fatalf("stream %d, frame %d at %d, not %d", f.Stream, count[f.Stream], f.PTS, next[f.Stream])
		}
		next[f.Stream] += step[f.Stream]
		count[f.Stream]++
	}
	if !slices.Equal(count, []int{50, 33}) { // 2 s of 1024 samples each, and one more for the padding
		t.Errorf("%v frames", count)
	}
}

func TestReadMJPEG(t *testing.T) {
	r, frames := readAll(t, run(t, nil, "-f", "lavfi", "-i", "testsrc2=s=320x180:r=10:d=1",
		"-c:v", "mjpeg", "-f", "nut"))
	if s := r.Streams()[0]; s.FourCC != FourCCMJPEG || len(frames) != 10 {
		t.Errorf("%+v, %d frames", s, len(frames))
	}
	for i, f := range frames {
		if !bytes.HasPrefix(f.Data, []byte{0xff, 0xd8}) || !bytes.HasSuffix(f.Data, []byte{0xff, 0xd9}) {
			t.Errorf("frame %d is no JPEG", i)
		}
	}
}

// Packets of no interest to us may stand between frames.
func TestReadSkipsPackets(t *testing.T) {
	streams := []Stream{{FourCC: FourCCGray, TimeBase: Rational{1, 25}, Width: 4, Height: 2}}
	var out bytes.Buffer
	w, err := NewWriter(&out, streams)
	if err != nil {
		t.Fatal(err)
	}
	for i, code := range []uint64{infoStart, mainStart, streamStart, indexStart} {
		w.packet(code, make([]byte, i*3000)) // with and without a checksum of the header
		if err := w.WriteFrame(Frame{PTS: int64(i), Data: []byte{byte(i)}}); err != nil {
			t.Fatal(err)
		}
	}
	if _, frames := readAll(t, out.Bytes()); !bytes.Equal(join(frames, 0), []byte{0, 1, 2, 3}) {
		t.Errorf("%v", frames)
	}
	w.packet(indexStart+1, nil)
	if err := w.out.Flush(); err != nil {
		t.Fatal(err)
	}
	r, err := NewReader(&out, maxFrame)
	for err == nil {
		_, err = r.Next(nil)
	}
	if !errors.Is(err, ErrCorrupt) {
		t.Errorf("err = %v", err)
	}
}

// The caller's buffer is used when it is large enough, and only then.
func TestNextBuffer(t *testing.T) {
	stream := run(t, nil, "-f", "lavfi", "-i", "testsrc2=s=320x180:r=10:d=1", "-pix_fmt", "gray", "-c:v", "rawvideo", "-f", "nut")
	r, err := NewReader(bytes.NewReader(stream), 320*180)
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{320 * 180, 320*180 + 9, 320*180 - 1} {
		buf := make([]byte, 0, size)
		f, err := r.Next(buf)
		if err != nil || len(f.Data) != 320*180 {
			t.Fatalf("%d bytes, %v", len(f.Data), err)
		}
		if used := &f.Data[0] == &buf[:1][0]; used != (size >= 320*180) {
			t.Errorf("buffer of %d bytes used: %v", size, used)
		}
	}
}

func TestReadTooLarge(t *testing.T) {
	stream := run(t, nil, "-f", "lavfi", "-i", "testsrc2=s=320x180:r=10:d=1", "-pix_fmt", "gray", "-c:v", "rawvideo", "-f", "nut")
	r, err := NewReader(bytes.NewReader(stream), 320*180-1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err = r.Next(nil); !errors.Is(err, ErrCorrupt) {
		t.Errorf("err = %v", err)
	}
}

// Cut at every byte, a stream ends in io.EOF between packets and in
// io.ErrUnexpectedEOF elsewhere, never well.
func TestReadTruncated(t *testing.T) {
	streams := []Stream{{FourCC: FourCCGray, TimeBase: Rational{1, 25}, Width: 4, Height: 2}}
	frames := []Frame{{PTS: 0, Data: []byte("12345678")}, {PTS: 9, Data: []byte("abcdefgh")}}
	stream := write(t, streams, frames)
	ends := []int{len(write(t, streams, nil)), len(write(t, streams, frames[:1])), len(stream)}
	syncEnd := bytes.Index(stream, frames[0].Data) - 9 // 1 code, 1 flags, 1 stream, 1 time, 1 size, 4 checksum
	for cut := range len(stream) {
		r, err := NewReader(bytes.NewReader(stream[:cut]), 8)
		for err == nil {
			_, err = r.Next(nil)
		}
		clean := slices.Contains(ends, cut) || cut == syncEnd
		if clean != (err == io.EOF) || !clean && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("cut at %d of %d: %v", cut, len(stream), err)
		}
	}
}

// Each bit of the headers is under a checksum or checked, but for the one that
// says that a frame's header has a checksum.
func TestReadBitFlips(t *testing.T) {
	streams := []Stream{{FourCC: FourCCGray, TimeBase: Rational{1, 25}, Width: 4, Height: 2}}
	data := []byte("12345678")
	stream := write(t, streams, []Frame{{PTS: 3, Data: data}})
	checksumFlag := 8*(len(stream)-len(data)-8) + 6
	for i := range 8 * (len(stream) - len(data)) {
		bad := slices.Clone(stream)
		bad[i/8] ^= 1 << (i % 8)
		r, err := NewReader(bytes.NewReader(bad), 1<<20)
		if err == nil {
			_, err = r.Next(nil)
		}
		if i != checksumFlag && !errors.Is(err, ErrCorrupt) && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("bit %d of byte %d of %d: %v", i%8, i/8, len(stream), err)
		}
	}
}
