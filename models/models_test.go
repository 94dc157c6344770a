package models

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"micodata/pseudolabel/card"
)

func TestUnpackedModelsAreWholeAndFound(t *testing.T) {
	cache := t.TempDir()
	dirs := make([]string, 4)
	var wg sync.WaitGroup
	for i := range dirs { // several processes may start at once
		wg.Go(func() {
			dir, err := Unpack(cache)
			if err != nil {
				t.Error(err)
			}
			dirs[i] = dir
		})
	}
	wg.Wait()
	c, err := card.Find("small", dirs[:1])
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Verify(context.Background()); err != nil {
		t.Error(err)
	}
	for _, d := range dirs {
		if d != dirs[0] {
			t.Errorf("%s and %s", d, dirs[0])
		}
	}
	left, err := filepath.Glob(filepath.Join(cache, "builtin-models", "*"))
	if err != nil || len(left) != 1 {
		t.Errorf("left: %v, %v", left, err)
	}
	if hidden, err := os.ReadDir(filepath.Join(cache, "builtin-models")); err != nil || len(hidden) != 1 {
		t.Errorf("left: %v, %v", hidden, err)
	}
}

// A model that was exported has the licence and the source that were told before.
func TestCardsSayWhatExportsSay(t *testing.T) {
	for name, exporter := range map[string]string{
		"geowizard-v1": "geowizard.py", "geowizard-v2": "geowizard.py", "midas-hybrid": "dpt.py", "midas-large": "dpt.py", "omnidata-dpt": "dpt.py",
	} {
		c, err := card.Load(name)
		if err != nil {
			t.Fatal(err)
		}
		python, err := os.ReadFile(filepath.Join("..", "tools", "export", exporter))
		if err != nil {
			t.Fatal(err)
		}
		// Long texts are written in parts there.
		text := strings.Join(strings.Fields(string(python)), " ")
		text = strings.ReplaceAll(text, `" "`, "")
		for _, says := range []string{c.Licence, c.Source} {
			if !strings.Contains(text, `"`+says+`"`) {
				t.Errorf("%s: %q is not in %s", name, says, exporter)
			}
		}
		if !strings.Contains(c.Get, "tools/export/"+exporter) || !strings.Contains(c.Get, "micodata models add FOLDER/"+name) {
			t.Errorf("%s: %s", name, c.Get)
		}
	}
}
