package testmedia

import (
	"encoding/binary"
	"fmt"
)

// pictures are clips that are odd in size, shape, orientation, scan or colour.
func pictures() []recipe {
	geometry := []recipe{
		{Case: silent("sar_16_11", "352x288 stored, pixels 16:11").show(512, 288), ext: ".mp4",
			args: arguments(lavfi("%s,setsar=16/11", quadrants(352, 288)), x264())},
		{Case: silent("odd_size_444", "H.264 4:4:4 with odd width and height").show(639, 359), ext: ".mp4",
			args: arguments(lavfi("%s", quadrants(639, 359)), x264("-pix_fmt", "yuv444p"))},
		{Case: silent("odd_size_ffv1", "FFV1 in Matroska with odd width and height").show(321, 181), ext: ".mkv",
			args: arguments(lavfi("%s", quadrants(321, 181)), []string{"-c:v", "ffv1", "-pix_fmt", "yuv444p"})},
		{Case: silent("tiny_16x16", "smaller than any grid or model patch").show(16, 16).last(50, 2), ext: ".mp4",
			args: arguments(lavfi("testsrc2=s=16x16:r=25:d=2"), x264())},
		{Case: silent("wide_4096x64", "64 times as wide as high").show(4096, 64).last(20, 2), ext: ".mp4",
			args: arguments(lavfi("%s,fps=10", quadrants(4096, 64)), []string{"-t", "2"}, x264())},
		{Case: silent("8k", "7680x4320, three frames at one a second").show(7680, 4320).last(3, 3), ext: ".mp4",
			args: arguments(lavfi("color=gray:s=7680x4320:r=1:d=3"), x264())},
		{Case: silent("interlaced_h264", "50 fields a second, top first").interlaced(), ext: ".mp4",
			args: arguments(fields(), x264("-flags:v", "+ildct+ilme", "-x264-params", "tff=1"))},
		{Case: silent("interlaced_mpeg2", "50 fields a second, top first, MPEG program stream").interlaced(), ext: ".mpg",
			args: arguments(fields(), []string{"-c:v", "mpeg2video", "-q:v", "4", "-flags:v", "+ildct+ilme", "-top", "1"})},
		{Case: usual("black_silent", "all black, all zero"), ext: ".mp4",
			args: arguments(lavfi("color=black:s=%dx%d:r=%d:d=%d", usualWidth, usualHeight, usualFPS, usualSeconds),
				lavfi("anullsrc=r=48000:cl=mono:d=%d", usualSeconds), x264(), aac())},
		{Case: silent("240fps", "slow-motion camera").show(160, 120).last(480, 2), ext: ".mp4",
			args: arguments(lavfi("testsrc2=s=160x120:r=240:d=2"), x264())},
	}
	for i := range geometry[:3] {
		geometry[i].Quadrants = true
	}
	return append(append(geometry, rotations()...), highDynamicRange()...)
}

func (c Case) interlaced() Case { c.Interlaced = true; return c }

// fields weaves a 50 Hz picture into 25 interlaced frames a second.
func fields() []string {
	return lavfi("testsrc2=s=%dx%d:r=50:d=%d,interlace=scan=tff", usualWidth, usualHeight, usualSeconds)
}

// rotations are pictures that are upright only once the display matrix of the
// track is obeyed, as phones write them. The matrix is put in by hand, since
// ffmpeg's own option for it changed between versions 5 and 6.
func rotations() []recipe {
	const w, h = usualWidth, usualHeight
	stored := func(graph string) []string { return arguments(lavfi("%s", graph), x264()) }
	sideways := quadrants(h, w)
	all := []recipe{
		{Case: silent("stored_for_90", "as rotation_90, without its matrix: lies on its side"), ext: ".mp4",
			args: stored(sideways + ",transpose=cclock")},
		{Case: silent("stored_for_180", "as rotation_180, without its matrix: upside down"), ext: ".mp4",
			args: stored(quadrants(w, h) + ",hflip,vflip")},
		{Case: silent("stored_for_270", "as rotation_270, without its matrix: lies on its side"), ext: ".mp4",
			args: stored(sideways + ",transpose=clock")},
	}
	for _, degrees := range []int{90, 180, 270} {
		c := silent(fmt.Sprintf("rotation_%d", degrees), "rotated by the display matrix")
		c.Rotation, c.Quadrants = degrees, true
		if degrees != 180 {
			c = c.show(h, w)
		}
		all = append(all, recipe{Case: c, ext: ".mp4",
			content: edited(fmt.Sprintf("stored_for_%d", degrees), func(b []byte) []byte { return rotate(b, degrees, w, h) })})
	}
	return all
}

// rotate sets the display matrix of the first track of an MP4 to a clockwise
// turn of a stored picture of w by h pixels.
func rotate(mp4 []byte, degrees, w, h int) []byte {
	tkhd := box(mp4, "moov", "trak", "tkhd")
	// ISO/IEC 14496-12 8.3.2, version 0: the matrix {a b u, c d v, x y w} lies
	// 40 bytes into the box; a to d and the translation are 16.16 fixed point.
	matrix := map[int][4]int{90: {0, 1, -1, 0}, 180: {-1, 0, 0, -1}, 270: {0, -1, 1, 0}}[degrees]
	shift := map[int][2]int{90: {h, 0}, 180: {w, h}, 270: {0, w}}[degrees]
	put := func(i, v int) { binary.BigEndian.PutUint32(tkhd[40+4*i:], uint32(int32(v)<<16)) }
	put(0, matrix[0])
	put(1, matrix[1])
	put(3, matrix[2])
	put(4, matrix[3])
	put(6, shift[0])
	put(7, shift[1])
	return mp4
}

// box returns the payload of the first box at the path, within b.
func box(b []byte, path ...string) []byte {
	for _, name := range path {
		for string(b[4:8]) != name {
			b = b[binary.BigEndian.Uint32(b):]
		}
		b = b[8:binary.BigEndian.Uint32(b)]
	}
	return b
}

// highDynamicRange are 10-bit BT.2020 clips of two gray halves of known light.
// The code values are 64 + 876*signal (narrow range).
func highDynamicRange() []recipe {
	halves := func(left, right int) []string {
		return lavfi("color=black:s=%dx%d:r=%d:d=1,format=yuv420p10le,geq=lum='if(lt(X,W/2),%d,%d)':cb=512:cr=512,loop=-1:1,trim=end_frame=%d,setpts=N/%d/TB",
			usualWidth, usualHeight, usualFPS, left, right, usualFrames, usualFPS)
	}
	tags := func(transfer string) []string {
		return []string{"-color_primaries", "bt2020", "-color_trc", transfer, "-colorspace", "bt2020nc", "-color_range", "tv"}
	}
	const master = ":hdr10=1:repeat-headers=1:colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc" +
		":master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50):max-cll=1000,400"
	return []recipe{
		// ST 2084: 203 cd/m2 (BT.2408 reference white) is signal 0.5807, 1000 cd/m2 is 0.7518.
		{Case: silent("hdr10_pq", "HDR10: left half 203 cd/m2 (diffuse white), right half 1000 cd/m2"), ext: ".mp4",
			args: arguments(halves(573, 723), x265("yuv420p10le", master), tags("smpte2084"))},
		// BT.2408: diffuse white is 75 % of the HLG signal, the peak 100 %.
		{Case: silent("hlg", "HLG: left half diffuse white (75 %), right half peak (100 %)"), ext: ".mp4",
			args: arguments(halves(721, 940), x265("yuv420p10le", ":colorprim=bt2020:transfer=arib-std-b67:colormatrix=bt2020nc"), tags("arib-std-b67"))},
	}
}
