package shards

// maxLicenses bounds the licences that are told apart: lists name a handful, and one
// with a text for each video must not fill the memory.
const maxLicenses = 100

// licenses counts tuples by the licence of their source, as the list gave it.
type licenses map[string]int64

// Tuples beyond maxLicenses, and those of which none is known.
const (
	otherLicenses = "(others)"
	noLicense     = "(unknown)"
)

func (l licenses) add(license string) {
	if license == "" {
		license = noLicense
	}
	if _, seen := l[license]; !seen && len(l) >= maxLicenses {
		license = otherLicenses
	}
	l[license]++
}
