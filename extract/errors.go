package extract

import (
	"errors"
	"regexp"
	"strings"

	"micodata/dataset"
	"micodata/internal/ffmpeg"
)

// itemError makes a row's failure of ffmpeg's: of the given class, unless it says
// what it was. What keeps ffmpeg from running at all is no failure of the item.
func itemError(err error, path string, class dataset.Class) error {
	var timeout *ffmpeg.TimeoutError
	var exit *ffmpeg.ExitError
	switch {
	case errors.As(err, &timeout):
		return dataset.Fail(dataset.Timeout, "%w", timeout)
	case errors.As(err, &exit):
		return exitError(exit, path, class)
	}
	return err
}

func exitError(e *ffmpeg.ExitError, path string, class dataset.Class) error {
	switch {
	case e.Signal != "":
		return dataset.Fail(class, "ffmpeg ended by signal: %s", e.Signal)
	case strings.Contains(e.Stderr, "Cannot allocate memory"):
		class = dataset.TooLarge
	case strings.Contains(e.Stderr, "Decoder (codec") && strings.Contains(e.Stderr, "not found"):
		class = dataset.UnsupportedCodec
	case strings.Contains(e.Stderr, "No such file"):
		class = dataset.NotFound
	case strings.Contains(e.Stderr, "Permission denied"):
		class = dataset.Forbidden
	}
	return dataset.Fail(class, "ffmpeg: %s", scrub(path, e.Stderr))
}

// address is where a part of ffmpeg lies in memory, which differs from run to
// run.
var address = regexp.MustCompile(` @ 0x[0-9a-f]+`)

// scrub takes out of ffmpeg's words what is not the same every time: where the
// file lies and addresses in memory.
func scrub(path, said string) string {
	if path != "" {
		said = strings.ReplaceAll(said, path, "the file")
	}
	said = address.ReplaceAllString(said, "")
	return strings.Join(strings.FieldsFunc(said, func(r rune) bool { return r == '\n' || r == '\r' }), "; ")
}
