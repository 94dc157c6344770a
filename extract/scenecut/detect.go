package scenecut

// The settings of MiCo's video2dataset config, and PySceneDetect's own default.
const (
	// DefaultThreshold is what MiCo's config asks for.
	DefaultThreshold = 11.5
	// DefaultMinSceneFrames is the default of video2dataset and of PySceneDetect.
	DefaultMinSceneFrames = 15
)

// A Detector turns the scores of one video into cuts by PySceneDetect 0.6.2's rule: a frame that scores at least the
// threshold starts a scene, unless the scene before it would then have fewer than the minimum of frames; such a frame is
// passed over, not remembered. The last scene may be shorter.
type Detector struct {
	threshold      float64
	minSceneFrames int
	frame          int // index of the next frame
	lastCut        int // first frame of the open scene
}

// NewDetector returns a Detector at frame 0. Scores are in 0..255; minSceneFrames below 1 means no minimum.
func NewDetector(threshold float64, minSceneFrames int) *Detector {
	return &Detector{threshold: threshold, minSceneFrames: minSceneFrames}
}

// Push takes the score of the next frame and reports whether a scene starts at that frame. Frame 0 starts the first
// scene and is never reported, unless the threshold is 0 and there is no minimum, as in the reference.
func (d *Detector) Push(score float64) bool {
	frame := d.frame
	d.frame++
	if score < d.threshold || frame-d.lastCut < d.minSceneFrames {
		return false
	}
	d.lastCut = frame
	return true
}
