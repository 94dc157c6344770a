// Package gpu runs ONNX models: tensors in, tensors out. It is ONNX Runtime
// behind a small face, and the only package of the module that uses cgo. It
// knows nothing of clips, pictures or what a model means.
//
// The runtime's shared library is loaded when [Open] is called, so a program
// that holds this package starts without it, and [*MissingError] says what to
// do. Built with CGO_ENABLED=0 the package is there and Open says so.
//
// A [Session] is a model loaded onto a [Device]. It may be run from several
// goroutines at once; the weights are held once. Threads inside one run are
// pinned to a number given by the caller (1 unless asked otherwise), never to
// the machine's cores: more threads can change the order of sums, and with it
// the last bits of a result. Idle threads sleep; they do not spin.
package gpu
