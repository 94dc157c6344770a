package export

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"micodata/dataset"
)

// maxIDBytes leaves room for "_depth.npy" within the 255 bytes of a file name.
const maxIDBytes = 200

// escapes are what may be in a key and not in an id. SafeID's own "%XX" becomes
// "=XX", in which nothing else is written, so that distinct keys have distinct ids.
//   - webdataset ends a key at the first dot, and other loaders cut names there;
//   - "%" is a pattern of numbered pictures to OpenCV and ffmpeg;
//   - loaders look for sound by replacing "wav" and for depth by replacing
//     "videos" in the whole path, names included.
var escapes = strings.NewReplacer("%", "=", ".", "=2E", "wav", "w=61v", "videos", "video=73")

// ID names the clip of a key in exports: "<source_id>~<clip number>", of letters,
// digits and "-_=~". It has no dot, so that no id is another file's name and what
// follows is the extension; and no id begins another, since no source has 100,000
// clips: GRAM takes the first file whose name begins with the id.
func ID(key string) (string, error) {
	source, n, err := dataset.SplitKey(key)
	if err != nil {
		return "", err
	}
	source = escapes.Replace(source)
	if len(source) > maxIDBytes {
		sum := sha256.Sum256([]byte(source))
		// "~~" is in no other id.
		source = source[:maxIDBytes-18] + "~~" + hex.EncodeToString(sum[:8])
	}
	return fmt.Sprintf("%s~%05d", source, n), nil
}
