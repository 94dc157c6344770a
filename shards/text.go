package shards

import (
	"slices"
	"strings"

	"micodata/dataset"
)

// CaptionKinds are the kinds of captions, the most telling of the clip first: what
// was written for this very span or set, what a model saw and heard in it, what is
// said in it, and last what is said of the whole source.
func CaptionKinds() []string {
	return []string{"imported", "omni", "vision", "audio", "asr", "subtitle", "alt", "title"}
}

// captionsOf gathers what text there is of a clip: the list's text for its span,
// its subtitles as one caption a language, and the texts of its source.
func captionsOf(c *dataset.Clip, s *dataset.Source) []Caption {
	var out []Caption
	add := func(text, kind, lang string) {
		if text = strings.TrimSpace(text); text != "" {
			out = append(out, Caption{Text: text, Kind: kind, Lang: lang})
		}
	}
	add(c.Text, "imported", "")
	for _, lang := range languages(c.Subtitles) {
		add(spoken(c.Subtitles, lang), "subtitle", lang)
	}
	for _, t := range s.Texts {
		add(t.Text, t.Kind, t.Lang)
	}
	if !slices.ContainsFunc(s.Texts, func(t dataset.Text) bool { return t.Kind == "title" }) {
		add(s.Title, "title", "")
	}
	return out
}

// languages lists the languages of cues in the order of their first cue.
func languages(cues []dataset.Cue) (langs []string) {
	for _, c := range cues {
		if !slices.Contains(langs, c.Lang) {
			langs = append(langs, c.Lang)
		}
	}
	return langs
}

// spoken joins the cues of a language. What is shown twice at one time, by two
// tracks or by a line that rolls on, is said once.
func spoken(cues []dataset.Cue, lang string) string {
	var lines []string
	until := map[string]float64{} // end of each line's last showing
	for _, c := range cues {
		text := strings.Join(strings.Fields(c.Text), " ")
		if c.Lang != lang || text == "" {
			continue
		}
		if end, shown := until[text]; !shown || c.Start > end+cueGap {
			lines = append(lines, text)
		}
		until[text] = max(until[text], c.End)
	}
	return strings.Join(lines, " ")
}

// cueGap joins showings of a line that follow each other but for a few frames,
// seconds.
const cueGap = 0.2

// BestText is the caption that a trainer uses by default, the column text: the first
// of the best kind there is, by [CaptionKinds]; "" if there is none.
func BestText(captions []Caption) string {
	kinds := CaptionKinds()
	best, text := len(kinds), ""
	for _, c := range captions {
		if i := slices.Index(kinds, c.Kind); i >= 0 && i < best {
			best, text = i, c.Text
		}
	}
	return text
}
