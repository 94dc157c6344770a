package jpegrgb

// The inverse cosine transform in the fixed-point arithmetic that libjpeg's
// default has ("islow"): Loeffler, Ligtenberg and Moschytz's one-dimensional
// transform with constants of 13 bits, over the columns, which keep 2 bits of
// fraction, and then over the rows. What is rounded where decides the last bit.
const (
	constBits = 13
	passBits  = 2

	f0298 = 2446  // 0.298631336 * 2^13, and so on
	f0390 = 3196  // 0.390180644
	f0541 = 4433  // 0.541196100
	f0765 = 6270  // 0.765366865
	f0899 = 7373  // 0.899976223
	f1175 = 9633  // 1.175875602
	f1501 = 12299 // 1.501321110
	f1847 = 15137 // 1.847759065
	f1961 = 16069 // 1.961570560
	f2053 = 16819 // 2.053119869
	f2562 = 20995 // 2.562915447
	f3072 = 25172 // 3.072711026
)

// inverse turns a block of coefficients, which it destroys, into 8x8 samples.
func inverse(out []byte, stride int, b *[64]int32) {
	const (
		shift1, half1 = constBits - passBits, 1 << (constBits - passBits - 1)
		// Rows also take out the transform's factor of 8.
		shift2, half2 = constBits + passBits + 3, 1 << (constBits + passBits + 2)
	)
	for x := range 8 {
		if b[x+8]|b[x+16]|b[x+24]|b[x+32]|b[x+40]|b[x+48]|b[x+56] == 0 {
			// The usual case, and it gives what the long way does.
			v := b[x] << passBits
			b[x], b[x+8], b[x+16], b[x+24], b[x+32], b[x+40], b[x+48], b[x+56] = v, v, v, v, v, v, v, v
			continue
		}
		e0, e1, e2, e3, o0, o1, o2, o3 := line(b[x], b[x+8], b[x+16], b[x+24], b[x+32], b[x+40], b[x+48], b[x+56])
		b[x], b[x+56] = (e0+o0+half1)>>shift1, (e0-o0+half1)>>shift1
		b[x+8], b[x+48] = (e1+o1+half1)>>shift1, (e1-o1+half1)>>shift1
		b[x+16], b[x+40] = (e2+o2+half1)>>shift1, (e2-o2+half1)>>shift1
		b[x+24], b[x+32] = (e3+o3+half1)>>shift1, (e3-o3+half1)>>shift1
	}
	for y := range 8 {
		r, to := (*[8]int32)(b[8*y:]), (*[8]byte)(out[y*stride:])
		e0, e1, e2, e3, o0, o1, o2, o3 := line(r[0], r[1], r[2], r[3], r[4], r[5], r[6], r[7])
		to[0], to[7] = level((e0+o0+half2)>>shift2), level((e0-o0+half2)>>shift2)
		to[1], to[6] = level((e1+o1+half2)>>shift2), level((e1-o1+half2)>>shift2)
		to[2], to[5] = level((e2+o2+half2)>>shift2), level((e2-o2+half2)>>shift2)
		to[3], to[4] = level((e3+o3+half2)>>shift2), level((e3-o3+half2)>>shift2)
	}
}

// flat is inverse of a block that has only its first coefficient.
func flat(out []byte, stride int, dc int32) {
	v := level((dc<<passBits + 1<<(passBits+2)) >> (passBits + 3))
	for y := range 8 {
		*(*[8]byte)(out[y*stride:]) = [8]byte{v, v, v, v, v, v, v, v}
	}
}

func level(v int32) byte { return clip(v + 128) }

// line is the one-dimensional transform, times 2^13 * sqrt(8): of the samples i
// and 7-i it gives half the sum, e, and half the difference, o.
func line(x0, x1, x2, x3, x4, x5, x6, x7 int32) (e0, e1, e2, e3, o0, o1, o2, o3 int32) {
	// The even coefficients: a rotation by 3 pi / 8, and sums.
	turn := (x2 + x6) * f0541
	t2, t3 := turn-x6*f1847, turn+x2*f0765
	t0, t1 := (x0+x4)<<constBits, (x0-x4)<<constBits
	e0, e1, e2, e3 = t0+t3, t1+t2, t1-t2, t0-t3
	// The odd ones: four rotations that share their products.
	all := (x7 + x3 + x5 + x1) * f1175
	z1, z2 := (x7+x1)*f0899, (x5+x3)*f2562
	z3, z4 := all-(x7+x3)*f1961, all-(x5+x1)*f0390
	o0 = x1*f1501 - z1 + z4
	o1 = x3*f3072 - z2 + z3
	o2 = x5*f2053 - z2 + z4
	o3 = x7*f0298 - z1 + z3
	return e0, e1, e2, e3, o0, o1, o2, o3
}
