package testmedia

// The counter is a strip along the bottom edge, 1/8 of the height, of 20 equal
// blocks: white, black, 16 bits of the Gray code of n with the highest first,
// their parity, black. In a Gray code one bit changes from a frame to the next,
// so counting hardly disturbs a cut detector.
const (
	stripShare = 8
	blocks     = 20
	bits       = 16
)

// counterBlocks says which blocks of the strip are white for the number n.
func counterBlocks(n int) (white [blocks]bool) {
	white[0] = true
	gray := n ^ n>>1
	for i := range bits {
		white[2+i] = gray>>(bits-1-i)&1 == 1
	}
	white[2+bits] = n&1 == 1 // the number of ones in n's Gray code is odd iff n is
	return white
}

// ReadCounter reads the number off a frame of [Counter] or [FlashBeep]: a luma
// plane of w by h pixels, rows stride bytes apart, at any scale from 60x32 up
// and in any range. It reports false if the strip cannot be read for certain.
func ReadCounter(gray []byte, w, h, stride int) (n int, ok bool) {
	if w < 60 || h < 32 || stride < w || stride > len(gray) || h > len(gray)/stride+1 || len(gray) < (h-1)*stride+w {
		return 0, false
	}
	var level [blocks]float64
	for i := range level {
		level[i] = blockMean(gray, w, h, stride, i)
	}
	white, black := level[0], level[1]
	contrast := white - black
	if contrast < 60 {
		return 0, false
	}
	var seen [blocks]bool
	for i, l := range level {
		share := (l - black) / contrast
		if share > 0.3 && share < 0.7 {
			return 0, false
		}
		seen[i] = share > 0.5
	}
	for i := range bits {
		n = n<<1 | n&1 // undo the Gray code: each bit is the sum of those above
		if seen[2+i] {
			n ^= 1
		}
	}
	return n, seen == counterBlocks(n)
}

// blockMean averages the middle of block i, away from its blurred edges.
func blockMean(gray []byte, w, h, stride, i int) float64 {
	high := h / stripShare
	y0, y1 := h-high*3/4, h-high/4
	x0, x1 := (4*i+1)*w/(4*blocks), ((4*i+3)*w+4*blocks-1)/(4*blocks)
	sum := 0
	for y := y0; y < y1; y++ {
		for _, v := range gray[y*stride+x0 : y*stride+x1] {
			sum += int(v)
		}
	}
	return float64(sum) / float64((y1-y0)*(x1-x0))
}
