// Package jpegrgb reads JPEGs into RGB that equals, to the bit, what Pillow and
// OpenCV read with libjpeg-turbo's defaults: vision models were trained behind
// those, and image/jpeg gives other samples in two places. It rounds the inverse
// cosine transform otherwise (one sample in thirty, by a level), and it repeats
// chroma where libjpeg filters it.
//
// [Decode] reads 8-bit Huffman-coded pictures, sequential and progressive, grey,
// YCbCr and RGB, with sampling factors of 1 and 2. It has no modes and no
// leniency with broken data: libjpeg would fill what is missing with grey.
package jpegrgb
