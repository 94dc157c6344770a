package gpu

import (
	"regexp"
	"strings"
)

// sourcePlace begins a place in ONNX Runtime's sources, as "/onnxruntime_src/core/x.cc:46 ".
var sourcePlace = regexp.MustCompile(`/onnxruntime_src/\S+:\d+ `)

// withoutSources drops each place in ONNX Runtime's sources from a message, and
// the signature of the function there, which is longer than what it has to say.
func withoutSources(text string) string {
	var kept strings.Builder
	for {
		at := sourcePlace.FindStringIndex(text)
		if at == nil {
			return kept.String() + text
		}
		kept.WriteString(text[:at[0]])
		text = afterSignature(text[at[1]:])
	}
}

// afterSignature is what comes after a function's parameters, or all if there is
// no function.
func afterSignature(text string) string {
	deep := 0
	for i, r := range text {
		switch r {
		case '(':
			deep++
		case ')':
			if deep--; deep > 0 || strings.HasPrefix(text[i+1:], "(") { // operator()(...)
				continue
			}
			rest := strings.TrimPrefix(text[i+1:], " const")
			if template, after, ok := strings.Cut(rest, "] "); ok && strings.HasPrefix(template, " [with ") {
				return after
			}
			return strings.TrimPrefix(rest, " ")
		}
	}
	return text
}
