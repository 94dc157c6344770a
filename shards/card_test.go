package shards

import (
	"encoding/json"
	"maps"
	"strings"
	"testing"

	"micodata/shards/testset"
)

// The card says what was chosen, what was taken out, and whose the media are.
func TestCardTells(t *testing.T) {
	p := testset.Parts(t)
	p[0].Sources[0].License = "CC BY | <4.0>\n"
	p[1].Sources[0].License = "CC0"
	p[1].Sources[1].License = ""
	env := newEnv(t, p)
	env.Where, env.Require, env.Columns, env.Limit, env.Shuffle = "duration > 1 and title != \"`\"", []string{"text", "image"}, []string{"image", "video"}, 100, 7
	write(t, env)
	card := string(testset.Files(t, env.Out)[CardName])
	env.Exclude = []string{"b.00000"}
	write(t, env)
	got := testset.Files(t, env.Out)
	for _, want := range []string{
		"Only clips for which this is true: `duration > 1 and title != \"'\"`.", "Every tuple has `image`, `text`.",
		"Only `image`, `video` of the modalities were written", "No more than 100 tuples", "and the seed 7.",
		"| CC BY \\| &lt;4.0>  | 2 |", "| CC0 | 2 |", "| (unknown) | 2 |",
	} {
		if !strings.Contains(card, want) {
			t.Errorf("the card lacks %q", want)
		}
	}
	if want := "1 tuples were taken out of the set for good"; strings.Contains(card, "taken out") || !strings.Contains(string(got[CardName]), want) {
		t.Errorf("the card lacks %q", want)
	}
	// The datasets library's cache knows a set by its folder's name and this header.
	description := func(card string) string {
		_, rest, _ := strings.Cut(card, "description: content ")
		return rest[:16]
	}
	if was, is := description(card), description(string(got[CardName])); was == is {
		t.Errorf("the content is %s before and after", is)
	}
	var stats Stats
	if err := json.Unmarshal(got[StatsName], &stats); err != nil {
		t.Fatal(err)
	}
	if want := map[string]int64{"CC BY | <4.0>\n": 2, "CC0": 1, noLicense: 2}; !maps.Equal(stats.Licenses, want) {
		t.Errorf("licences %v, want %v", stats.Licenses, want)
	}
	// Without any choice, no word of it.
	plain := newEnv(t, testset.Parts(t))
	write(t, plain)
	if card := string(testset.Files(t, plain.Out)[CardName]); strings.Contains(card, "Only ") || strings.Contains(card, "seed") {
		t.Error("the card tells of choices that were not made")
	}
}

func TestLicensesAreBounded(t *testing.T) {
	l := licenses{}
	for i := range 3 * maxLicenses {
		l.add(strings.Repeat("x", i))
		l.add("x")
	}
	if len(l) != maxLicenses+1 || l[otherLicenses] != 2*maxLicenses || l["x"] != 3*maxLicenses+1 {
		t.Errorf("%d licences, %d others, %d x", len(l), l[otherLicenses], l["x"])
	}
}
