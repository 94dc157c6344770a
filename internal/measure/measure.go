// Package measure computes the quality measures by which clips are filtered,
// from 8-bit luma and 16-bit PCM.
package measure

import (
	"encoding/binary"
	"math"
	"slices"
)

// Sharpness is the variance of the Laplacian (the sum of the four neighbours
// less four times the pixel) over every step-th pixel of every step-th row of a
// luma plane without padding, its border left out: some tens for a blurred
// picture, thousands for a crisp one (Pech-Pacheco et al., ICPR 2000). It is 0
// for planes smaller than 3x3.
func Sharpness(luma []byte, width, height, step int) float64 {
	var n, sum, squares int64
	for y := 1; y < height-1; y += step {
		above, row, below := luma[(y-1)*width:][:width], luma[y*width:][:width], luma[(y+1)*width:][:width]
		for x := 1; x < width-1; x += step {
			l := int64(above[x]) + int64(below[x]) + int64(row[x-1]) + int64(row[x+1]) - 4*int64(row[x])
			sum += l
			squares += l * l
		}
		n += int64((width - 2 + step - 1) / step)
	}
	if n == 0 || width < 3 {
		return 0
	}
	mean := float64(sum) / float64(n)
	return float64(squares)/float64(n) - mean*mean
}

// Brightness is the mean of luma, 0..1.
func Brightness(luma []byte) float64 {
	if len(luma) == 0 {
		return 0
	}
	sum := 0
	for _, v := range luma {
		sum += int(v)
	}
	return float64(sum) / float64(len(luma)) / 255
}

// A Motion averages the change of luma from frame to frame. The zero value is
// ready.
type Motion struct {
	last  []byte
	sum   float64
	pairs int
}

// motionLines is about how many lines, and columns of the short side, are
// compared: more of a large picture would not tell more.
const motionLines = 96

// Add takes the next frame, whose luma has no padding and always the same size.
func (m *Motion) Add(luma []byte, width, height int) {
	step := max(1, min(width, height)/motionLines)
	first := m.last == nil
	if first {
		m.last = make([]byte, (width+step-1)/step*((height+step-1)/step))
	}
	i, change := 0, 0
	for y := 0; y < height; y += step {
		row := luma[y*width:][:width]
		for x := 0; x < width; x += step {
			d := int(row[x]) - int(m.last[i])
			m.last[i] = row[x]
			i++
			change += max(d, -d)
		}
	}
	if !first && i > 0 {
		m.sum += float64(change) / float64(i) / 255
		m.pairs++
	}
}

// Mean is the mean absolute change, 0..1; 0 with fewer than two frames.
func (m *Motion) Mean() float64 {
	if m.pairs == 0 {
		return 0
	}
	return m.sum / float64(m.pairs)
}

// silenceFloor is -50 dBFS as the mean square of 16-bit samples: below the noise
// of a quiet room in usual recordings, above dither.
var silenceFloor = math.Pow(10, -50./10) * 32768 * 32768

// Silence tells how much of a sound is silent, as its samples are written to it.
type Silence struct {
	window          int // samples, of all channels
	half            []byte
	samples         int // of the open window
	squares         float64
	silent, windows int
}

// NewSilence is for little-endian 16-bit PCM, interleaved.
func NewSilence(rate, channels int) *Silence {
	return &Silence{window: max(1, rate/100) * max(1, channels)}
}

// Write takes what comes next, which may end within a sample; it never fails.
func (s *Silence) Write(pcm []byte) (int, error) {
	n := len(pcm)
	if len(s.half) > 0 && n > 0 {
		s.add(append(s.half, pcm[0]))
		s.half, pcm = nil, pcm[1:]
	}
	for ; len(pcm) >= 2; pcm = pcm[2:] {
		s.add(pcm)
	}
	s.half = append(s.half, pcm...)
	return n, nil
}

func (s *Silence) add(sample []byte) {
	v := float64(int16(binary.LittleEndian.Uint16(sample)))
	s.squares += v * v
	if s.samples++; s.samples == s.window {
		s.silent += s.isSilent()
		s.windows++
		s.samples, s.squares = 0, 0
	}
}

// isSilent is 1 if the open window is silent so far.
func (s *Silence) isSilent() int {
	if s.squares/float64(s.samples) < silenceFloor {
		return 1
	}
	return 0
}

// Share is that of 10 ms windows whose root mean square is below -50 dBFS; 1 without
// sound. A last window that is not full is left out unless it is the only one.
func (s *Silence) Share() float64 {
	switch {
	case s.windows == 0 && s.samples > 0:
		return float64(s.isSilent())
	case s.windows == 0:
		return 1
	}
	return float64(s.silent) / float64(s.windows)
}

// Perceptual hash: the picture is shrunk to side x side and the lowest freqs x
// freqs cosine frequencies of it are compared with their median.
const (
	hashSide  = 32
	hashFreqs = 8
)

// PHash is the 64-bit perceptual hash of a luma plane whose rows are stride
// apart (pHash's DCT hash, as the imagehash library orders it: the first bit,
// the highest, is the mean). Pictures that look alike differ in few bits.
func PHash(luma []byte, width, height, stride int) uint64 {
	small := shrink(luma, width, height, stride)
	var cosines [hashFreqs][hashSide]float64
	for u := range cosines {
		for x := range cosines[u] {
			cosines[u][x] = math.Cos(math.Pi * float64(u) * (2*float64(x) + 1) / (2 * hashSide))
		}
	}
	var rows [hashSide][hashFreqs]float64
	for y := range small {
		for u := range cosines {
			for x, c := range cosines[u] {
				rows[y][u] += small[y][x] * c
			}
		}
	}
	freqs := make([]float64, 0, hashFreqs*hashFreqs)
	for v := range cosines {
		for u := range hashFreqs {
			sum := 0.
			for y, c := range cosines[v] {
				sum += rows[y][u] * c
			}
			freqs = append(freqs, math.Round(sum*1e6)/1e6) // so that equal is equal
		}
	}
	sorted := slices.Sorted(slices.Values(freqs))
	median := (sorted[len(sorted)/2-1] + sorted[len(sorted)/2]) / 2
	var hash uint64
	for _, f := range freqs {
		hash <<= 1
		if f > median {
			hash |= 1
		}
	}
	return hash
}

// shrink averages the luma of each cell of the grid; a picture smaller than the
// grid has pixels counted in several cells.
func shrink(luma []byte, width, height, stride int) (small [hashSide][hashSide]float64) {
	for cy := range small {
		y0 := cy * height / hashSide
		y1 := max(y0+1, (cy+1)*height/hashSide)
		for cx := range small[cy] {
			x0 := cx * width / hashSide
			x1 := max(x0+1, (cx+1)*width/hashSide)
			sum := 0
			for y := y0; y < y1; y++ {
				for _, v := range luma[y*stride+x0 : y*stride+x1] {
					sum += int(v)
				}
			}
			small[cy][cx] = float64(sum) / float64((x1-x0)*(y1-y0))
		}
	}
	return small
}
