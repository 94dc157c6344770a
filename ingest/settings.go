package ingest

import (
	"errors"
	"net/http"
	"time"

	"micodata/internal/ffmpeg"
	"micodata/storage"
)

// Settings shape the bytes of ingest parts; they are frozen into the dataset.
type Settings struct {
	// Copy takes local media into the dataset instead of referencing it.
	Copy bool `json:"copy"`
	// Sidecars takes subtitles and texts that lie beside local media.
	Sidecars bool `json:"sidecars"`
	// MaxSourceBytes bounds one source's media.
	MaxSourceBytes int64 `json:"max_source_bytes"`
	// MaxSidecarBytes bounds each file beside the media.
	MaxSidecarBytes int64 `json:"max_sidecar_bytes"`
	// MaxPixels bounds the pixels of one picture, width times height.
	MaxPixels int64 `json:"max_pixels"`
	// MaxSeconds bounds the duration that the container claims.
	MaxSeconds float64 `json:"max_seconds"`
}

// DefaultSettings are what suits most sets.
func DefaultSettings() Settings {
	return Settings{
		Sidecars:        true,
		MaxSourceBytes:  64 << 30,  // two hours of ProRes; ffmpeg's own file limit here
		MaxSidecarBytes: 8 << 20,   // a day of subtitles is about 2 MiB
		MaxPixels:       64 << 20,  // 8192x8192: one RGB frame of it is 192 MiB
		MaxSeconds:      24 * 3600, // a day: one core decodes it in some three hours
	}
}

// Validate says which setting makes no sense.
func (s Settings) Validate() error {
	if s.MaxSourceBytes <= 0 || s.MaxSidecarBytes <= 0 || s.MaxPixels <= 0 || !(s.MaxSeconds > 0) {
		return errors.New("ingest settings: the limits must be above 0")
	}
	return nil
}

// HTTPOptions bound what is fetched. They do not shape the bytes of what is
// fetched well. A zero field takes its default.
type HTTPOptions struct {
	// AllowPrivate lets URLs lead to private, loopback and link-local addresses.
	AllowPrivate bool
	// Timeout is for one source with all its retries. Default 1 h: 64 GiB need
	// 150 Mbit/s then, and usual files little.
	Timeout time.Duration
	// ConnectTimeout is for DNS, TCP and TLS each. Default 15 s.
	ConnectTimeout time.Duration
	// StallTimeout is how long a server may be silent, before its answer or
	// within it. Default 60 s.
	StallTimeout time.Duration
	// Redirects is how many are followed. Default 10, as browsers' 20 and
	// curl's 50 serve logins, not files; below 0 is none.
	Redirects int
	// Attempts is how many requests in a row may fail or bring less than 1 MiB
	// before the source fails. Default 5.
	Attempts int
	// Backoff is the pause after the first failure; it doubles with each, up to
	// MaxBackoff, which also bounds what a server's Retry-After may ask for.
	// Defaults 1 s and 60 s.
	Backoff, MaxBackoff time.Duration
	// UserAgent defaults to "micodata".
	UserAgent string

	transport http.RoundTripper // in tests, instead of one that checks addresses
}

func (o HTTPOptions) withDefaults() HTTPOptions {
	setDefault(&o.Timeout, time.Hour)
	setDefault(&o.ConnectTimeout, 15*time.Second)
	setDefault(&o.StallTimeout, time.Minute)
	setDefault(&o.Redirects, 10)
	setDefault(&o.Attempts, 5)
	setDefault(&o.Backoff, time.Second)
	setDefault(&o.MaxBackoff, time.Minute)
	setDefault(&o.UserAgent, "micodata")
	return o
}

func setDefault[T comparable](p *T, v T) {
	if *p == *new(T) {
		*p = v
	}
}

// Env is what [Run] works with.
type Env struct {
	Store       storage.Store
	Tools       ffmpeg.Tools
	Settings    Settings
	Fingerprint string // of the stage, for the part's metadata
	// Workers is how many sources are worked on at once. Default 4: fetching
	// and hashing wait more than they compute.
	Workers int
	HTTP    HTTPOptions
	// TempDir is an existing folder where downloads lie until their hash is
	// known: up to Workers times Settings.MaxSourceBytes. Default os.TempDir(),
	// which may be small, and is not swept after a crash as a folder in a local
	// dataset is.
	TempDir string
	// Folders is what the runs of all parts share, so that a folder of many
	// parts is read once. nil reads each folder once a part.
	Folders *Folders
	// Warn is told what is left out of a source that is otherwise well, such as
	// a sidecar that cannot be read. It may be called from several goroutines
	// at once. nil tells nobody.
	Warn func(uri string, err error)
}

func (e Env) withDefaults() Env {
	setDefault(&e.Workers, 4)
	e.HTTP = e.HTTP.withDefaults()
	if e.Folders == nil {
		e.Folders = new(Folders)
	}
	if e.Warn == nil {
		e.Warn = func(string, error) {}
	}
	return e
}
