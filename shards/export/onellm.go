package export

// oneLLM is the form of OneLLM's tuning on pictures, video, sound, depth and normals.
type oneLLM struct{ x *exporter }

func newOneLLM(x *exporter) format { return oneLLM{x} }

var oneLLMNotes = map[string]string{"depth": mapNotes["depth"], "normal": mapNotes["normal"], "maps": mapNotes["maps"]}

// oneLLMRow is a row of a list. Image names the file, of a video and a sound too. The
// loader takes depth_image where there is one, so that a row never has both.
type oneLLMRow struct {
	ID            string `json:"id"`
	Image         string `json:"image"`
	DepthImage    string `json:"depth_image,omitempty"`
	NormalImage   string `json:"normal_image,omitempty"`
	Conversations []turn `json:"conversations"`
}

type turn struct {
	From  string `json:"from"`
	Value string `json:"value"`
}

// oneLLMPrompt is what is asked of each picture, video or audio.
func oneLLMPrompt(of string) string {
	return "Provide a one-sentence caption for the provided " + of + "."
}

// take lists a clip for each modality that it has with a caption of it. The key frame
// and its maps have one name, in folders of their own.
func (f oneLLM) take(c *clip) (p product) {
	add := func(list, of, lacks string, captions []string, row oneLLMRow) bool {
		if lacks == "" && captions == nil {
			lacks = noCaption
		}
		if lacks != "" {
			p.notes = append(p.notes, list+": "+lacks)
			return false
		}
		if c.split != "train" {
			captions = captions[:1]
		}
		row.ID = c.id
		for _, text := range captions {
			row.Conversations = []turn{{"human", oneLLMPrompt(of)}, {"gpt", text}}
			p.lines = append(p.lines, line{inSplit("annotations/"+list+".json", c.split), jsonArray, row})
		}
		return true
	}
	unless := func(there bool, lacks string) string {
		if there {
			return ""
		}
		return lacks
	}
	seen := c.visionCaptions()
	pictures, geometry := keyFrame(c, false)
	image := linked + "images/" + c.id + ".jpg"
	if add("image", "image", unless(pictures != nil, noImage), seen, oneLLMRow{Image: image}) {
		p.files = append(p.files, pictures...)
	}
	add("depth", "image", unless(geometry != nil && geometry.Depth != nil, "no map"), seen,
		oneLLMRow{Image: image, DepthImage: linked + "depth/" + c.id + ".png"})
	add("normal", "image", unless(geometry != nil && geometry.Normal != nil, "no map"), seen,
		oneLLMRow{Image: image, NormalImage: linked + "normal/" + c.id + ".png"})
	video := kept("videos/"+c.id+".mp4", c.Video)
	if add("video", "video", c.videoLacks(), seen, oneLLMRow{Image: linked + video.name}) {
		p.files = append(p.files, video)
	}
	wav := f.x.sound(c)
	if add("audio", "audio", c.soundLacks(), c.audioCaptions(), oneLLMRow{Image: linked + wav.name}) {
		p.files = append(p.files, wav)
	}
	if p.lines == nil {
		return product{skipped: noCaptioned}
	}
	if geometry != nil && seen != nil {
		p.lines = append(p.lines, line{geometryName, lines, geometry})
	}
	return p
}

// noCaptioned is why a clip is in none of the lists.
const noCaptioned = "nothing with a caption of it"

func (oneLLM) finish(map[string]int64) (map[string]any, []string) { return nil, nil }
