package export

// oneLLM is the form of OneLLM's tuning on depth and normals ("rgbd", "rgbn").
type oneLLM struct{}

func newOneLLM(*exporter) format { return oneLLM{} }

var oneLLMNotes = map[string]string{"depth": mapNotes["depth"], "normal": mapNotes["normal"], "maps": mapNotes["maps"]}

// oneLLMRow is a row of a list. The loader takes depth_image where there is one,
// so that a row never has both.
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

// oneLLMPrompt is what is asked of each picture.
const oneLLMPrompt = "Provide a one-sentence caption for the provided image."

// take gives the key frame and its maps under one name, in folders of their own.
func (oneLLM) take(c *clip) (p product) {
	captions := c.visionCaptions()
	files, geometry := keyFrame(c, false)
	switch {
	case c.Image.Bytes == nil:
		return product{skipped: noImage}
	case geometry == nil:
		return product{skipped: "no depth or normal map"}
	case captions == nil:
		return product{skipped: noCaption}
	}
	if c.split != "train" {
		captions = captions[:1]
	}
	p.files = files
	add := func(list string, row oneLLMRow) {
		row.ID, row.Image = c.id, linked+"images/"+c.id+".jpg"
		for _, text := range captions {
			row.Conversations = []turn{{"human", oneLLMPrompt}, {"gpt", text}}
			p.lines = append(p.lines, line{inSplit("annotations/"+list, c.split), jsonArray, row})
		}
	}
	if geometry.Depth != nil {
		add("depth.json", oneLLMRow{DepthImage: linked + "depth/" + c.id + ".png"})
	} else {
		p.notes = append(p.notes, "depth: no map")
	}
	if geometry.Normal != nil {
		add("normal.json", oneLLMRow{NormalImage: linked + "normal/" + c.id + ".png"})
	} else {
		p.notes = append(p.notes, "normal: no map")
	}
	p.lines = append(p.lines, line{geometryName, lines, geometry})
	return p
}

func (oneLLM) finish(map[string]int64) (map[string]any, []string) { return nil, nil }
