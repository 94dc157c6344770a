package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"unicode"

	"github.com/spf13/pflag"

	"micodata/dataset"
	"micodata/engine"
	"micodata/shards"
	"micodata/shards/export"
	"micodata/storage"
)

// Exit codes; users' scripts rely on them. What nobody classed is exitStorage: after
// exitFailures alone there is something complete to use, and that must be known.
const (
	exitOK          = 0
	exitFailures    = 1
	exitUsage       = 2
	exitMissing     = 3
	exitStorage     = 4
	exitInterrupted = 130
)

// usageError is a mistake in the command line or the configuration.
type usageError struct{ msg string }

func (e *usageError) Error() string { return e.msg }

func usagef(format string, args ...any) error { return &usageError{fmt.Sprintf(format, args...)} }

// failuresError says that the run ended, and that not everything in it went well.
type failuresError struct{ msg string }

func (e *failuresError) Error() string { return e.msg }

// stoppedError is what the user interrupted, and what came of it.
type stoppedError struct{ what string }

func (e *stoppedError) Error() string { return "stopped; " + e.what }
func (e *stoppedError) Unwrap() error { return context.Canceled }

// severalError says how many of a command's errors there were, each of which was
// told; they decide the exit code.
type severalError struct {
	msg  string
	errs []error
}

func (e *severalError) Error() string   { return e.msg }
func (e *severalError) Unwrap() []error { return e.errs }

// flagProblem says what is wrong with a flag, and not by which of Go's functions
// that was seen.
func flagProblem(err error) string {
	var wrong *pflag.InvalidValueError
	if !errors.As(err, &wrong) {
		return err.Error()
	}
	want := map[string]string{
		"int": "a whole number", "int64": "a whole number", "float64": "a number", "bool": "true or false", "duration": "a time, such as 90s or 10m",
	}[wrong.GetFlag().Value.Type()]
	if want == "" {
		return fmt.Sprintf("--%s %q: %v", wrong.GetFlag().Name, wrong.GetValue(), wrong.Unwrap())
	}
	if errors.Is(err, strconv.ErrRange) {
		want += " of at most 64 bits"
	}
	return fmt.Sprintf("--%s %q: want %s", wrong.GetFlag().Name, wrong.GetValue(), want)
}

// exitCode maps an error to the command's exit code. Whose fault it is decides:
// the order matters where an error wraps several.
func exitCode(err error) int {
	var (
		usage  *usageError
		frozen *dataset.FrozenError
		filter *shards.FilterError
		column *shards.ColumnError
	)
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, engine.ErrInterrupted), errors.Is(err, context.Canceled):
		return exitInterrupted
	case errors.As(err, &usage), errors.As(err, &frozen), errors.As(err, &filter), errors.As(err, &column), isUsage(err):
		return exitUsage
	case isMissing(err):
		return exitMissing
	case isFailures(err):
		return exitFailures
	}
	return exitStorage
}

// isFailures tells what ends a command that did all it could: the rest is complete,
// or there is nothing to show. An error of the storage beside it weighs more.
func isFailures(err error) bool {
	var (
		store  *storage.Error
		failed *failuresError
		tuples *shards.NoTuplesError
		clips  *export.NoClipsError
		blob   *shards.NoBlobError
	)
	return !errors.As(err, &store) && (errors.As(err, &failed) || errors.As(err, &tuples) || errors.As(err, &clips) || errors.As(err, &blob))
}

// logger is what says everything with --log-format json, and else nil.
func (a *app) logger() *slog.Logger {
	if a.global.logFormat != "json" {
		return nil
	}
	return slog.New(slog.NewJSONHandler(a.err, nil))
}

// printError writes one line: what, where, what to do.
func (a *app) printError(err error) {
	msg := oneLine(err.Error())
	var told *stoppedError
	if errors.Is(err, context.Canceled) && !errors.As(err, &told) {
		msg = "stopped; what was committed stays, and the same command goes on from there"
	}
	if log := a.logger(); log != nil {
		log.Error(msg, "exit", exitCode(err))
		return
	}
	fmt.Fprintf(a.err, "micodata: error: %s\n", msg)
}

// oneLine is a message that stays one line and leaves the terminal alone, whatever
// names of files are in it.
func oneLine(msg string) string {
	var b strings.Builder
	for _, r := range strings.Join(strings.Fields(msg), " ") {
		if unicode.IsPrint(r) {
			b.WriteRune(r)
		} else {
			b.WriteString(strings.Trim(strconv.QuoteRuneToASCII(r), "'"))
		}
	}
	return b.String()
}

// note tells something that changes how the command works but not what it makes.
func (a *app) note(msg string) {
	if log := a.logger(); log != nil {
		log.Info(msg)
		return
	}
	fmt.Fprintf(a.err, "micodata: %s\n", oneLine(msg))
}
