package shards

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"path"
	"strings"
	"text/template"

	"micodata/dataset"
	"micodata/storage"
)

//go:embed card.md.tmpl
var cardText string

var cardTemplate = template.Must(template.New(CardName).Funcs(template.FuncMap{
	"mib":   func(n int64) string { return fmt.Sprintf("%.1f", float64(n)/(1<<20)) },
	"hours": func(s float64) string { return fmt.Sprintf("%.2f", s/3600) },
	"cell":  tableCell,
	"quote": yamlQuote,
	"code":  func(s string) string { return strings.NewReplacer("`", "'", "\n", " ", "\r", " ").Replace(s) },
	"names": func(names []string) string { return "`" + strings.Join(names, "`, `") + "`" },
}).Parse(cardText))

// writeCard makes README.md and its pictures.
func (e *Env) writeCard(ctx context.Context, m *Manifest, stats *Stats, pick []*IndexRow) error {
	picture, err := preview(ctx, e.Out, pick)
	if err != nil {
		return fmt.Errorf("pictures of the card: %w", err)
	}
	if picture != nil {
		if err := storage.WriteAll(ctx, e.Out, PreviewName, storage.Replace, picture); err != nil {
			return err
		}
	}
	var splits []string
	for _, s := range []string{Train, Validation, Test} {
		if m.Splits[s] > 0 {
			splits = append(splits, s)
		}
	}
	var buf bytes.Buffer
	err = cardTemplate.Execute(&buf, map[string]any{
		"M": m, "Stats": stats, "Splits": splits, "Size": sizeCategory(m.Tuples), "Preview": picture != nil, "PreviewName": PreviewName,
		"Depth": e.asked(dataset.StageDepth), "Normal": e.asked(dataset.StageNormal), "FrameMaps": frameMaps(m), "Classes": dataset.Classes(),
		"Stages": append([]string{dataset.StageIngest, dataset.StageExtract}, append(e.Labels, StageShard)...),
	})
	if err != nil {
		return fmt.Errorf("dataset card: %w", err)
	}
	return storage.WriteAll(ctx, e.Out, CardName, storage.Replace, buf.Bytes())
}

// frameMaps are the maps that frames have beside their pictures.
func frameMaps(m *Manifest) (names []string) {
	for _, stage := range []string{dataset.StageDepth, dataset.StageNormal} {
		if m.Stages[stage].MapsFrames() {
			names = append(names, path.Base(stage))
		}
	}
	return names
}

// sizeCategory is Hugging Face's word for a number of rows.
func sizeCategory(n int64) string {
	names := []string{"n<1K", "1K<n<10K", "10K<n<100K", "100K<n<1M", "1M<n<10M", "10M<n<100M", "100M<n<1B", "n>1B"}
	i := 0
	for bound := int64(1000); n >= bound && i < len(names)-1; bound *= 10 {
		i++
	}
	return names[i]
}

// tableCell makes text safe for a Markdown table.
func tableCell(s string) string {
	s = strings.NewReplacer("|", "\\|", "\n", " ", "\r", " ", "<", "&lt;", "`", "'").Replace(s)
	if s == "" {
		return "unknown"
	}
	return s
}

// yamlQuote makes a YAML string of any text: JSON's escapes are YAML's.
func yamlQuote(s string) string { return fmt.Sprintf("%q", s) }
