//go:build cgo && linux

package gpu

// #cgo LDFLAGS: -ldl
// #include <dlfcn.h>
// #include <stdlib.h>
import "C"

import (
	"errors"
	"path/filepath"
	"unsafe"
)

// cudaLibraries are what ONNX Runtime's CUDA and TensorRT providers need, each
// after those it needs itself.
var cudaLibraries = []string{
	"libcudart.so.*", "libnvJitLink.so.*", "libcublasLt.so.*", "libcublas.so.*", "libnvrtc-builtins.so.*", "libnvrtc.so.*",
	"libcurand.so.*", "libcufft.so.*", "libcudnn.so.*", "libnvinfer.so.*", "libnvonnxparser.so.*",
}

// preload loads the CUDA libraries that lie beside ONNX Runtime's, as
// tools/setup/gpu.sh puts them: the provider would look for them in the system's
// folders only. What can't be loaded is left to the provider, whose error says what
// it lacks; but without a driver nothing is loaded, and that is the error.
func preload(dir string) error {
	if found, _ := filepath.Glob(filepath.Join(dir, cudaLibraries[0])); len(found) == 0 {
		return nil // of the system, or there is no CUDA
	}
	if !dlopen("libcuda.so.1") {
		return errors.New("no NVIDIA driver: libcuda.so.1 is not found")
	}
	for _, pattern := range cudaLibraries {
		files, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			continue // a folder's name with brackets: the system's own are there still
		}
		for _, file := range files {
			dlopen(file)
		}
	}
	return nil
}

func dlopen(file string) bool {
	name := C.CString(file)
	defer C.free(unsafe.Pointer(name))
	return C.dlopen(name, C.RTLD_NOW|C.RTLD_GLOBAL) != nil
}
