// Package pseudolabel computes what nobody labelled by hand: depth and normal
// maps of pictures, by models that a card describes (package card) and that ONNX
// Runtime runs (package gpu).
//
// JPEG pictures enter, PNG maps leave, as large as the picture and of its whole
// field of view, that name the picture (package origin). A picture that can't be
// labelled is an error of its own beside the others' maps, never the end of a call.
//
// The depth maps of a clip's pictures have one range of values in common, so that
// what the model gave can be read off each of them.
//
// On the CPU the result for a clip depends on nothing but its pictures, the
// model, the library and [Options.Threads]: not on the clips beside it, the batch
// size or the number of workers. (The library picks its code by the CPU's vector
// instructions, so two kinds of CPU may differ in the last bit of a value before
// it is rounded.) A GPU also picks by the size of a batch, which depends on what
// else is in work: there two runs may differ in last bits, within what the model's
// arithmetic is good for. The largest batch is part of the fingerprint.
package pseudolabel
