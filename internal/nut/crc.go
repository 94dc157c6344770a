package nut

// crcTable is for the polynomial 0x04C11DB7, most significant bit first, which
// hash/crc32 does not have.
var crcTable = func() (t [256]uint32) {
	for i := range t {
		c := uint32(i) << 24
		for range 8 {
			carry := c >> 31
			c = c<<1 ^ carry*0x04C11DB7
		}
		t[i] = c
	}
	return t
}()

// crc is NUT's checksum: it starts at 0 and isn't inverted, so that it is 0 over
// bytes followed by their own checksum.
func crc(p []byte) uint32 {
	var c uint32
	for _, b := range p {
		c = c<<8 ^ crcTable[byte(c>>24)^b]
	}
	return c
}
