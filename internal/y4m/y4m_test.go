package y4m

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"testing"
)

// stream is what ffmpeg writes of three frames of noise, and their samples.
func stream(t *testing.T, width, height int, args ...string) (text, samples []byte) {
	t.Helper()
	ffmpeg := func(format ...string) []byte {
		cmd := exec.CommandContext(t.Context(), "ffmpeg", "-nostdin", "-v", "error", "-f", "lavfi",
			"-i", fmt.Sprintf("nullsrc=s=%dx%d:r=25:d=0.12,geq=lum='mod(random(1)*256,256)':cb=90:cr=200", width, height))
		cmd.Args = append(append(append(cmd.Args, "-pix_fmt", "yuv420p"), args...), append(format, "pipe:1")...)
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	return ffmpeg("-c:v", "wrapped_avframe", "-f", "yuv4mpegpipe"), ffmpeg("-f", "rawvideo")
}

func TestReadsWhatFFmpegWrites(t *testing.T) {
	for _, size := range [][2]int{{64, 48}, {2, 2}, {1, 1}, {63, 47}, {1280, 16}} {
		for _, args := range [][]string{nil, {"-color_range", "pc"}, {"-chroma_sample_location", "left"}} {
			text, samples := stream(t, size[0], size[1], args...)
			for name, take := range map[string]func(*Reader) ([]byte, error){
				"read": func(r *Reader) ([]byte, error) { return r.ReadFrame(nil) },
				"copied": func(r *Reader) ([]byte, error) {
					var out bytes.Buffer
					n, err := r.CopyTo(&out)
					if n != int64(r.FrameBytes()) {
						err = errors.Join(err, fmt.Errorf("%d bytes", n))
					}
					return out.Bytes(), err
				},
			} {
				r, err := NewReader(bytes.NewReader(text), size[0], size[1])
				if err != nil {
					t.Fatal(err)
				}
				var got []byte
				for err = r.Next(); err == nil; err = r.Next() {
					frame, err := take(r)
					if err != nil {
						t.Fatal(err)
					}
					got = append(got, frame...)
				}
				if err != io.EOF || !bytes.Equal(got, samples) {
					t.Errorf("%v %v %s: %d bytes, want %d (%v)", size, args, name, len(got), len(samples), err)
				}
			}
		}
	}
}

func TestFrameGoesIntoTheBuffer(t *testing.T) {
	text, samples := stream(t, 64, 48)
	r, err := NewReader(bytes.NewReader(text), 64, 48)
	if err == nil {
		err = r.Next()
	}
	if err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 0, r.FrameBytes())
	frame, err := r.ReadFrame(buf)
	if err != nil || &frame[0] != &buf[:1][0] || !bytes.Equal(frame, samples[:len(frame)]) {
		t.Errorf("%d bytes (%v)", len(frame), err)
	}
}

// A stream that is cut off anywhere gives its whole frames and says so.
func TestCutOff(t *testing.T) {
	text, samples := stream(t, 8, 6)
	frame := len(samples) / 3
	header := bytes.IndexByte(text, '\n') + 1
	for n := range len(text) {
		r, err := NewReader(bytes.NewReader(text[:n]), 8, 6)
		whole := 0
		for err == nil {
			if err = r.Next(); err == nil {
				var data []byte
				if data, err = r.ReadFrame(nil); err == nil {
					if !bytes.Equal(data, samples[whole*frame:][:frame]) {
						t.Fatalf("%d bytes: frame %d differs", n, whole)
					}
					whole++
				}
			}
		}
		isBetween := n >= header && (n-header)%(len("FRAME\n")+frame) == 0
		if want := max(0, n-header) / (len("FRAME\n") + frame); whole != want || isBetween != (err == io.EOF) || !isBetween && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%d bytes, %d frames: %v", n, whole, err)
		}
	}
}

func TestCopyOfACutOffFrame(t *testing.T) {
	text, samples := stream(t, 640, 48)
	header := bytes.IndexByte(text, '\n') + 1 + len("FRAME\n")
	for _, n := range []int{0, 1, 3000, 20000} {
		r, err := NewReader(bytes.NewReader(text[:header+n]), 640, 48)
		if err == nil {
			err = r.Next()
		}
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		if k, err := r.CopyTo(&out); !errors.Is(err, io.ErrUnexpectedEOF) || k != int64(n) || !bytes.Equal(out.Bytes(), samples[:n]) {
			t.Errorf("%d bytes copied of %d (%v)", k, n, err)
		}
	}
}

func TestRefuses(t *testing.T) {
	for _, text := range []string{
		"", "YUV4MPEG2 W8 H6", "YUV4MPEG W8 H6 C420jpeg\n", "YUV4MPEG2\n", "YUV4MPEG2 W8 H6\n", "YUV4MPEG2 W6 H8 C420jpeg\n",
		"YUV4MPEG2 W8 H6 C422\n", "YUV4MPEG2 W8 H6 C420p10 XYSCSS=420P10\n", "YUV4MPEG2 W8 H6 Cmono\n", strings.Repeat("YUV4MPEG2 ", 1000),
	} {
		if _, err := NewReader(strings.NewReader(text), 8, 6); !errors.Is(err, ErrCorrupt) && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%.40q: %v", text, err)
		}
	}
	r, err := NewReader(strings.NewReader("YUV4MPEG2 W8 H6 C420jpeg\nFRAMX\n"), 8, 6)
	if err == nil {
		err = r.Next()
	}
	if !errors.Is(err, ErrCorrupt) {
		t.Error(err)
	}
}

func FuzzReader(f *testing.F) {
	f.Add([]byte("YUV4MPEG2 W2 H2 F25:1 Ip A1:1 C420jpeg XYSCSS=420JPEG\nFRAME\nabcdefFRAME Ip\nghijkl"))
	f.Add([]byte("YUV4MPEG2 W2 H2 C420\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := NewReader(bytes.NewReader(text), 2, 2)
		for n := 0; err == nil; n++ {
			if n > len(text) {
				t.Fatal("more frames than bytes")
			}
			if err = r.Next(); err == nil {
				_, err = r.ReadFrame(nil)
			}
		}
		if err != io.EOF && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, ErrCorrupt) {
			t.Error(err)
		}
	})
}
