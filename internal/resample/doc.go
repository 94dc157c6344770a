// Package resample changes the size of pictures exactly as the Python libraries
// do that vision models were trained behind: a model's answer depends on the
// filter, and on whether a picture that shrinks is smoothed first.
//
//   - [RGB] is Pillow's Image.resize of 8-bit RGB, equal in every bit: fixed-point
//     weights, and values rounded to 8 bits between the two passes.
//   - [Float] is one float32 channel: with antialias PyTorch's (and torchvision's)
//     resize of float tensors, without it OpenCV's of float images. The sums
//     are float64 here and float32 there, so the last bits differ.
//
// The results are the same on every architecture: no product is fused with a sum.
package resample
