//go:build !cgo

package gpu

import (
	"context"
	"errors"
)

var errNoCgo = errors.New("this micodata was built with CGO_ENABLED=0 and can't run models: build it with a C compiler")

// Runtime can't exist in a build without cgo.
type Runtime struct{}

// Session can't exist in a build without cgo.
type Session struct{}

// Open returns a [*MissingError]: loading a library needs cgo.
func Open(Options) (*Runtime, error) { return nil, &MissingError{Err: errNoCgo} }

// Path is empty in a build without cgo.
func (*Runtime) Path() string { return "" }

// Version is empty in a build without cgo.
func (*Runtime) Version() string { return "" }

// SHA256 is empty in a build without cgo.
func (*Runtime) SHA256() string { return "" }

// Select fails in a build without cgo.
func (*Runtime) Select(string) ([]Device, string, error) { return nil, "", errNoCgo }

// NewSession fails in a build without cgo.
func (*Runtime) NewSession(string, SessionOptions) (*Session, error) { return nil, errNoCgo }

// Device is the zero value in a build without cgo.
func (*Session) Device() Device { return Device{} }

// Inputs is empty in a build without cgo.
func (*Session) Inputs() []IO { return nil }

// Outputs is empty in a build without cgo.
func (*Session) Outputs() []IO { return nil }

// Run fails in a build without cgo.
func (*Session) Run(context.Context, map[string]Tensor) (map[string]Tensor, error) {
	return nil, errNoCgo
}

// Close does nothing in a build without cgo.
func (*Session) Close() error { return nil }
